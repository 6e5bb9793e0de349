package org.edgekd.demo.bench

import org.json.JSONArray
import org.json.JSONObject

const val SCHEMA = 2

/** The reply that `edgekd bench` reads. */
fun Reply.toJson(): JSONObject = JSONObject()
    .put("schema", SCHEMA)
    .put("timings_ns", JSONArray(timingsNs.toList()))
    .put("switched_out", switchedOut?.let { JSONArray(it) } ?: JSONObject.NULL)
    .put("instructions", JSONObject.NULL)
    .put("import_ms", importMs)
    .put("load_ms", loadMs)
    .put("first_ms", firstMs)
    .put("warmup_n", warmup.count)
    .put("warmup_steady", warmup.steady)
    .put("peak_memory_bytes", peakMemoryBytes ?: JSONObject.NULL)
    .put("memory_before_load_bytes", memoryBeforeLoadBytes ?: JSONObject.NULL)
    .put("threads", threads)
    .put("delegate", delegate)
    .put("runtime", runtime)
    .put("cpu", JSONObject(cpu))
    .put("late_n", lateCount ?: JSONObject.NULL)
    .put("curve", curve?.let { rows -> JSONArray(rows.map { JSONArray(it) }) } ?: JSONObject.NULL)
    .put("end_to_end", endToEnd?.let { sources -> JSONArray(sources.map { it.toJson() }) } ?: JSONObject.NULL)
    .put("answers", answers?.let { JSONArray(it) } ?: JSONObject.NULL)
    .put("check_answers", checkAnswers?.let { JSONArray(it) } ?: JSONObject.NULL)
    .put("window_s", JSONArray(windowS))
    .put("inferences_n", inferences)
    .put("device", JSONObject().put("before", JSONObject(before)).put("after", JSONObject(after)))

/** A refusal, with its reason. */
fun refusal(reason: String): JSONObject = JSONObject().put("schema", SCHEMA).put("error", reason)
