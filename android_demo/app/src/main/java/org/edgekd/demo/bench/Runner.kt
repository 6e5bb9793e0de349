package org.edgekd.demo.bench

import java.nio.ByteBuffer
import kotlin.math.abs

/** Time as the runner sees it. */
interface Clock {
    /** Nanoseconds from some fixed moment. */
    fun nanos(): Long

    /** Nanoseconds since the phone's start, those of sleep among them, as /proc/uptime counts. */
    fun bootNanos(): Long = nanos()

    /** Wait so many nanoseconds. */
    fun sleep(nanos: Long)
}

/** Loads models. */
interface Engine {
    /** Name and version of the runtime; loads its library the first time. Throws PlanException. */
    fun start(): String

    /** A fresh interpreter of the model. Throws PlanException. */
    fun load(settings: Settings): LoadedModel
}

/** One interpreter. An input is a direct buffer, as the runtime wants it. */
interface LoadedModel : AutoCloseable {
    /** The image in a buffer of the model's own type. Throws PlanException where the size is another. */
    fun prepare(images: Images, index: Int): ByteBuffer

    /** From a prepared input to the output in our hands: what is timed. */
    fun infer(input: ByteBuffer)

    /** The argmax of the last output. */
    fun answer(): Int

    /** The delegate that really took part; asked when all timings are done. Throws PlanException if the one meant didn't. */
    fun delegate(): String
}

/** What is known of the process and the device around it. */
interface DeviceFacts {
    /** Thermal status, battery, clock, as far as they can be read. */
    fun now(): Map<String, Any>

    /** CPU seconds of this process. */
    fun ownCpuS(): Double

    /** A line of /proc/self/status in bytes, such as VmHWM; null where it can't be read. */
    fun memoryBytes(key: String): Long?

    /** The process's threads by number. */
    fun threads(): Set<String> = emptySet()

    /** Watches the calling thread and those of [others]; null where the system doesn't count what they wait. */
    fun watch(others: Set<String>): CpuWatch? = null
}

/** What the threads of an inference lost to other programs, and where they ran. */
interface CpuWatch : AutoCloseable {
    /** Nanoseconds that they were ready to run and had no CPU, so far. */
    fun waitedNanos(): Long

    /** Notes the CPU that the calling thread is on. */
    fun noteCpu()

    /** How often each CPU was noted. */
    fun cpus(): Map<String, Int>
}

/**
 * Everything that one launch gave. Rows of [curve] are second, inferences, p50 ns, p90 ns; [switchedOut] are the places
 * in [timingsNs] of inferences that lost the CPU meanwhile, null where the system doesn't tell.
 */
class Reply(
    val timingsNs: LongArray,
    val switchedOut: List<Int>?,
    val importMs: Double,
    val loadMs: Double,
    val firstMs: Double,
    val warmup: Warmup,
    val peakMemoryBytes: Long?,
    val memoryBeforeLoadBytes: Long?,
    val threads: Int,
    val delegate: String,
    val runtime: String,
    val cpu: Map<String, Double>,
    val lateCount: Int?,
    val curve: List<List<Number>>?,
    val endToEnd: List<SourceReply>?,
    val answers: List<Int>?,
    val checkAnswers: List<Int>?,
    val windowS: List<Double>,
    val inferences: Int,
    val before: Map<String, Any>,
    val after: Map<String, Any>,
)

/** How many inferences warmed up, and whether they had become steady. */
data class Warmup(val count: Int, val steady: Boolean)

/**
 * Measures one model, step by step as `edgekd/bench/agents/device_agent.py` does on other devices.
 *
 * Timed: from a prepared input buffer to the output in our hands. Decoding and resizing lie outside; where they are asked
 * for, they are timed after that (EndToEnd.kt). The images are cycled through in order.
 */
class Runner(private val engine: Engine, private val clock: Clock, private val device: DeviceFacts) {
    /** One launch. [progress] gets the timed inferences so far; it may throw to stop. Throws PlanException. */
    fun measure(settings: Settings, images: Images, check: Images? = null, raw: RawPhotos? = null, progress: (Int) -> Unit = {}): Reply {
        val before = device.now()
        val startImport = clock.nanos()
        val runtime = engine.start()
        val importMs = msSince(startImport)
        val memoryBefore = device.memoryBytes("VmRSS")
        val threadsBefore = device.threads()
        val startLoad = clock.nanos()
        return engine.load(settings).use { model ->
            val loadMs = msSince(startLoad)
            val inputs = List(images.count) { model.prepare(images, it) }
            val firstMs = timed(model, inputs[0]) / 1e6
            val warmup = warmUp(model, inputs, settings)
            System.gc()
            // The runtime's own threads are those that came with the model.
            val watch = device.watch(device.threads() - threadsBefore)
            val cpuBefore = cpu(watch)
            val timings = time(model, inputs, settings, watch, progress)
            val cpuAfter = cpu(watch)
            val cpus = watch?.use { it.cpus() }.orEmpty()
            val peak = device.memoryBytes("VmHWM")
            val answers = if (settings.answers) answers(model, images) else null
            val checkAnswers = check?.let { answers(model, it) }
            val endToEnd = raw?.let { EndToEndTimer(clock, device).measure(model, settings, it) }
            Reply(
                timingsNs = timings.kept.toArray(),
                switchedOut = timings.switchedOut,
                importMs = importMs,
                loadMs = loadMs,
                firstMs = firstMs,
                warmup = warmup,
                peakMemoryBytes = peak,
                memoryBeforeLoadBytes = memoryBefore,
                threads = settings.threads,
                delegate = model.delegate(),
                runtime = runtime,
                cpu = cpuBefore.mapValues { (key, value) -> cpuAfter.getValue(key) - value },
                lateCount = timings.pace?.lateCount,
                curve = timings.curve?.rows(clock.nanos()),
                endToEnd = endToEnd,
                answers = answers,
                checkAnswers = checkAnswers,
                windowS = timings.windowS,
                inferences = timings.done,
                before = before,
                after = if (cpus.isEmpty()) device.now() else device.now() + ("cpus" to cpus),
            )
        }
    }

