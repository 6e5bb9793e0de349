package org.edgekd.demo.bench

import org.edgekd.classifier.Crop
import org.edgekd.classifier.Preprocessing
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner

/** A plan that is right. */
fun planJson(): JSONObject = JSONObject(
    """{"model": "0.tflite", "format": "tflite", "inputs": "0.npy", "check_inputs": null, "threads": 1, "affinity": null,
    "delegate": "none", "warmup_min_iterations": 0, "warmup_max_s": 0, "seconds": 0, "min_iterations": 3,
    "max_iterations": 3, "pace_ms": null, "curve": false, "answers": true}""",
)

@RunWith(RobolectricTestRunner::class) // for Android's own JSON
class PlanTest {
    @Test
    fun aPlanIsReadWhole() {
        val plan = readPlan(planJson().put("pace_ms", 33.3).put("check_inputs", "check-0.npy").put("out", "out-1.json").toString())
        assertEquals(Plan("0.tflite", "0.npy", "check-0.npy", "out-1.json", plan.settings), plan)
        assertEquals(33.3, plan.settings.paceMs!!, 0.0)
        assertEquals(DEFAULT_OUT, readPlan(planJson().toString()).out)
        assertNull(readPlan(planJson().toString()).settings.paceMs)
    }

    @Test
    fun aWrongPlanIsRefusedAndTheKeyNamed() {
        val wrong = listOf(
            "model" to "../0.tflite", "model" to "a/b", "model" to "", "model" to 1, "inputs" to "..", "inputs" to JSONObject.NULL,
            "check_inputs" to "/etc/passwd", "format" to "onnx", "threads" to 0, "threads" to 1000, "threads" to 1.5, "threads" to "1",
            "affinity" to listOf(0), "delegate" to "tpu", "warmup_min_iterations" to -1, "warmup_max_s" to -0.1, "warmup_max_s" to "1",
            "seconds" to 4000, "min_iterations" to 4, "max_iterations" to 0, "pace_ms" to 0, "pace_ms" to true, "curve" to 0, "answers" to "yes", "out" to "a/b.json",
        )
        for ((key, value) in wrong) {
            val text = planJson().put(key, JSONObject.wrap(value)).toString()
            val error = assertThrows(text, PlanException::class.java) { readPlan(text) }
            assertTrue("$key: ${error.message}", error.message!!.contains(key))
        }
        for (key in planJson().keys()) {
            val text = planJson().apply { remove(key) }.toString()
            assertTrue(assertThrows(PlanException::class.java) { readPlan(text) }.message!!.contains(key))
        }
    }

    @Test
    fun whatIsTimedFromEndToEndIsReadAsStrictly() {
        fun raw() = JSONObject("""{"photos": ["photo-0-0"], "frames": "frames-0.npy", "height": 4, "width": 5, "crop": "center"}""")
        val wanted = EndToEndPlan(listOf("photo-0-0"), "frames-0.npy", Preprocessing(5, 4, Crop.CENTER))
        assertEquals(wanted, readPlan(planJson().put("end_to_end", raw()).toString()).endToEnd)
        assertNull(readPlan(planJson().toString()).endToEnd)
        val wrong = listOf(
            "photos" to listOf("../a"), "photos" to "a", "photos" to listOf(1), "frames" to "a/b", "frames" to 1, "height" to 0, "width" to 9000,
            "width" to "5", "crop" to "left", "colour" to "red",
        )
        for ((key, value) in wrong) {
            val text = planJson().put("end_to_end", raw().put(key, JSONObject.wrap(value))).toString()
            assertTrue(assertThrows(text, PlanException::class.java) { readPlan(text) }.message!!.contains(key))
        }
    }

    @Test
    fun whatIsNoPlanIsRefused() {
        val none = listOf("", " ", "[]", "null", "{", planJson().toString() + " x", planJson().put("color", "red").toString(), "[".repeat(100_000), "\u0000")
        for (text in none) {
            assertThrows(text.take(40), PlanException::class.java) { readPlan(text) }
            assertEquals(DEFAULT_OUT, outOf(text))
        }
    }

    @Test
    fun theOutputOfAWrongPlanIsKnown() {
        assertEquals("mine.json", outOf("""{"out": "mine.json"}"""))
        assertEquals(DEFAULT_OUT, outOf("""{"out": "../mine.json"}"""))
    }
}
