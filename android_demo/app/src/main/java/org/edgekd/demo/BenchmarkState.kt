package org.edgekd.demo

import org.edgekd.demo.bench.Reply
import org.edgekd.demo.bench.Settings
import org.edgekd.demo.bench.quantile

/** What the user chose to measure. */
data class BenchmarkChoices(
    val chosen: Set<ModelChoice> = emptySet(),
    val settings: Settings = Settings(),
    val rounds: Int = 3,
    /** Photos to measure with; none: the golden vectors' own inputs. */
    val photos: List<Photo> = emptyList(),
)

/** Every launch of one model. */
data class Measured(val choice: ModelChoice, val facts: ModelFacts, val inputs: Int, val inputsSha256: String, val launches: List<Reply>) {
    private val launchMedians: LongArray
        get() = launches.map { quantile(it.timingsNs.sortedArray(), 0.5).toLong() }.toLongArray().sortedArray()

    val samples: Int get() = launches.sumOf { it.timingsNs.size }

    /** The median over launches of each launch's median. */
    val p50Ms: Double get() = quantile(launchMedians, 0.5) / NANOS_A_MS

    /** Of all timings together; null of fewer than 64. */
    val p90Ms: Double?
        get() {
            if (samples < P90_MIN_SAMPLES) return null
            val all = launches.flatMap { it.timingsNs.asList() }.toLongArray().sortedArray()
            return quantile(all, 0.9) / NANOS_A_MS
        }

    companion object {
        const val P90_MIN_SAMPLES = 64
        private const val NANOS_A_MS = 1e6
    }
}

/** Of one model: its vectors' result, or why there is none. */
data class GoldenRow(val choice: ModelChoice, val result: GoldenResult? = null, val problem: Said? = null)

/** What is going on: [step] of [steps], and of which model. */
data class Progress(val step: Int, val steps: Int, val what: Said)

data class BenchmarkState(
    val models: List<ModelChoice>? = null,
    val choices: BenchmarkChoices = BenchmarkChoices(),
    val progress: Progress? = null,
    val problem: Said? = null,
    val measured: List<Measured> = emptyList(),
    val golden: List<GoldenRow> = emptyList(),
    /** What is shared; null until all is done. */
    val json: String? = null,
) {
    /** The largest file: the teacher, where one is packaged. */
    val baseline: Measured? get() = measured.maxByOrNull { it.facts.sizeBytes }
}