    /** Infer until two blocks in a row take the same time, at most as long as allowed. */
    private fun warmUp(model: LoadedModel, inputs: List<ByteBuffer>, settings: Settings): Warmup {
        val end = clock.nanos() + nanos(settings.warmupMaxS)
        var done = 0
        var last: Double? = null
        while (true) {
            val block = LongArray(STEADY_BLOCK) { timed(model, inputs[(done + it) % inputs.size]) }
            done += STEADY_BLOCK
            val now = quantile(block.sortedArray(), 0.5)
            val steady = last != null && abs(now - last) <= STEADY_TOLERANCE * last
            if (steady && done >= settings.warmupMinIterations) return Warmup(done, true)
            if (clock.nanos() >= end) return Warmup(done, steady)
            last = now
        }
    }

    /** [windowS] is from when to when inferences ran, in seconds since the phone's start; [done] is how many. */
    private class Timings(
        val kept: LongList, val switchedOut: List<Int>?, val pace: Pace?, val curve: Curve?, val windowS: List<Double>, val done: Int,
    )

    /** Every inference, for as long as the plan says. A curve goes on; past the bound only its windows are kept. */
    private fun time(
        model: LoadedModel, inputs: List<ByteBuffer>, settings: Settings, watch: CpuWatch?, progress: (Int) -> Unit,
    ): Timings {
        val kept = LongList()
        val switchedOut = mutableListOf<Int>()
        val start = clock.nanos()
        val pace = settings.paceMs?.let { Pace(clock, (it * 1e6).toLong()) }
        val curve = if (settings.curve) Curve(start) else null
        val end = start + nanos(settings.seconds)
        var waited = watch?.waitedNanos() ?: 0
        val startBoot = clock.bootNanos()
        val startTimed = clock.nanos()
        var done = 0
        while (done < settings.minIterations || ((curve != null || done < settings.maxIterations) && clock.nanos() < end)) {
            pace?.let {
                it.await()
                waited = watch?.waitedNanos() ?: 0
            }
            val timing = timed(model, inputs[done % inputs.size])
            watch?.let {
                val now = it.waitedNanos()
                if (done < settings.maxIterations && now - waited > LOST_SHARE * timing) switchedOut += done
                if (done % CPU_EVERY == 0) it.noteCpu()
                waited = now
            }
            done++
            if (done <= settings.maxIterations) kept.add(timing)
            curve?.add(timing, clock.nanos())
            progress(done)
        }
        val windowS = listOf(startBoot / 1e9, (startBoot + clock.nanos() - startTimed) / 1e9)
        return Timings(kept, switchedOut.takeIf { watch != null }, pace, curve, windowS, done)
    }

    private fun answers(model: LoadedModel, images: Images): List<Int> = List(images.count) {
        model.infer(model.prepare(images, it))
        model.answer()
    }

    private fun timed(model: LoadedModel, input: ByteBuffer): Long {
        val start = clock.nanos()
        model.infer(input)
        return maxOf(1, clock.nanos() - start)
    }

    private fun cpu(watch: CpuWatch?) = buildMap {
        put("own_s", device.ownCpuS())
        put("wall_s", clock.nanos() / 1e9)
        if (watch != null) put("wait_s", watch.waitedNanos() / 1e9)
    }

    private fun msSince(start: Long) = (clock.nanos() - start) / 1e6

    private companion object {
        // Warm-up ends when the medians of two blocks of this many inferences differ by no more than this.
        const val STEADY_BLOCK = 8
        const val STEADY_TOLERANCE = 0.02

        // An inference that waited for a CPU for more than this part of its time is marked, as device_agent.py does.
        const val LOST_SHARE = 0.01
        const val CPU_EVERY = 8

        fun nanos(seconds: Double) = (seconds * 1e9).toLong()
    }
}
