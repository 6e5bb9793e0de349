package org.edgekd.demo

import android.content.Context
import android.net.Uri
import org.edgekd.classifier.Decision
import org.edgekd.classifier.ImageClassifier
import org.edgekd.classifier.InterpreterRuntime
import org.edgekd.classifier.ModelError
import org.edgekd.classifier.ModelException
import org.edgekd.classifier.ModelRuntime
import java.io.File
import java.io.FileInputStream
import java.io.FileNotFoundException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel

/** A model that can be opened: packaged in the assets, or a copy of what was picked, at [path]. */
data class ModelChoice(val file: String, val path: String? = null) {
    val title: String get() = file.removeSuffix(SUFFIX)

    companion object {
        const val SUFFIX = ".tflite"
    }
}

/** What a model says of itself. */
data class ModelFacts(
    val precision: String,
    val inputWidth: Int,
    val inputHeight: Int,
    val labels: List<String>,
    val sizeBytes: Long,
    val sha256: String,
    val decision: Decision = Decision(),
)

fun ImageClassifier.facts() =
    ModelFacts(record.precision, record.inputWidth, record.inputHeight, record.labels, sizeBytes, record.sha256, record.decision)

/** Finds and opens models. Everything here reads files: not for the screen's thread. */
class Models(private val context: Context) {
    private val kept = File(context.cacheDir, "models")

    fun packaged(): List<ModelChoice> =
        context.assets.list("").orEmpty().filter { it.endsWith(ModelChoice.SUFFIX) }.sorted().map { ModelChoice(it) }

    /** What the picker called a document. */
    fun name(document: Uri): String = displayName(context, document)

    /**
     * A copy of a document of our own: another app may change or cut its file while it is mapped.
     *
     * Throws ModelException, IOException or SecurityException.
     */
    fun keep(document: Uri, name: String): ModelChoice {
        kept.mkdirs()
        val copy = File.createTempFile("picked-", ModelChoice.SUFFIX, kept)
        try {
            val whole = copy.outputStream().use { copyDocument(context, document, it, MAX_BYTES) }
            if (!whole) throw ModelException(ModelError.UNREADABLE, "It has more than ${MAX_BYTES / 1_000_000} MB, which is no model for a phone.")
        } catch (error: Exception) {
            copy.delete()
            throw error
        }
        return ModelChoice(name, copy.path)
    }

    /** Delete the copies that an earlier process left. */
    fun forgetKept() {
        kept.listFiles()?.forEach { it.delete() }
    }

    /** Throws ModelException, IOException or SecurityException. */
    fun open(choice: ModelChoice, runtime: ModelRuntime = InterpreterRuntime()): ImageClassifier = ImageClassifier.open(content(choice), runtime)

    /** The file's bytes, mapped where that is possible. */
    fun content(choice: ModelChoice): ByteBuffer {
        if (choice.path == null) return asset(choice.file)
        return FileInputStream(choice.path).use { it.channel.map(FileChannel.MapMode.READ_ONLY, 0, it.channel.size()) }
    }

    private fun asset(file: String): ByteBuffer =
        try {
            context.assets.openFd(file).use { fd ->
                FileInputStream(fd.fileDescriptor).use { it.channel.map(FileChannel.MapMode.READ_ONLY, fd.startOffset, fd.length) }
            }
        } catch (_: FileNotFoundException) { // packed compressed
            val bytes = context.assets.open(file).use { it.readBytes() }
            ByteBuffer.allocateDirect(bytes.size).put(bytes).apply { flip() }
        }

    private companion object {
        const val MAX_BYTES = 500_000_000L
    }
}
