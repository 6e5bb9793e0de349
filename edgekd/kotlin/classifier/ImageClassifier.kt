package org.edgekd.classifier

import android.content.res.AssetManager
import android.graphics.Bitmap
import org.json.JSONException
import org.json.JSONObject
import java.io.File
import java.io.FileInputStream
import java.io.FileNotFoundException
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel.MapMode.READ_ONLY
import java.security.MessageDigest

/** Why a model cannot be used, for an app that says it in its user's language. */
enum class ModelError {
    /** No such file, or no such asset in this app. */
    MISSING,
    UNREADABLE,

    /** The asset is compressed, so that it cannot be mapped. */
    COMPRESSED_ASSET,
    NOT_TFLITE,

    /** Cut short or changed: its bytes do not match its hash. */
    DAMAGED,

    /** Another tool's file. */
    NO_RECORD,

    /** Of a version of edgekd that this copy of the classifier does not know. */
    OTHER_VERSION,

    /** What the record says cannot be used, or is not what the model has. */
    UNUSABLE_RECORD,

    /** The model takes several photos at a time. */
    SEVERAL_PHOTOS,

    /** The runtime does not run the model. */
    RUNTIME,

    /** What was asked to compute is not there. */
    ACCELERATOR,
}

/** A model file that cannot be used; the message says what is wrong with it and what to do, [code] says it to a program. */
class ModelException(val code: ModelError, message: String, cause: Throwable? = null) : Exception(message, cause)

/** A library that runs models, with its options. An app has the file of one: InterpreterRuntime.kt or CompiledModelRuntime.kt. */
interface ModelRuntime {
    /** Gets a checked file ready to run. Throws ModelException. */
    fun open(model: ModelFile): RuntimeSession
}

/** A checked file: its [bytes], in a direct buffer, and where they come from, for a library that reads files by itself. */
class ModelFile(val record: ModelRecord, val bytes: ByteBuffer, val source: ModelSource)

sealed class ModelSource {
    object Memory : ModelSource()

    class Asset(val assets: AssetManager, val name: String) : ModelSource()

    class OnDisk(val file: File) : ModelSource()
}

/** A model that is ready to run; calls come one at a time. */
interface RuntimeSession : AutoCloseable {
    /** What computes: "XNNPACK", "CPU", "GPU", "NPU". */
    val accelerator: String

    /** Turns an input tensor's bytes into those of the output tensor, from [output]'s position on, and says in how many nanoseconds. */
    fun run(input: ByteArray, output: ByteBuffer): Long
}

data class Score(val label: String, val probability: Float)

/**
 * [ranked] has every label and begins with the best; [answer] is what an app acts by: one label, any number of tags, or
 * nothing, where the photo shows none of them. [inferenceMs] is the model alone, [totalMs] everything from the photo to
 * the answer.
 */
data class Classification(val ranked: List<Score>, val answer: List<Score>, val inferenceMs: Double, val totalMs: Double)

/**
 * A .tflite of edgekd's, with all that it says of itself: nothing about a model stands in the app's code.
 *
 *     ImageClassifier.openAsset(assets, "student.int8.tflite", InterpreterRuntime()).use { println(it.classify(photo).answer) }
 *
 * Off the UI thread, please. One call at a time runs; others wait.
 */
