package org.edgekd.classifier

import android.graphics.Bitmap
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.ByteArrayOutputStream
import java.io.File
import kotlin.math.abs

/** Not a test: benchmarks/android_resize/run.py runs it by name. */
@RunWith(RobolectricTestRunner::class)
class ResizeBenchmark {
    @Test
    fun twelveMegapixelsAndFrames() {
        val photo = photo(WIDTH, HEIGHT)
        val frame = photo(FRAME_WIDTH, FRAME_HEIGHT)
        val file = ByteArrayOutputStream().also { photo.compress(Bitmap.CompressFormat.JPEG, 90, it) }.toByteArray()
        val target = Preprocessing(SIDE, SIDE, Crop.WHOLE)
        val android = { Bitmap.createScaledBitmap(photo, SIDE, SIDE, true) }
        val result = JSONObject().put("width", WIDTH).put("height", HEIGHT).put("side", SIDE)
            .put("port_ms", times { target.toInput(photo) })
            .put("create_scaled_bitmap_ms", times { android() })
            .put("jpeg_to_input_ms", times { target.toInput(file) })
            .put("frame_width", FRAME_WIDTH).put("frame_height", FRAME_HEIGHT)
            .put("frame_ms", times { target.toInput(frame) })
        val port = target.toInput(photo)
        val other = Preprocessing(SIDE, SIDE, Crop.WHOLE).toInput(android())
        val differences = port.indices.map { abs((port[it].toInt() and 255) - (other[it].toInt() and 255)) }
        result.put("mean_difference", differences.average()).put("largest_difference", differences.max())
        File(given.build, "resize_benchmark.json").writeText(result.toString(1))
    }

    private fun photo(width: Int, height: Int): Bitmap {
        val bitmap = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888)
        val row = IntArray(width)
        for (y in 0 until height) {
            for (x in 0 until width) {
                val texture = (x * x * 7 + y * y * 13 shr 2) and 31
                row[x] = 0xff000000.toInt() or (x * 224 / width + texture shl 16) or (y * 224 / height + texture shl 8) or (x + y and 255)
            }
            bitmap.setPixels(row, 0, width, 0, y, width, 1)
        }
        bitmap.setHasAlpha(false)
        return bitmap
    }

    private fun times(work: () -> Unit): JSONArray {
        repeat(WARM) { work() }
        val milliseconds = List(RUNS) {
            val start = System.nanoTime()
            work()
            (System.nanoTime() - start) / 1e6
        }
        return JSONArray(milliseconds)
    }

    private companion object {
        const val WIDTH = 4000
        const val HEIGHT = 3000
        const val FRAME_WIDTH = 640
        const val FRAME_HEIGHT = 480
        const val SIDE = 224
        const val WARM = 5
        const val RUNS = 15
    }
}
