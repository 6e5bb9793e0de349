package org.edgekd.demo

import android.graphics.Bitmap
import android.graphics.Matrix
import java.nio.ByteBuffer

/** A frame that waits: [take] gives its upright picture, null when the camera has stopped; [drop] must be called once. */
class Frame(val take: () -> Bitmap?, val drop: () -> Unit)

/** Pictures of a camera's frames; one at a time, since they share memory. */
class FramePixels {
    private var argb = IntArray(0)

    /** The picture of a YUV_420_888 frame's three [planes], turned clockwise by [turn] degrees. */
    fun upright(width: Int, height: Int, planes: List<Plane>, turn: Int): Bitmap {
        if (argb.size != width * height) argb = IntArray(width * height)
        val (y, u, v) = planes
        yuvToArgb(width, height, y, u, v, argb)
        val bitmap = Bitmap.createBitmap(argb, width, height, Bitmap.Config.ARGB_8888)
        if (turn == 0) return bitmap
        return Bitmap.createBitmap(bitmap, 0, 0, width, height, Matrix().apply { postRotate(turn.toFloat()) }, false)
    }
}

/** One plane of a camera's picture. */
class Plane(val bytes: ByteBuffer, val rowStride: Int, val pixelStride: Int)

/**
 * Packed ARGB of a YUV_420_888 picture, full range BT.601 as Android's cameras give it.
 *
 * Source: ITU-T T.871 (JFIF), in 16-bit fixed point.
 */
fun yuvToArgb(width: Int, height: Int, y: Plane, u: Plane, v: Plane, into: IntArray) {
    for (row in 0 until height) {
        var at = row * width
        for (column in 0 until width) {
            val chroma = (row / 2) * u.rowStride + (column / 2) * u.pixelStride
            val luma = (y.bytes[row * y.rowStride + column * y.pixelStride].toInt() and 0xFF) shl FIXED
            val cb = (u.bytes[chroma].toInt() and 0xFF) - GREY
            val cr = (v.bytes[(row / 2) * v.rowStride + (column / 2) * v.pixelStride].toInt() and 0xFF) - GREY
            val red = eight(luma + R_CR * cr)
            val green = eight(luma - G_CB * cb - G_CR * cr)
            val blue = eight(luma + B_CB * cb)
            into[at++] = OPAQUE or (red shl 16) or (green shl 8) or blue
        }
    }
}

/** Degrees clockwise that turn a sensor's picture upright on a screen turned by [displayDegrees] from its natural way. */
fun turnOf(sensorDegrees: Int, displayDegrees: Int, front: Boolean): Int =
    if (front) (sensorDegrees + displayDegrees) % 360 else (sensorDegrees - displayDegrees + 360) % 360

private fun eight(fixed: Int): Int = ((fixed + HALF) shr FIXED).coerceIn(0, 255)

private const val FIXED = 16
private const val HALF = 1 shl (FIXED - 1)
private const val GREY = 128
private const val OPAQUE = 0xFF shl 24
private const val R_CR = 91881 // 1.402
private const val G_CB = 22554 // 0.344136
private const val G_CR = 46802 // 0.714136
private const val B_CB = 116130 // 1.772
