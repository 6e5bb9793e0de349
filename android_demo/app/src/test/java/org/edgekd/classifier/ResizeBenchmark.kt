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
    fun twelveMegapixels() {
        val photo = photo()
        val file = ByteArrayOutputStream().also { photo.compress(Bitmap.CompressFormat.JPEG, 90, it) }.toByteArray()
        val target = Preprocessing(SIDE, SIDE, Crop.WHOLE)
        val android = { Bitmap.createScaledBitmap(photo, SIDE, SIDE, true) }
        val result = JSONObject().put("width", WIDTH).put("height", HEIGHT).put("side", SIDE)
            .put("port_ms", times { target.toInput(photo) })
            .put("create_scaled_bitmap_ms", times { android() })
            .put("jpeg_to_input_ms", times { target.toInput(file) })
        val port = target.toInput(photo)
        val other = Preprocessing(SIDE, SIDE, Crop.WHOLE).toInput(android())
        val differences = port.indices.map { abs((port[it].toInt() and 255) - (other[it].toInt() and 255)) }
        result.put("mean_difference", differences.average()).put("largest_difference", differences.max())
        File(given.build, "resize_benchmark.json").writeText(result.toString(1))
    }

    private fun photo(): Bitmap {
        val bitmap = Bitmap.createBitmap(WIDTH, HEIGHT, Bitmap.Config.ARGB_8888)
        val row = IntArray(WIDTH)
        for (y in 0 until HEIGHT) {
            for (x in 0 until WIDTH) {
                val texture = (x * x * 7 + y * y * 13 shr 2) and 31
                row[x] = 0xff000000.toInt() or (x * 224 / WIDTH + texture shl 16) or (y * 224 / HEIGHT + texture shl 8) or (x + y and 255)
            }
            bitmap.setPixels(row, 0, WIDTH, 0, y, WIDTH, 1)
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
        const val SIDE = 224
        const val WARM = 5
        const val RUNS = 15
    }
}