class ImageClassifier private constructor(
    val record: ModelRecord,
    val sizeBytes: Long,
    private val session: RuntimeSession,
) : AutoCloseable {
    private val output = ByteBuffer.allocateDirect(record.labels.size * 4).order(ByteOrder.nativeOrder())
    private var closed = false

    /** What computes, as the runtime names it; with a list to fall back on, the one that took the model. */
    val accelerator: String get() = session.accelerator

    private val framePreprocessor by lazy { FramePreprocessor(record.preprocessing) }
    private val frameInput by lazy { ByteArray(record.preprocessing.inputBytes) }

    /** Of the last [run], by the runtime's own clock. */
    @Volatile
    var lastInferenceNanos: Long = 0
        private set

    /**
     * A photo file's bytes as the model's input: upright RGB, uint8 [height * width * 3]. HEIC and AVIF are read only
     * where it need not be [exact]. Throws PhotoException.
     */
    fun preprocess(photo: ByteArray, exact: Boolean = true): ByteArray = record.preprocessing.toInput(photo, exact)

    /** The same of a bitmap that [rotationDegrees] (0, 90, 180 or 270) clockwise turn upright. */
    fun preprocess(bitmap: Bitmap, rotationDegrees: Int = 0): ByteArray = record.preprocessing.toInput(bitmap, rotationDegrees)

    /** Probabilities, in the order of the labels, of what [preprocess] gave. */
    @Synchronized
    fun run(input: ByteArray): FloatArray {
        check(!closed) { "This classifier is closed." }
        require(input.size == record.preprocessing.inputBytes) {
            "The input has ${input.size} bytes, and ${record.name} takes ${record.preprocessing.inputBytes}: give it what preprocess returned."
        }
        output.rewind()
        val probabilities = record.probabilities
        lastInferenceNanos = session.run(input, output)
        return FloatArray(record.labels.size) { i ->
            if (probabilities == null) output.getFloat(4 * i)
            else ((output.get(i).toInt() and 255) - probabilities.zeroPoint) * probabilities.scale
        }
    }

    /** Of a photo file's bytes; [exact] is that of [preprocess]. Throws PhotoException. */
    fun classify(photo: ByteArray, exact: Boolean = true): Classification = classify { preprocess(photo, exact) }

    /** Of a bitmap; [rotationDegrees] clockwise turn it upright. Throws PhotoException. */
    fun classify(bitmap: Bitmap, rotationDegrees: Int = 0): Classification = classify { preprocess(bitmap, rotationDegrees) }

    /** Of a camera's frame, in memory that is used again for each: no bitmap, and no garbage but the answer. Throws PhotoException. */
    @Synchronized
    fun classify(frame: Frame): Classification = classify { frameInput.also { framePreprocessor.toInput(frame, it) } }

    private inline fun classify(preprocess: () -> ByteArray): Classification {
        val start = System.nanoTime()
        val values = run(preprocess())
        val scores = values.indices.map { Score(record.labels[it], values[it]) }
        val answer = record.decision.decide(values, record.labels).map(scores::get)
        return Classification(scores.sortedByDescending { it.probability }, answer, lastInferenceNanos / 1e6, (System.nanoTime() - start) / 1e6)
    }

    @Synchronized
    override fun close() {
        if (closed) return
        closed = true
        session.close()
    }

    companion object {
        /** Checks all of the file's bytes before the runtime sees them. Throws ModelException. */
        fun open(model: ByteBuffer, runtime: ModelRuntime): ImageClassifier = open(model, ModelSource.Memory, runtime)

        private fun open(model: ByteBuffer, source: ModelSource, runtime: ModelRuntime): ImageClassifier {
            val bytes = direct(model)
            val record = ModelRecord.read(bytes)
            return ImageClassifier(record, bytes.capacity().toLong(), runtime.open(ModelFile(record, bytes, source)))
        }

        private fun direct(model: ByteBuffer): ByteBuffer {
            val bytes = model.slice()
            if (bytes.isDirect) return bytes.order(ByteOrder.nativeOrder())
            return ByteBuffer.allocateDirect(bytes.capacity()).order(ByteOrder.nativeOrder()).apply { put(bytes).rewind() }
        }

        /** A model among the app's assets, mapped and not copied. Throws ModelException. */
        fun openAsset(assets: AssetManager, name: String, runtime: ModelRuntime): ImageClassifier {
            val descriptor = try {
                assets.openFd(name)
            } catch (error: IOException) {
                val packed = try {
                    assets.open(name).use { true }
                } catch (_: IOException) {
                    false
                }
                throw ModelException(
                    if (packed) ModelError.COMPRESSED_ASSET else ModelError.MISSING,
                    if (packed) "$name is compressed in this app. In build.gradle.kts: androidResources { noCompress += \"tflite\" }"
                    else "This app has no $name among its assets.",
                    error,
                )
            }
            val mapped = descriptor.use { FileInputStream(it.fileDescriptor).channel.map(READ_ONLY, it.startOffset, it.declaredLength) }
            return open(mapped, ModelSource.Asset(assets, name), runtime)
        }

        /** A model in a file, mapped and not copied: leave it alone while it is open. Throws ModelException. */
        fun openFile(file: File, runtime: ModelRuntime): ImageClassifier {
            val mapped = try {
                FileInputStream(file).use { it.channel.map(READ_ONLY, 0, it.channel.size()) }
            } catch (error: FileNotFoundException) {
                throw ModelException(ModelError.MISSING, "${file.name} is missing or may not be read.", error)
            } catch (error: IOException) {
                throw ModelException(ModelError.UNREADABLE, "${file.name} cannot be read: ${error.message}", error)
            }
            return open(mapped, ModelSource.OnDisk(file), runtime)
        }
    }
}

