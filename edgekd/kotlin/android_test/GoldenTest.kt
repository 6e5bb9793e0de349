package org.edgekd.classifier

import android.content.res.AssetManager
import androidx.test.platform.app.InstrumentationRegistry
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs

/**
 * Whether this device gives Python's answers: the models of the app against the golden vectors of this test's own
 * assets, which no shipped APK has.
 *
 * Every input tensor must be Python's, byte for byte; every probability within what int8 kernels round between layers,
 * which the vectors know; and Python's answer must follow from Python's probabilities.
 */
open class GoldenTest {
    private val instrumentation = InstrumentationRegistry.getInstrumentation()
    private val vectors: AssetManager = instrumentation.context.assets
    private val app: AssetManager = instrumentation.targetContext.assets

    @Test
    fun thisDeviceGivesPythonsAnswers() {
        val names = models()
        assertTrue("this test has no golden vectors: run edgekd android again", names.isNotEmpty())
        val mistakes = names.flatMap(::check)
        assertEquals(mistakes.joinToString("\n"), 0, mistakes.size)
    }

    /** The models of the app that have vectors, by name. A simulated Android lists folders in folders, too. */
    protected open fun models(): List<String> =
        vectors.list(GOLDEN).orEmpty().map { it.substringBefore('/') }.distinct().sorted()

    private fun check(name: String): List<String> {
        val manifest = JSONObject(String(read(name, "manifest.json")))
        val list = manifest.getJSONArray("vectors")
        return ImageClassifier.openAsset(app, "$name.tflite", testedRuntime()).use { model ->
            // Without a figure for other kernels the file is not quantized, and they compute alike.
            val known = manifest.getJSONObject("tolerance")
            val tolerance = known.optDouble("other_kernels", known.getDouble("other_runtime")).toFloat()
            List(list.length()) { list.getJSONObject(it) }.mapNotNull { vector ->
                mistake(model, vector, tolerance) { read(name, it) }?.let { "$name, ${vector.getString("name")}: $it" }
            }
        }
    }

    /** What is wrong with one photo; null where nothing is. */
    private fun mistake(model: ImageClassifier, vector: JSONObject, tolerance: Float, read: (String) -> ByteArray): String? {
        fun file(key: String) = read(vector.getJSONObject(key).getString("file"))
        val input = try {
            model.preprocess(file("photo"))
        } catch (error: PhotoException) {
            return if (vector.getString("kind") in MAY_BE_UNREAD) null else "not decoded: ${error.message}"
        }
        if (!input.contentEquals(file("input"))) return "another input tensor"
        val wanted = floats(file("probabilities"))
        val found = model.run(input)
        val largest = found.indices.maxOf { abs(found[it] - wanted[it]) }
        // Written so that a NaN is a mistake.
        if (!(largest <= tolerance)) return "a probability is off by $largest, and may be by $tolerance"
        val labels = model.record.labels
        val answer = vector.optJSONArray("answer")?.let { array -> List(array.length()) { labels.indexOf(array.getString(it)) } }
        return if (model.record.decision.decide(wanted, labels) == (answer ?: listOf(vector.getInt("top")))) null else "another answer"
    }

    private fun read(name: String, file: String): ByteArray = vectors.open("$GOLDEN/$name/$file").use { it.readBytes() }

    private fun floats(bytes: ByteArray): FloatArray {
        val buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return FloatArray(buffer.remaining()).also(buffer::get)
    }

    private companion object {
        const val GOLDEN = "golden"

        // Android decodes no TIFF.
        val MAY_BE_UNREAD = setOf("tiff")
    }
}
