package org.edgekd.demo

import org.edgekd.demo.bench.SCHEMA
import org.edgekd.demo.bench.toJson
import org.json.JSONArray
import org.json.JSONObject
import java.util.Locale

/** What the benchmark screen shares: a result as `edgekd bench` saves it, that `edgekd report` reads. */
class InAppResult(
    private val device: String,
    private val choices: BenchmarkChoices,
    private val measured: List<Measured>,
    private val order: List<List<ModelChoice>>,
    private val golden: List<GoldenRow>,
    private val before: Map<String, Any>,
    private val after: Map<String, Any>,
) {
    fun toJson(): String = JSONObject()
        .put("schema", SCHEMA)
        .put("device", device)
        .put("agent", "android-screen")
        .put("baseline", measured.maxBy { it.facts.sizeBytes }.choice.title)
        .put("plan", plan())
        .put("order", JSONArray(order.map { turn -> JSONArray(turn.map { it.title }) }))
        .put("facts_before", JSONObject(before))
        .put("facts_after", JSONObject(after).put("golden", JSONArray(golden.map(::golden))))
        .put("measurements", JSONArray(measured.map(::measurement)))
        .put("failures", JSONArray())
        .put("complete", true)
        .toString()

    private fun plan(): JSONObject {
        val settings = choices.settings
        return JSONObject()
            .put("launches", choices.rounds)
            .put("seconds_per_launch", settings.seconds)
            .put("min_iterations", settings.minIterations)
            .put("max_iterations", settings.maxIterations)
            .put("warmup_min_iterations", settings.warmupMinIterations)
            .put("warmup_max_s", settings.warmupMaxS)
            .put("threads", settings.threads)
            .put("delegate", settings.delegate)
    }

    private fun measurement(one: Measured) = JSONObject()
        .put("name", one.choice.title)
        .put("file", one.choice.file)
        .put("format", "tflite")
        .put("sha256", one.facts.sha256)
        .put("size_bytes", one.facts.sizeBytes)
        .put("input_size", JSONArray(listOf(one.facts.inputHeight, one.facts.inputWidth)))
        .put("inputs_n", one.inputs)
        .put("inputs_sha256", one.inputsSha256)
        .put("threads", choices.settings.threads)
        .put("host", JSONObject.NULL)
        .put("launches", JSONArray(one.launches.mapIndexed { round, launch -> launch.toJson().put("round", round) }))

    private fun golden(row: GoldenRow) = JSONObject()
        .put("file", row.choice.file)
        .put("same_answers", row.result?.verdict?.name?.lowercase(Locale.ROOT) ?: JSONObject.NULL)
        // JSON has no NaN.
        .put("largest_difference", row.result?.largestDifference?.toDouble()?.takeIf { it.isFinite() } ?: JSONObject.NULL)
        .put("count", row.result?.count ?: 0)
        .put("unread", JSONArray(row.result?.unread.orEmpty().map { it.name }))
        .put("input_differs", JSONArray(row.result?.inputDiffers.orEmpty()))
        .put("probabilities_differ", JSONArray(row.result?.probabilitiesDiffer.orEmpty()))
        .put("top_differs", JSONArray(row.result?.topDiffers.orEmpty()))
        .put("answers_differ", JSONArray(row.result?.answersDiffer.orEmpty()))
}