/** How an answer follows from probabilities, as a model's file says it; the rule of a file that says nothing is the default. */
data class Decision(
    /** Whether each label is a tag by itself, so that any number of them may be the answer. */
    val isMultiLabel: Boolean = false,
    /** For tags alone: the least probability of each. */
    val thresholds: List<Double> = emptyList(),
    /** Where the most probable label is below it, none of them is the answer. */
    val rejectBelow: Double? = null,
    /** A label that stands for none of the others. */
    val noneLabel: String? = null,
) {
    /** The labels of the answer by their places, in the file's order. Empty: the photo shows none of them. */
    fun decide(probabilities: FloatArray, labels: List<String>): List<Int> {
        if (isMultiLabel) return labels.indices.filter { probabilities[it] >= thresholds[it] }
        val top = labels.indices.maxBy { probabilities[it] }
        val rejected = rejectBelow != null && probabilities[top] < rejectBelow
        return if (rejected || labels[top] == noneLabel) emptyList() else listOf(top)
    }

    companion object {
        /** Reads the `decision` of a record; null gives the default. Throws JSONException. */
        fun read(json: JSONObject?, labels: List<String>): Decision {
            if (json == null) return Decision()
            val task = json.getString("task")
            val thresholds = json.optJSONArray("thresholds")?.let { array -> List(array.length()) { array.getDouble(it) } }.orEmpty()
            val rejectBelow = if (json.has("reject_below")) json.getDouble("reject_below") else null
            val noneLabel = if (json.has("none_label")) json.getString("none_label") else null
            val wanted = when (task) {
                "multi-label" -> labels.size
                "single-label" -> 0
                else -> throw JSONException("decision.task is $task")
            }
            if (thresholds.size != wanted) throw JSONException("decision.thresholds has ${thresholds.size} entries for ${labels.size} labels")
            if ((thresholds + listOfNotNull(rejectBelow)).any { !it.isFinite() }) throw JSONException("decision holds a number that is not finite")
            if (noneLabel != null && noneLabel !in labels) throw JSONException("decision.none_label is $noneLabel, which is no label")
            return Decision(wanted > 0, thresholds, rejectBelow, noneLabel)
        }
    }
}

