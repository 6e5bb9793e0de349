package org.edgekd.demo

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test

class PiecesTest {
    @Test
    fun recentTimesKeepTheLastHundred() {
        var times = RecentTimes()
        assertNull(times.medianMs)
        repeat(9) { times = times.plus(1.0) }
        assertNull("of nine, a p90 is the largest", times.p90Ms)
        times = times.plus(11.0)
        assertEquals(1.0, times.medianMs!!, 1e-9)
        assertEquals(2.0, times.p90Ms!!, 1e-9)
        assertEquals(11.0, times.lastMs!!, 1e-9)
        repeat(200) { times = times.plus(3.0) }
        assertEquals(100, times.count)
        assertEquals(3.0, times.p90Ms!!, 1e-9)
    }

    @Test
    fun aPaceLetsItsFramesThrough() {
        val counts = Pace.entries.associateWith { pace ->
            val pacer = Pacer()
            // 30 frames a second, for four seconds.
            (0 until 120).count { pacer.due(it * 1_000_000_000L / 30, pace) }
        }
        assertEquals(mapOf(Pace.EVERY_FRAME to 120, Pace.TEN_A_SECOND to 40, Pace.TWO_A_SECOND to 8, Pace.ONE_A_SECOND to 4), counts)
    }

    @Test
    fun aSensorIsTurnedUpright() {
        // A phone's back camera is built in at 90 degrees: held upright it is turned by them, on its side not at all.
        assertEquals(listOf(90, 0, 270, 180), listOf(0, 90, 180, 270).map { turnOf(90, it, front = false) })
        assertEquals(listOf(270, 0), listOf(0, 90).map { turnOf(270, it, front = true) })
    }

    @Test
    fun numbersAreShort() {
        java.util.Locale.setDefault(java.util.Locale.ROOT)
        assertEquals(listOf("0.12", "9.99", "10.0", "99.9", "100"), listOf(0.123, 9.99, 9.996, 99.91, 99.96).map(::formatMs))
        assertEquals(listOf("12 B", "56 kB", "13.4 MB"), listOf(12L, 56_135L, 13_434_903L).map(::formatSize))
    }
}
