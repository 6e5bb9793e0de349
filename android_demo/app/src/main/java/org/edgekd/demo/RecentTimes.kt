package org.edgekd.demo

import org.edgekd.demo.bench.quantile

/** The last of many durations. The 90th percentile is told from ten on: of fewer it would be the largest. */
data class RecentTimes(private val nanos: List<Long> = emptyList()) {
    val count: Int get() = nanos.size
    val lastMs: Double? get() = nanos.lastOrNull()?.let { it / NANOS_A_MS }
    val medianMs: Double? get() = if (nanos.isEmpty()) null else at(0.5)
    val p90Ms: Double? get() = if (nanos.size < P90_MIN) null else at(0.9)

    fun plus(ms: Double): RecentTimes = RecentTimes((nanos + (ms * NANOS_A_MS).toLong()).takeLast(KEPT))

    private fun at(q: Double) = quantile(nanos.sorted().toLongArray(), q) / NANOS_A_MS

    companion object {
        const val KEPT = 100
        const val P90_MIN = 10
        private const val NANOS_A_MS = 1e6
    }
}

/** How often a live frame is classified. */
enum class Pace(val stepNanos: Long, val title: Int) {
    EVERY_FRAME(0, R.string.pace_every),
    TEN_A_SECOND(100_000_000, R.string.pace_ten),
    TWO_A_SECOND(500_000_000, R.string.pace_two),
    ONE_A_SECOND(1_000_000_000, R.string.pace_one),
}

/** Which frames have their turn. */
class Pacer {
    @Volatile
    private var next: Long? = null

    /** True for a frame at [now] nanoseconds that is to be classified. */
    fun due(now: Long, pace: Pace): Boolean {
        val turn = next
        if (turn != null && now < turn) return false
        // From the turn, not from now, so that frames that come a bit late don't lower the rate.
        next = if (turn == null || now - turn > pace.stepNanos) now + pace.stepNanos else turn + pace.stepNanos
        return true
    }

    fun reset() {
        next = null
    }
}
