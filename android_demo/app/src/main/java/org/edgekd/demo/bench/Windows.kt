package org.edgekd.demo.bench

/** Longs that grow without a box each: nothing is to be collected while inferences are timed. */
class LongList {
    private var values = LongArray(1024)
    var size = 0
        private set

    fun add(value: Long) {
        if (size == values.size) values = values.copyOf(2 * size)
        values[size++] = value
    }

    fun clear() {
        size = 0
    }

    fun toArray(): LongArray = values.copyOf(size)
}

/** A quantile of sorted values, linear between neighbours as in numpy. */
fun quantile(sorted: LongArray, q: Double): Double {
    require(sorted.isNotEmpty()) { "no values" }
    val at = q * (sorted.size - 1)
    val low = at.toInt()
    val high = minOf(low + 1, sorted.size - 1)
    return sorted[low] + (at - low) * (sorted[high] - sorted[low])
}

/** One frame every [stepNanos]; frames whose turn came while the one before was at work started late. */
class Pace(private val clock: Clock, private val stepNanos: Long) {
    private var next = clock.nanos()
    var lateCount = 0
        private set

    /** Until the next frame; a camera drops the frames that were missed. */
    fun await() {
        val now = clock.nanos()
        if (now > next + stepNanos) {
            lateCount++
            next = now
        } else if (now < next) {
            clock.sleep(next - now)
        }
        next += stepNanos
    }
}

/** Windows of a second each: how many inferences, their median and their 90th percentile. */
class Curve(private val startNanos: Long) {
    private var windowNanos = startNanos
    private val window = LongList()
    private val rows = mutableListOf<List<Number>>()

    /** One inference that has just ended. */
    fun add(timingNanos: Long, nowNanos: Long) {
        window.add(timingNanos)
        if (nowNanos - windowNanos >= STEP_NANOS) close(nowNanos)
    }

    /** Every window, a last one that is not whole only if there is no other. */
    fun rows(nowNanos: Long): List<List<Number>> {
        if (window.size > 0 && rows.isEmpty()) close(nowNanos)
        return rows
    }

    private fun close(nowNanos: Long) {
        val sorted = window.toArray().also { it.sort() }
        val second = Math.round((nowNanos - startNanos) / 1e6) / 1e3
        rows += listOf(second, sorted.size, quantile(sorted, P50).toLong(), quantile(sorted, P90).toLong())
        window.clear()
        windowNanos = nowNanos
    }

    private companion object {
        const val STEP_NANOS = 1_000_000_000L
        const val P50 = 0.5
        const val P90 = 0.9
    }
}
