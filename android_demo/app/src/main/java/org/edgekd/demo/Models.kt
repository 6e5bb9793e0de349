package org.edgekd.demo

import android.content.Context
import android.net.Uri
import org.edgekd.classifier.ImageClassifier
import java.io.FileInputStream
import java.io.FileNotFoundException
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel

/** A model that can be opened: packaged in the assets, or at [uri] in the device's storage. */
data class ModelChoice(val file: String, val uri: String? = null) {
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
)

fun ImageClassifier.facts() =
    ModelFacts(record.precision, record.inputWidth, record.inputHeight, record.labels, sizeBytes, record.sha256)

/** Finds and opens models. Everything here reads files: not for the screen's thread. */
class Models(private val context: Context) {
    fun packaged(): List<ModelChoice> =
        context.assets.list("").orEmpty().filter { it.endsWith(ModelChoice.SUFFIX) }.sorted().map { ModelChoice(it) }

    /** Throws ModelException, IOException or SecurityException. */
    fun open(choice: ModelChoice): ImageClassifier = ImageClassifier.open(content(choice))

    /** The file's bytes, mapped where that is possible. */
    fun content(choice: ModelChoice): ByteBuffer = mapped(choice) ?: copied(choice)

    /** Null for an asset that was packed compressed, or a document that is no plain file. */
    private fun mapped(choice: ModelChoice): ByteBuffer? =
        try {
            val opened = if (choice.uri == null) {
                context.assets.openFd(choice.file)
            } else {
                context.contentResolver.openAssetFileDescriptor(Uri.parse(choice.uri), "r")
            }
            opened?.use { fd ->
                FileInputStream(fd.fileDescriptor).use { it.channel.map(FileChannel.MapMode.READ_ONLY, fd.startOffset, fd.length) }
            }
        } catch (_: IOException) {
            null
        } catch (_: IllegalArgumentException) { // of unknown length
            null
        }

    private fun copied(choice: ModelChoice): ByteBuffer {
        val stream = if (choice.uri == null) {
            context.assets.open(choice.file)
        } else {
            context.contentResolver.openInputStream(Uri.parse(choice.uri)) ?: throw FileNotFoundException(choice.file)
        }
        val bytes = stream.use { it.readBytes() }
        return ByteBuffer.allocateDirect(bytes.size).put(bytes).apply { flip() }
    }
}
