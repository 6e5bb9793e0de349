package org.edgekd.demo

import org.edgekd.classifier.ImageClassifier
import org.edgekd.classifier.InterpreterRuntime
import org.edgekd.classifier.given
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** Vectors made by hand around what a real model answers here. */
@RunWith(RobolectricTestRunner::class)
class GoldenCheckTest {
    private val quantum = 1f / 256
    private lateinit var file: File

    @Before
    fun aModel() {
        file = given.models.first { "int8" in it.name }
    }

    private class Made(val answer: FloatArray, val top: Int, val input: ByteArray, val labels: List<String>? = null)

    /** The check of one photo; [export] makes what export wrote of what the model answers here. */
    private fun check(kind: String = "jpeg", photo: ByteArray? = null, rounding: Float = 12 * quantum, export: (Made) -> Made = { it }): GoldenResult =
        ImageClassifier.openFile(file, InterpreterRuntime()).use { model ->
            val files = mutableMapOf("photo" to (photo ?: photos(1)[0].second))
            val input = model.preprocess(photos(1)[0].second)
            val answer = model.run(input)
            val made = export(Made(answer, answer.indices.maxBy { answer[it] }, input))
            files["input"] = made.input
            files["probabilities"] = ByteBuffer.allocate(4 * made.answer.size).order(ByteOrder.LITTLE_ENDIAN).also { it.asFloatBuffer().put(made.answer) }.array()
            fun entry(name: String) = files.getValue(name).let { GoldenFile(name, it.size.toLong(), sha256(it)) }
            val vector = GoldenVector("one", kind, entry("photo"), entry("input"), entry("probabilities"), made.top, made.labels)
            val record = model.record
            val golden = GoldenManifest(record.labels, record.inputWidth, record.inputHeight, record.precision, quantum, rounding, listOf(vector), files::getValue)
            checkGolden(model, golden)
        }

    /** As if export's probability of the answer here had been so much less, and the next class's so much more. */
    private fun moved(by: Float, otherTop: Boolean = false) = { made: Made ->
        val second = made.answer.indices.filter { it != made.top }.maxBy { made.answer[it] }
        val (first, next) = made.answer[made.top] to made.answer[second]
        val answer = made.answer.clone()
        if (otherTop) {
            val middle = (first + next) / 2
            answer[made.top] = middle - by
            answer[second] = middle + by
        } else {
            answer[second] = next + by
        }
        Made(answer, if (otherTop) second else made.top, made.input)
    }

    @Test
    fun theSameIsTheSame() {
        assertEquals(Verdict.SAME, check().verdict)
        assertEquals(Verdict.SAME, check(export = moved(0.9f * quantum)).verdict)
    }

    @Test
    fun whatKernelsRoundIsToldApartFromWhatTheyDoNot() {
        assertEquals(Verdict.ROUNDED, check(export = moved(8 * quantum)).verdict)
        val beyond = check(export = moved(20 * quantum))
        assertEquals(Verdict.SAME_CLASSES, beyond.verdict)
        assertEquals(listOf("one"), beyond.probabilitiesDiffer)
        assertEquals("another class, and no near one", Verdict.DIFFERENT, check(export = moved(0.25f, otherTop = true)).verdict)
        // Export's two were 2 quanta apart, and rounding explains as much: but not that the answer here is far from them.
        assertEquals(Verdict.DIFFERENT, check(rounding = 0.01f, export = moved(quantum, otherTop = true)).verdict)
        val near = check(rounding = 1f, export = moved(quantum, otherTop = true))
        assertEquals(Verdict.ROUNDED, near.verdict)
        assertEquals(listOf("one"), near.topDiffers)
    }

    @Test
    fun anotherInputIsDifferentWhateverIsAnswered() {
        val result = check { made -> Made(made.answer, made.top, made.input.clone().also { it[5]++ }) }
        assertEquals(Verdict.DIFFERENT, result.verdict)
        assertEquals(listOf("one"), result.inputDiffers)
    }

    @Test
    fun aPhotoThatMustBeReadAndIsNotIsDifferent() {
        val tiff = "II*\u0000....".toByteArray()
        assertEquals(Verdict.DIFFERENT, check(photo = tiff).verdict)
        assertEquals("nothing was checked at all", Verdict.DIFFERENT, check(kind = "tiff", photo = tiff).verdict)
    }

    @Test
    fun aNanIsDifferentAndTheResultCanStillBeShared() {
        val result = check { made -> Made(made.answer.clone().also { it[made.top] = Float.NaN }, made.top, made.input) }
        assertEquals(listOf("one"), result.probabilitiesDiffer)
        assertTrue(result.verdict != Verdict.SAME && result.verdict != Verdict.ROUNDED)
        val choice = ModelChoice("a.tflite")
        val facts = ModelFacts("int8", 8, 8, listOf("a", "b"), 9, "0".repeat(64))
        val measured = Measured(choice, facts, 1, "0".repeat(64), emptyList())
        val shared = InAppResult("Maker Phone", BenchmarkChoices(), listOf(measured), emptyList(), listOf(GoldenRow(choice, result)), emptyMap(), emptyMap())
        val golden = JSONObject(shared.toJson()).getJSONObject("facts_after").getJSONArray("golden").getJSONObject(0)
        assertTrue(golden.isNull("largest_difference"))
    }

    @Test
    fun anAnswerThatDoesNotFollowIsDifferent() {
        val labels = ImageClassifier.openFile(file, InterpreterRuntime()).use { it.record.labels }
        fun answer(given: (Int) -> List<String>) = { made: Made -> Made(made.answer, made.top, made.input, given(made.top)) }
        assertEquals(Verdict.SAME, check(export = answer { listOf(labels[it]) }).verdict)
        for (wrong in listOf<(Int) -> List<String>>({ emptyList() }, { listOf(labels[(it + 1) % labels.size]) }, { labels }, { listOf("snow") })) {
            val result = check(export = answer(wrong))
            assertEquals(Verdict.DIFFERENT, result.verdict)
            assertEquals(listOf("one"), result.answersDiffer)
        }
    }

    @Test
    fun vectorsOfAnotherModelAreRefused() {
        assertThrows(GoldenException::class.java) { check { made -> Made(made.answer, 99, made.input) } }
        assertThrows(GoldenException::class.java) { check { made -> Made(made.answer + 0f, made.top, made.input) } }
    }
}
