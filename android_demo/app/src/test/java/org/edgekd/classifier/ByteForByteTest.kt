package org.edgekd.classifier

import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs

/** Every golden photo through Android's own decoders and TensorFlow Lite's own Android library, held against Python's. */
@RunWith(RobolectricTestRunner::class)
class ByteForByteTest {
    @Test
    fun everyPhotoOfEveryModelGivesPythonsTensorAndAnswer() {
        val results = given.goldens.map(::check)
        File(given.build, "byte_for_byte.json").writeText(JSONArray(results).toString(1))
        for (result in results) {
            val model = result.getString("model")
            val rows = result.getJSONArray("photos").let { array -> List(array.length()) { array.getJSONObject(it) } }
            val said = rows.filterNot { it.isNull("unread") }.map { it.getString("kind") }.toSet()
            assertTrue("$model: could not read $said", said.all { it == "tiff" })
            for (kind in listOf("jpeg", "png", "webp", "bmp", "gif")) {
                val differ = rows.filter { it.getString("kind") == kind && it.getInt("difference") > 0 }
                assertEquals("$model: inputs of $kind that differ", emptyList<JSONObject>(), differ)
            }
            val read = rows.filter { it.isNull("unread") }
            // TensorFlow Lite 2.16 has no XNNPACK in this build: an int8 model's layers are rounded otherwise.
            val tolerance = result.getDouble("tolerance")
            val furthest = read.maxOf { it.getDouble("off") }
            assertTrue("$model: a probability is off by $furthest", furthest <= tolerance)
            // Another answer only where Python's first two are no further apart than that.
            val isMultiLabel = result.getJSONObject("decision").getString("task") == "multi-label"
            assertEquals(model, emptyList<JSONObject>(), read.filter { !isMultiLabel && it.getDouble("behind") > tolerance })
        }
    }

    @Test
    fun aPhotoCutShortIsRefusedAsPythonDoes() {
        val photos = File(given.goldens.first(), "photos").listFiles()!!.filter { it.length() > 200 && it.extension != "tiff" }
        assertTrue(photos.size > 70)
        val read = photos.filter { file ->
            val bytes = file.readBytes()
            try {
                Preprocessing(8, 8, Crop.WHOLE).toInput(bytes.copyOf(bytes.size * 2 / 3))
                true
            } catch (_: PhotoException) {
                false
            }
        }
        assertEquals(emptyList<File>(), read)
    }

    private fun check(golden: File): JSONObject {
        val manifest = JSONObject(File(golden, "manifest.json").readText())
        val artifact = manifest.getJSONObject("artifact")
        ImageClassifier.openFile(File(given.assets, artifact.getString("file")), InterpreterRuntime()).use { model ->
            assertEquals(artifact.getString("sha256"), model.record.sha256)
            assertEquals(artifact.getString("precision"), model.record.precision)
            val labels = manifest.getJSONArray("labels").let { array -> List(array.length()) { array.getString(it) } }
            assertEquals(labels, model.record.labels)
            val vectors = manifest.getJSONArray("vectors")
            val photos = List(vectors.length()) { check(model, golden, vectors.getJSONObject(it)) }
            return JSONObject().put("model", artifact.getString("file")).put("labels", JSONArray(labels))
                .put("width", model.record.inputWidth).put("height", model.record.inputHeight)
                .put("crop", model.record.preprocessing.crop.name)
                .put("precision", model.record.precision)
                .put("decision", manifest.getJSONObject("decision"))
                .put("tolerance", manifest.getJSONObject("tolerance").let { it.optDouble("other_kernels", it.getDouble("other_runtime")) })
                .put("photos", JSONArray(photos))
        }
    }

    private fun check(model: ImageClassifier, golden: File, vector: JSONObject): JSONObject {
        fun bytes(what: String) = File(golden, vector.getJSONObject(what).getString("file")).readBytes()
        val row = JSONObject().put("name", vector.getString("name")).put("kind", vector.getString("kind"))
        val found = try {
            model.preprocess(bytes("photo"))
        } catch (error: PhotoException) {
            return row.put("unread", error.message).put("difference", 0)
        }
        val wanted = bytes("input")
        assertEquals(wanted.size, found.size)
        val difference = wanted.indices.maxOf { abs((wanted[it].toInt() and 255) - (found[it].toInt() and 255)) }
        val answers = model.run(found)
        assertTrue(model.lastInferenceNanos > 0)
        val expected = ByteBuffer.wrap(bytes("probabilities")).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        val exported = FloatArray(answers.size) { expected[it] }
        fun decide(probabilities: FloatArray) = model.record.decision.decide(probabilities, model.record.labels).map(model.record.labels::get)
        assertEquals(vector.getString("name"), vector.getJSONArray("answer").toString(), JSONArray(decide(exported)).toString())
        return row.put("unread", JSONObject.NULL).put("difference", difference)
            .put("top", answers.indices.maxByOrNull { answers[it] }).put("wanted", vector.getInt("top"))
            .put("answer", JSONArray(decide(answers))).put("wanted_answer", vector.getJSONArray("answer"))
            .put("behind", (expected[vector.getInt("top")] - expected[answers.indices.maxByOrNull { answers[it] }!!]).toDouble())
            .put("off", answers.indices.maxOf { abs(answers[it] - expected[it]) }.toDouble())
            .put("probabilities", JSONArray(answers.map { it.toDouble() }))
    }
}
