package org.edgekd.classifier

import android.graphics.Bitmap
import android.graphics.Matrix
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.ByteArrayOutputStream
import java.io.File
import java.nio.ByteBuffer
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
        putTurnedFrames(result, frame, target)
        val port = target.toInput(photo)
        val other = Preprocessing(SIDE, SIDE, Crop.WHOLE).toInput(android())
        val differences = port.indices.map { abs((port[it].toInt() and 255) - (other[it].toInt() and 255)) }
        result.put("mean_difference", differences.average()).put("largest_difference", differences.max())
        File(given.build, "resize_benchmark.json").writeText(result.toString(1))
    }

    /** A frame that lies on its side: turned as a bitmap before, turned by the port, and as planes without a bitmap. */
    private fun putTurnedFrames(result: JSONObject, frame: Bitmap, target: Preprocessing) {
        val quarter = Matrix().apply { postRotate(90f) }
        val rgba = ByteBuffer.allocateDirect(4 * FRAME_WIDTH * FRAME_HEIGHT).apply { while (hasRemaining()) putInt(position() * 2654435) }
        val nv21 = ByteBuffer.allocateDirect(FRAME_WIDTH * FRAME_HEIGHT * 3 / 2).apply { while (hasRemaining()) put((position() * 7).toByte()) }
        val preprocessor = FramePreprocessor(target)
        val planes = Frame()
        val input = ByteArray(target.inputBytes)
        result.put("turned_bitmap_ms", times {
            target.toInput(Bitmap.createBitmap(frame, 0, 0, FRAME_WIDTH, FRAME_HEIGHT, quarter, false))
        })
        result.put("rotation_ms", times { target.toInput(frame, 90) })
        result.put("rgba_frame_ms", times {
            preprocessor.toInput(planes.useRgba(rgba, FRAME_WIDTH, FRAME_HEIGHT, 4 * FRAME_WIDTH, 90), input)
        })
        result.put("nv21_frame_ms", times { preprocessor.toInput(planes.useNv21(nv21, FRAME_WIDTH, FRAME_HEIGHT, 90), input) })
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
