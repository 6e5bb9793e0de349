package org.edgekd.demo.bench

import android.graphics.Bitmap
import org.edgekd.classifier.Crop
import org.edgekd.classifier.PhotoException
import org.edgekd.classifier.Preprocessing
import org.json.JSONArray
import org.json.JSONObject
import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.security.MessageDigest

/** What a plan wants timed from end to end; the files are names in the plan's own folder. */
data class EndToEndPlan(val photos: List<String>, val frames: String?, val preprocessing: Preprocessing)

/** Photos' bytes, and frames as a camera app has them. */
class RawPhotos(val photos: List<ByteArray>, val frames: List<Bitmap>, val preprocessing: Preprocessing)

/** One source: nanoseconds of every pass by stage ([decodeNs] is empty for frames), and what the model said. */
class SourceReply(
    val source: String,
    val decodeNs: List<Long>,
    val resizeNs: List<Long>,
    val inferenceNs: List<Long>,
    val cpu: Map<String, Double>,
    val inputsSha256: String,
    val answers: List<Int>,
)

/** The key `end_to_end` of a plan. Throws PlanException. */
fun readEndToEnd(source: JSONObject): EndToEndPlan {
    fun wrong(key: String, wanted: String) = PlanException("end_to_end.$key must be $wanted, got ${source.opt(key).toString().take(100)}")
    val others = source.keys().asSequence().filter { it !in KEYS }.toList()
    if (others.isNotEmpty()) throw PlanException("end_to_end has keys that this app doesn't know: ${others.joinToString()}")
    fun side(key: String) = (source.opt(key) as? Int)?.takeIf { it in 1..MAX_SIDE } ?: throw wrong(key, "a whole number from 1 to $MAX_SIDE")
    val names = source.opt("photos") as? JSONArray ?: throw wrong("photos", "a list of file names")
    val photos = List(names.length()) { plainName(names.opt(it) as? String ?: throw wrong("photos", "a list of file names"), "end_to_end.photos") }
    if (photos.size > MAX_PHOTOS) throw wrong("photos", "at most $MAX_PHOTOS file names")
    val frames = if (source.isNull("frames")) null else source.opt("frames") as? String ?: throw wrong("frames", "a file name or null")
    val crop = Crop.entries.find { it.name.lowercase() == source.opt("crop") } ?: throw wrong("crop", "whole or center")
    return EndToEndPlan(photos, frames?.let { plainName(it, "end_to_end.frames") }, Preprocessing(side("width"), side("height"), crop))
}

/** The photos and frames of a plan from its folder. Throws PlanException. */
fun readRawPhotos(plan: EndToEndPlan, folder: File): RawPhotos =
    try {
        val photos = plan.photos.map { File(folder, it).readBytes() }
        RawPhotos(photos, plan.frames?.let { frames(readNpy(File(folder, it))) }.orEmpty(), plan.preprocessing)
    } catch (error: IOException) {
        throw PlanException("a photo can't be read: ${error.message}", error)
    }

private fun frames(images: Images): List<Bitmap> = List(images.count) { index ->
    val pixels = images[index]
    val argb = IntArray(images.height * images.width) {
        OPAQUE or (u8(pixels) shl 16) or (u8(pixels) shl 8) or u8(pixels)
    }
    Bitmap.createBitmap(argb, images.width, images.height, Bitmap.Config.ARGB_8888)
}

/**
 * Times every source in turn, as `edgekd/bench/agents/device_end_to_end.py` does on other devices: a photo's bytes to
 * pixels, pixels to the model's input, and from there to the class.
 */
class EndToEndTimer(private val clock: Clock, private val device: DeviceFacts) {
    /** Throws PlanException. */
    fun measure(model: LoadedModel, settings: Settings, raw: RawPhotos): List<SourceReply> = listOfNotNull(
        raw.photos.takeIf { it.isNotEmpty() }?.let { photos ->
            measure("photo", photos.size, model, settings, raw.preprocessing) { index, decoded -> raw.preprocessing.toInput(photos[index], decoded = decoded) }
        },
        raw.frames.takeIf { it.isNotEmpty() }?.let { frames ->
            measure("frame", frames.size, model, settings, raw.preprocessing) { index, _ -> raw.preprocessing.toInput(frames[index]) }
        },
    )

    private fun measure(
        source: String, count: Int, model: LoadedModel, settings: Settings, size: Preprocessing, input: (Int, () -> Unit) -> ByteArray,
    ): SourceReply {
        val digest = MessageDigest.getInstance("SHA-256")
        // Untimed, which also warms up.
        val answers = List(count) { index ->
            val pixels = photo(source) { input(index) {} }
            digest.update(pixels)
            model.infer(prepared(model, pixels, size))
            model.answer()
        }
        val stages = List(STAGES) { mutableListOf<Long>() }
        System.gc()
        val cpuBefore = cpu()
        val end = clock.nanos() + (settings.seconds * 1e9).toLong()
        var done = 0
        while (done < settings.minIterations || (done < settings.maxIterations && clock.nanos() < end)) {
            val start = clock.nanos()
            var decoded = start
            val pixels = photo(source) { input(done % count) { decoded = clock.nanos() } }
            val buffer = prepared(model, pixels, size)
            val resized = clock.nanos()
            model.infer(buffer)
            model.answer()
            val ended = clock.nanos()
            listOf(decoded - start, resized - decoded, ended - resized).forEachIndexed { k, nanos -> stages[k] += maxOf(1, nanos) }
            done++
        }
        val cpuAfter = cpu()
        return SourceReply(
            source = source,
            decodeNs = if (source == "photo") stages[0] else emptyList(),
            resizeNs = stages[1],
            inferenceNs = stages[2],
            cpu = cpuBefore.mapValues { (key, value) -> cpuAfter.getValue(key) - value },
            inputsSha256 = digest.digest().joinToString("") { "%02x".format(it) },
            answers = answers,
        )
    }

    private fun prepared(model: LoadedModel, pixels: ByteArray, size: Preprocessing): ByteBuffer =
        model.prepare(Images(1, size.height, size.width, ByteBuffer.wrap(pixels)), 0)

    private fun photo(source: String, read: () -> ByteArray): ByteArray =
        try {
            read()
        } catch (error: PhotoException) {
            throw PlanException("a $source can't be read: ${error.message}", error)
        }

    private fun cpu() = mapOf("own_s" to device.ownCpuS(), "wall_s" to clock.nanos() / 1e9)
}

/** What `edgekd bench` reads of one source; which passes lost the CPU isn't known here. */
fun SourceReply.toJson(): JSONObject = JSONObject()
    .put("source", source)
    .put("decode_ns", JSONArray(decodeNs))
    .put("resize_ns", JSONArray(resizeNs))
    .put("inference_ns", JSONArray(inferenceNs))
    .put("switched_out", JSONObject.NULL)
    .put("cpu", JSONObject(cpu))
    .put("inputs_sha256", inputsSha256)
    .put("answers", JSONArray(answers))

private fun u8(pixels: ByteBuffer): Int = pixels.get().toInt() and 0xFF

private val KEYS = setOf("photos", "frames", "height", "width", "crop")
private const val OPAQUE = 0xFF shl 24
private const val STAGES = 3
private const val MAX_SIDE = 8192
private const val MAX_PHOTOS = 64