/** What a model file says of itself; every value comes from the file. */
class ModelRecord private constructor(
    val name: String,
    val labels: List<String>,
    val preprocessing: Preprocessing,
    val precision: String,
    val decision: Decision,
    /** Of the file's bytes. */
    val sha256: String,
    internal val probabilities: Quantization?,
) {
    /** Whether the output tensor is float32; it is uint8 otherwise. */
    val hasFloatOutput: Boolean get() = probabilities == null
    val inputWidth: Int get() = preprocessing.width
    val inputHeight: Int get() = preprocessing.height

    internal class Quantization(val scale: Float, val zeroPoint: Int)

    internal companion object {
        private const val SCHEMA = 1
        private const val RECORD = "EDGEKD"
        private const val STANDARD = "TFLITE_METADATA"
        private const val RESIZE = "pillow-bilinear-antialias"
        private const val SEAL = "\"seal\":\""
        private const val SEAL_LENGTH = 64
        private const val EXPORT_AGAIN = "Export it again with edgekd."
        private const val FLOAT32 = 0
        private const val UINT8 = 3

        /** Reads and checks a whole file. Throws ModelException. */
        fun read(file: ByteBuffer): ModelRecord {
            val bytes = file.duplicate().order(ByteOrder.LITTLE_ENDIAN)
            val flat = Flatbuffer(bytes)
            if (bytes.capacity() == 0) throw ModelException(ModelError.NOT_TFLITE, "The file is empty (0 bytes). Copy it again.")
            if (bytes.capacity() < 8 || flat.ascii(4, 4) != "TFL3") throw ModelException(ModelError.NOT_TFLITE, "This is not a .tflite file. Choose one that edgekd exported.")
            try {
                return read(bytes, flat)
            } catch (error: IndexOutOfBoundsException) {
                throw ModelException(ModelError.DAMAGED, "The file is damaged or cut short. Copy it again, or export it again.", error)
            } catch (error: JSONException) {
                throw ModelException(ModelError.UNUSABLE_RECORD, "The file's record cannot be used (${error.message}). $EXPORT_AGAIN", error)
            } catch (error: StackOverflowError) {
                throw ModelException(ModelError.UNUSABLE_RECORD, "The file's record is nested too deep. $EXPORT_AGAIN", error)
            }
        }

        private fun read(bytes: ByteBuffer, flat: Flatbuffer): ModelRecord {
            val model = flat.root(0)
            val (start, size) = metadata(flat, model, RECORD) ?: throw ModelException(
                ModelError.NO_RECORD,
                "The file carries no record of its labels and preprocessing: another tool's model. Export the Keras model with: edgekd export",
            )
            val text = flat.utf8(start, size)
            checkSeal(bytes, start, text)
            val json = JSONObject(text)
            if (json.optInt("schema") != SCHEMA) throw ModelException(ModelError.OTHER_VERSION, "The file was written by another version of edgekd than this app knows. $EXPORT_AGAIN")
            val labels = json.getJSONArray("labels").let { array -> List(array.length()) { array.getString(it) } }
            val preprocessing = preprocessing(json.getJSONObject("preprocessing"))
            return ModelRecord(
                name = metadata(flat, model, STANDARD)?.let { (at, _) -> flat.text(flat.root(at), 0) } ?: "model",
                labels = labels,
                preprocessing = preprocessing,
                precision = json.getString("precision"),
                decision = Decision.read(json.optJSONObject("decision"), labels),
                sha256 = hex(MessageDigest.getInstance("SHA-256").apply { update(bytes.duplicate().apply { rewind() }) }),
                probabilities = checkTensors(flat, model, preprocessing, labels),
            )
        }

        private fun metadata(flat: Flatbuffer, model: Int, name: String): Pair<Int, Int>? {
            val entry = flat.tables(model, 6).firstOrNull { flat.text(it, 0) == name } ?: return null
            val buffers = flat.tables(model, 4)
            return flat.vector(buffers[flat.int(entry, 1)], 0, 1)
        }

        /** The record holds the SHA-256 of the file, taken with 64 zeros in its own place. */
        private fun checkSeal(bytes: ByteBuffer, start: Int, text: String) {
            val found = text.indexOf(SEAL)
            val at = start + text.take(found.coerceAtLeast(0)).toByteArray().size + SEAL.length
            val digest = MessageDigest.getInstance("SHA-256")
            fun update(from: Int, to: Int) = digest.update(bytes.duplicate().apply { clear().position(from).limit(to) })
            val sealed = if (found < 0) "" else text.substring(found + SEAL.length).take(SEAL_LENGTH)
            if (sealed.length == SEAL_LENGTH && at + SEAL_LENGTH <= bytes.capacity()) {
                update(0, at)
                digest.update(ByteArray(SEAL_LENGTH) { '0'.code.toByte() })
                update(at + SEAL_LENGTH, bytes.capacity())
                if (hex(digest) == sealed) return
            }
            throw ModelException(
                ModelError.DAMAGED,
                "The file is damaged, cut short or edited since its export: its bytes do not match the hash that it carries. Copy it again, or export it again.",
            )
        }

        private fun preprocessing(json: JSONObject): Preprocessing {
            val (resize, version) = json.getString("resize") to json.getInt("version")
            val crop = Crop.entries.firstOrNull { it.name.lowercase() == json.getString("crop") }
            val (width, height) = json.getInt("width") to json.getInt("height")
            if (resize != RESIZE || version != SPECIFICATION_VERSION || crop == null || width !in 1..8192 || height !in 1..8192) {
                throw ModelException(ModelError.OTHER_VERSION, "The file asks for a preprocessing that this app does not know: $json. Update the app's copy of the classifier.")
            }
            return Preprocessing(width, height, crop)
        }

        /** The tensors must be what the record says: one photo in, one row of probabilities out. */
        private fun checkTensors(flat: Flatbuffer, model: Int, preprocessing: Preprocessing, labels: List<String>): Quantization? {
            if (labels.isEmpty() || labels.toSet().size != labels.size) throw ModelException(ModelError.UNUSABLE_RECORD, "The file's labels are none or not distinct. $EXPORT_AGAIN")
            val graph = flat.tables(model, 2).singleOrNull()
            val tensors = graph?.let { flat.tables(it, 0) }.orEmpty()
            val ends = (1..2).map { slot -> graph?.let { flat.ints(it, slot) }?.singleOrNull()?.let { tensors[it] } }
            val (input, output) = ends
            if (input == null || output == null) throw ModelException(ModelError.UNUSABLE_RECORD, "The model does not have one input and one output. $EXPORT_AGAIN")
            val wanted = listOf(1, preprocessing.height, preprocessing.width, 3)
            val shape = flat.ints(input, 0)
            if (shape.size == 4 && shape[0] > 1 && shape.drop(1) == wanted.drop(1)) {
                throw ModelException(ModelError.SEVERAL_PHOTOS, "The model takes ${shape[0]} photos at a time, and this app gives one. Export it with: --batch 1")
            }
            if (shape != wanted) throw ModelException(ModelError.UNUSABLE_RECORD, "The model's input is $shape, and its record says $wanted. $EXPORT_AGAIN")
            if (flat.byte(input, 1) != UINT8) throw ModelException(ModelError.UNUSABLE_RECORD, "The model's input is not uint8, as photos are. $EXPORT_AGAIN")
            val answers = flat.ints(output, 0)
            if (answers.size != 2 || answers[0] != 1) throw ModelException(ModelError.UNUSABLE_RECORD, "The model's output is $answers, not one row of probabilities. $EXPORT_AGAIN")
            if (answers[1] != labels.size) {
                throw ModelException(ModelError.UNUSABLE_RECORD, "The model gives ${answers[1]} probabilities and the file has ${labels.size} labels. $EXPORT_AGAIN")
            }
            return when (flat.byte(output, 1)) {
                FLOAT32 -> null
                UINT8 -> quantization(flat, output)
                else -> throw ModelException(ModelError.UNUSABLE_RECORD, "The model's output is neither float32 nor uint8. $EXPORT_AGAIN")
            }
        }

        private fun quantization(flat: Flatbuffer, tensor: Int): Quantization {
            val table = flat.table(tensor, 4)
            val scale = table?.let { flat.vector(it, 2, 4) }?.takeIf { it.second == 1 }
            val zero = table?.let { flat.vector(it, 3, 8) }?.takeIf { it.second == 1 }
            if (scale == null || zero == null) throw ModelException(ModelError.UNUSABLE_RECORD, "The model's uint8 output has no scale. $EXPORT_AGAIN")
            return Quantization(Float.fromBits(flat.int32(scale.first)), flat.int32(zero.first))
        }

        private fun hex(digest: MessageDigest): String = digest.digest().joinToString("") { "%02x".format(it) }
    }
}

