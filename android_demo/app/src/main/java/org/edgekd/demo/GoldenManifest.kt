package org.edgekd.demo

import org.json.JSONException
import org.json.JSONObject
import java.io.IOException
import java.security.MessageDigest

/** The golden vectors can't be used; the message says why. */
class GoldenException(message: String, cause: Throwable? = null) : Exception(message, cause)

/** A listed file and what its bytes must be. */
data class GoldenFile(val file: String, val sizeBytes: Long, val sha256: String)

/** One photo: its file, the input tensor it becomes, and what the model made of it at export; [answer] is null in schema 1. */
data class GoldenVector(
    val name: String,
    val kind: String,
    val photo: GoldenFile,
    val input: GoldenFile,
    val probabilities: GoldenFile,
    val top: Int,
    val answer: List<String>? = null,
)

/** A directory that `edgekd golden` made; [read] gives a file of it by its path inside. */
class GoldenManifest(
    val labels: List<String>,
    val width: Int,
    val height: Int,
    val precision: String,
    val tolerance: Float,
    /** The same for kernels that round otherwise between a quantized model's layers. */
    val rounding: Float,
    val vectors: List<GoldenVector>,
    private val read: (String) -> ByteArray,
) {
    /** A listed file's bytes. Throws GoldenException unless they are those that were listed. */
    fun bytes(entry: GoldenFile): ByteArray {
        val content = try {
            read(entry.file)
        } catch (error: IOException) {
            throw GoldenException("${entry.file} is listed in $MANIFEST and isn't there", error)
        }
        if (content.size.toLong() != entry.sizeBytes || sha256(content) != entry.sha256) {
            throw GoldenException("${entry.file} is not what $MANIFEST lists")
        }
        return content
    }

    companion object {
        const val MANIFEST = "manifest.json"

        /** Read a directory's list. Throws IOException where there is none, GoldenException where it is no such list. */
        fun open(read: (String) -> ByteArray): GoldenManifest {
            val text = String(read(MANIFEST))
            try {
                return parse(JSONObject(text), read)
            } catch (error: JSONException) {
                throw GoldenException("$MANIFEST is not a list of golden vectors: ${error.message}", error)
            }
        }

        private fun parse(root: JSONObject, read: (String) -> ByteArray): GoldenManifest {
            val schema = root.get("schema")
            if (schema != 1 && schema != 2) throw GoldenException("$MANIFEST has schema $schema, this app reads 1 and 2")
            val labels = root.getJSONArray("labels").let { array -> List(array.length()) { array.getString(it) } }
            val vectors = root.getJSONArray("vectors")
            val input = root.getJSONObject("preprocessing")
            val tolerance = root.getJSONObject("tolerance")
            // This runtime is never the one that answered at export.
            val other = tolerance.getDouble("other_runtime")
            return GoldenManifest(
                labels = labels,
                width = input.getInt("width"),
                height = input.getInt("height"),
                precision = root.getJSONObject("artifact").getString("precision"),
                tolerance = other.toFloat(),
                rounding = tolerance.optDouble("other_kernels", other).toFloat(),
                vectors = List(vectors.length()) { vector(vectors.getJSONObject(it)) },
                read = read,
            )
        }

        private fun vector(one: JSONObject) = GoldenVector(
            name = one.getString("name"),
            kind = one.getString("kind"),
            photo = file(one.getJSONObject("photo")),
            input = file(one.getJSONObject("input")),
            probabilities = file(one.getJSONObject("probabilities")),
            top = one.getInt("top"),
            answer = one.optJSONArray("answer")?.let { array -> List(array.length()) { array.getString(it) } },
        )

        private fun file(one: JSONObject) =
            GoldenFile(one.getString("file"), one.getLong("size_bytes"), one.getString("sha256"))
    }
}

fun sha256(content: ByteArray): String =
    MessageDigest.getInstance("SHA-256").digest(content).joinToString("") { "%02x".format(it) }
