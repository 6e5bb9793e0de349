package org.edgekd.demo.bench

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import java.nio.ByteBuffer

/** Time that stands still unless something takes some. */
class HandClock : Clock {
    var now = 1_000_000_000L
    var slept = 0L

    override fun nanos() = now

    override fun sleep(nanos: Long) {
        slept += nanos
        now += nanos
    }
}

object NoFacts : DeviceFacts {
    override fun now() = mapOf<String, Any>("battery_percent" to 50)

    override fun ownCpuS() = 2.5

    override fun memoryBytes(key: String) = if (key == "VmHWM") 4096L else null
}

/** A model whose inference number n takes [takes] of n nanoseconds, and answers with its input's first byte. */
class HandEngine(private val clock: HandClock, private val takes: (Int) -> Long) : Engine {
    var inferences = 0
    var closed = false

    override fun start(): String {
        clock.now += 3_000_000
        return "by hand 1"
    }

    override fun load(settings: Settings): LoadedModel {
        clock.now += 5_000_000
        return object : LoadedModel {
            private var last = 0

            override fun prepare(images: Images, index: Int): ByteBuffer = images[index]

            override fun infer(input: ByteBuffer) {
                clock.now += takes(inferences++)
                last = input.get(0).toInt()
            }

            override fun answer() = last

            override fun delegate() = settings.delegate

            override fun close() {
                closed = true
            }
        }
    }
}

class RunnerTest {
    private val clock = HandClock()
    private val images = Images.of(1, 1, listOf(7, 8, 9).map { byteArrayOf(it.toByte(), 0, 0) })

    private fun measure(settings: Settings, takes: (Int) -> Long = { 1_000_000 }): Pair<Reply, HandEngine> {
        val engine = HandEngine(clock, takes)
        return Runner(engine, clock, NoFacts).measure(settings, images, images) to engine
    }

    @Test
    fun everyTimingIsThere() {
        val (reply, engine) = measure(Settings(seconds = 0.02, minIterations = 4, maxIterations = 100, warmupMinIterations = 16, answers = true))
        assertEquals(List(20) { 1_000_000L }, reply.timingsNs.toList())
        assertEquals(3.0, reply.importMs, 0.0)
        assertEquals(5.0, reply.loadMs, 0.0)
        assertEquals(1.0, reply.firstMs, 0.0)
        assertEquals(Warmup(16, true), reply.warmup)
        assertEquals(listOf(7, 8, 9), reply.answers)
        assertEquals(listOf(7, 8, 9), reply.checkAnswers)
        assertEquals(0.02, reply.cpu.getValue("wall_s"), 1e-12)
        assertEquals(4096L, reply.peakMemoryBytes)
        assertNull(reply.memoryBeforeLoadBytes)
        assertNull(reply.lateCount)
        assertNull(reply.curve)
        assertTrue(engine.closed)
    }

    @Test
    fun atLeastAndAtMostSoMany() {
        assertEquals(16, measure(Settings(seconds = 0.0, minIterations = 16)).first.timingsNs.size)
        assertEquals(30, measure(Settings(seconds = 9.0, minIterations = 16, maxIterations = 30)).first.timingsNs.size)
    }

    @Test
    fun warmUpGoesOnUntilSteadyOrOutOfTime() {
        // The first inference is apart; then a block of 8 slow ones, and fast ones from there on.
        assertEquals(Warmup(24, true), measure(Settings(), { if (it <= 8) 2_000_000 else 1_000_000 }).first.warmup)
        val (never, _) = measure(Settings(warmupMaxS = 0.1), { 1_000_000L + 100_000L * it })
        assertFalse(never.warmup.steady)
        assertEquals(0, never.warmup.count % 8)
    }

    @Test
    fun pacedFramesWaitForTheirTurnAndCountTheLate() {
        val (onTime, _) = measure(Settings(paceMs = 10.0, seconds = 0.1, minIterations = 1))
        assertEquals(0, onTime.lateCount)
        assertEquals(11, onTime.timingsNs.size) // at 0, 10, ... 100 ms
        // Two and a half steps each: the turn after each is missed.
        val (late, _) = measure(Settings(paceMs = 10.0, seconds = 0.0, minIterations = 5), { 25_000_000 })
        assertEquals(4, late.lateCount)
    }

    @Test
    fun aCurveHasAWindowASecondAndOutlivesTheKeptTimings() {
        val (reply, _) = measure(Settings(curve = true, seconds = 3.0, minIterations = 1, maxIterations = 5), { 100_000_000 })
        assertEquals(5, reply.timingsNs.size)
        assertEquals(listOf(listOf<Number>(1.0, 10, 100_000_000L, 100_000_000L)), reply.curve!!.take(1))
        assertEquals(3, reply.curve!!.size)
    }

    /** Of every tenth inference, [lost] nanoseconds are those that it waited for a CPU. */
    private inner class Waiting(private val lost: Long) : DeviceFacts by NoFacts, CpuWatch {
        private var all = setOf("1", "2")
        var watched: Set<String>? = null
        var waited = 0L
        var noted = 0

        fun takes(inference: Int): Long = 1_000_000 + if (watched != null && inference % 10 == 0) lost.also { waited += it } else 0

        override fun threads() = all.also { all = setOf("1", "2", "8", "9") }

        override fun watch(others: Set<String>) = apply { watched = others }

        override fun waitedNanos() = waited

        override fun noteCpu() {
            noted++
        }

        override fun cpus() = mapOf("7" to noted)

        override fun close() = Unit
    }

    @Test
    fun inferencesThatLostTheCpuAreMarked() {
        for ((lost, marked) in listOf(500_000L to 2, 9_000L to 0)) {
            val waiting = Waiting(lost)
            val settings = Settings(seconds = 0.0, minIterations = 20, warmupMinIterations = 16)
            val reply = Runner(HandEngine(clock, waiting::takes), clock, waiting).measure(settings, images)
            assertEquals(marked, reply.switchedOut!!.size)
            assertTrue(reply.switchedOut!!.all { reply.timingsNs[it] > 1_400_000 })
            assertEquals(2 * lost / 1e9, reply.cpu.getValue("wait_s"), 1e-12)
            assertEquals("the runtime's own threads", setOf("8", "9"), waiting.watched)
            assertEquals(mapOf("7" to 3), reply.after["cpus"])
        }
        assertNull("not told by the system", measure(Settings()).first.switchedOut)
    }

    @Test
    fun quantilesAreNumpys() {
        // numpy.quantile([1, 2, 3, 10], [0.5, 0.9])
        assertEquals(2.5, quantile(longArrayOf(1, 2, 3, 10), 0.5), 1e-12)
        assertEquals(7.9, quantile(longArrayOf(1, 2, 3, 10), 0.9), 1e-12)
    }
}