/** Just enough of FlatBuffers to read a record; whatever points out of the file is an IndexOutOfBoundsException. */
internal class Flatbuffer(private val bytes: ByteBuffer) {
    fun int32(at: Int): Int = bytes.getInt(at)

    fun root(at: Int): Int = follow(at)

    /** Where a field of a table is, or null where it is absent. */
    private fun field(table: Int, slot: Int): Int? {
        val vtable = table - bytes.getInt(table)
        val length = bytes.getShort(vtable).toInt() and 0xffff
        if (4 + 2 * slot + 2 > length) return null
        val offset = bytes.getShort(vtable + 4 + 2 * slot).toInt() and 0xffff
        return if (offset == 0) null else table + offset
    }

    fun int(table: Int, slot: Int): Int = field(table, slot)?.let { bytes.getInt(it) } ?: 0

    fun byte(table: Int, slot: Int): Int = field(table, slot)?.let { bytes.get(it).toInt() } ?: 0

    fun table(table: Int, slot: Int): Int? = field(table, slot)?.let(::follow)

    /** Where a vector's items begin and how many there are. */
    fun vector(table: Int, slot: Int, itemBytes: Int): Pair<Int, Int>? {
        val at = field(table, slot)?.let(::follow) ?: return null
        val count = bytes.getInt(at)
        if (count < 0 || count.toLong() * itemBytes > bytes.capacity() - at - 4) throw IndexOutOfBoundsException("$count items at $at")
        return at + 4 to count
    }

    fun tables(table: Int, slot: Int): List<Int> = items(table, slot, ::follow)

    fun ints(table: Int, slot: Int): List<Int> = items(table, slot, ::int32)

    private fun items(table: Int, slot: Int, read: (Int) -> Int): List<Int> {
        val (start, count) = vector(table, slot, 4) ?: return emptyList()
        return List(count) { read(start + 4 * it) }
    }

    fun text(table: Int, slot: Int): String? = vector(table, slot, 1)?.let { (start, count) -> utf8(start, count) }

    fun utf8(at: Int, size: Int): String = String(copy(at, size), Charsets.UTF_8)

    fun ascii(at: Int, size: Int): String = String(copy(at, size), Charsets.ISO_8859_1)

    private fun copy(at: Int, size: Int) = ByteArray(size).also { for (i in it.indices) it[i] = bytes.get(at + i) }

    private fun follow(at: Int): Int = at + bytes.getInt(at)
}
