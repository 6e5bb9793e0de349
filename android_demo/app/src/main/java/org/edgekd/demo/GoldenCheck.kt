package org.edgekd.demo

import org.edgekd.classifier.ImageClassifier
import org.edgekd.classifier.PhotoException
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs

/**
 * SAME: every photo that this device must read gave the same input, and the same probabilities within the vectors'
 * tolerance. ROUNDED: the same inputs, and probabilities no further off than kernels that round otherwise bring about;
 * an answer may have changed where the probabilities stood nearer to it than that. SAME_CLASSES: the same inputs and
 * answers. DIFFERENT: anything else.
 */
enum class Verdict { SAME, ROUNDED, SAME_CLASSES, DIFFERENT }

/** How many vectors gave the same as at export, and the names of those that didn't. */
data class GoldenResult(
    val count: Int,
    /** Photos that this device doesn't decode; a platform may leave out TIFF. */
    val unread: List<GoldenVector>,
    val inputDiffers: List<String>,
    val probabilitiesDiffer: List<String>,
    val topDiffers: List<String>,
    /** What follows from the probabilities: a class, tags, or none of these. */
    val answersDiffer: List<String>,
    /** Whether the model's rule gives export's answers for export's probabilities. */
    val decides: Boolean,
    /** NaN where a probability is none. */
    val largestDifference: Float,
    /** Whether rounding explains every probability and every answer that differs. */
    val rounded: Boolean,
    /** False for a file of another precision than the vectors': its probabilities are held against nothing. */
    val probabilitiesJudged: Boolean,
) {
    private val differing: List<String> get() = (inputDiffers + if (probabilitiesJudged) probabilitiesDiffer else emptyList()).distinct()
    val equal: Int get() = count - unread.size - differing.size

    val verdict: Verdict
        get() = when {
            count == unread.size || (probabilitiesJudged && !decides) || unread.any { it.kind in MUST_BE_READ } || inputDiffers.isNotEmpty() -> Verdict.DIFFERENT
            differing.isEmpty() -> Verdict.SAME
            rounded && probabilitiesJudged -> Verdict.ROUNDED
            answersDiffer.isEmpty() -> Verdict.SAME_CLASSES
            else -> Verdict.DIFFERENT
        }

    companion object {
        private val MUST_BE_READ = setOf("jpeg", "png")
    }
}

/** Compare what [model] makes of the photos with what is in the vectors. Throws GoldenException. */
fun checkGolden(model: ImageClassifier, golden: GoldenManifest, progress: (Int) -> Unit = {}): GoldenResult {
    val record = model.record
    if (record.labels != golden.labels || record.inputWidth != golden.width || record.inputHeight != golden.height) {
        throw GoldenException("they were made for another model: ${golden.width} x ${golden.height}, ${golden.labels.joinToString()}")
    }
    val rows = golden.vectors.mapIndexed { number, vector ->
        progress(number)
        compare(model, golden, vector)
    }
    val read = rows.filterNotNull()
    return GoldenResult(
        count = rows.size,
        unread = golden.vectors.filterIndexed { k, _ -> rows[k] == null },
        inputDiffers = read.filter { !it.input }.map { it.name },
        // Written so that a NaN differs.
        probabilitiesDiffer = read.filter { !(it.difference <= golden.tolerance) }.map { it.name },
        topDiffers = read.filter { !it.top }.map { it.name },
        answersDiffer = read.filter { !it.answer }.map { it.name },
        decides = read.all { it.decides },
        largestDifference = read.maxOfOrNull { it.difference } ?: 0f,
        rounded = read.all { it.difference <= golden.rounding && it.lead <= golden.rounding },
        probabilitiesJudged = record.precision == golden.precision,
    )
}

/** [lead]: how far the most probable label here stood behind that at export; [decides]: whether export's answer follows from its probabilities. */
private class Row(
    val name: String,
    val input: Boolean,
    val top: Boolean,
    val answer: Boolean,
    val difference: Float,
    val lead: Float,
    val decides: Boolean,
)

/** Null where the photo can't be decoded here. */
private fun compare(model: ImageClassifier, golden: GoldenManifest, vector: GoldenVector): Row? {
    val input = try {
        model.preprocess(golden.bytes(vector.photo))
    } catch (_: PhotoException) {
        return null
    }
    val buffer = ByteBuffer.wrap(golden.bytes(vector.probabilities)).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
    val expected = FloatArray(buffer.remaining()).also(buffer::get)
    val labels = model.record.labels
    val probabilities = model.run(input)
    if (expected.size != probabilities.size || vector.top !in probabilities.indices) {
        throw GoldenException("${vector.probabilities.file} is for another number of labels")
    }
    val decision = model.record.decision
    val top = probabilities.indices.maxBy { probabilities[it] }
    val found = decision.decide(probabilities, labels)
    val wanted = vector.answer?.map(labels::indexOf) ?: listOf(vector.top)
    return Row(
        name = vector.name,
        input = input.contentEquals(golden.bytes(vector.input)),
        top = top == vector.top,
        answer = found == wanted,
        difference = probabilities.indices.maxOf { abs(probabilities[it] - expected[it]) },
        // A tag is the answer whichever is the most probable.
        lead = if (decision.isMultiLabel) 0f else expected[vector.top] - expected[top],
        decides = decision.decide(expected, labels) == wanted,
    )
}
