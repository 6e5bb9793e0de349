package org.edgekd.classifier

import android.graphics.Bitmap
import android.graphics.ImageFormat
import android.graphics.PixelFormat
import android.media.Image
import java.nio.Buffer
import java.nio.ByteBuffer
import kotlin.math.min

/**
 * Frames to inputs without garbage: its memory is that of the first frame, and frames of the same size need no more.
 * One frame at a time, please: it is not for two threads at once.
 */
class FramePreprocessor(val preprocessing: Preprocessing) {
    private val workspace = Workspace(preprocessing)

    /** Upright RGB, uint8 [height * width * 3], into [into]. Throws PhotoException. */
    fun toInput(frame: Frame, into: ByteArray) = Preprocessing.readPhoto {
        frame.pixels.check()
        workspace.shrink(frame.pixels, Preprocessing.orientationOf(frame.rotationDegrees), checked(into))
    }

    /** The same of a bitmap, as [Preprocessing.toInput] does. */
    fun toInput(bitmap: Bitmap, rotationDegrees: Int, into: ByteArray) = Preprocessing.readPhoto {
        val orientation = Preprocessing.orientationOf(rotationDegrees)
        Preprocessing.readable(bitmap) { workspace.shrink(BitmapPixels(it), orientation, checked(into)) }
    }

    private fun checked(into: ByteArray): ByteArray {
        require(into.size == preprocessing.inputBytes) { "An input has ${preprocessing.inputBytes} bytes, and this array ${into.size}." }
        return into
    }
}

/**
 * A camera's frame where it lies in memory, by edgekd's written specification of frames (edgekd/frames.py): RGBA, or YUV
 * 4:2:0 of full range BT.601 as Android's cameras have it.
 *
 * One object serves all frames: `use...` makes it the next one. Buffers are read by absolute places from their first
 * byte, and neither copied nor kept from changing: they must stay as they are until the frame was classified.
 */
class Frame {
    internal val pixels = FramePixels()

    /** Degrees clockwise, 0, 90, 180 or 270, that turn it upright. */
    var rotationDegrees = 0
        private set

    /** An image of a camera or an ImageReader: YUV_420_888, or RGBA_8888 and RGBX_8888; what its crop rectangle shows. */
    fun useImage(image: Image, rotationDegrees: Int): Frame {
        val crop = image.cropRect
        val planes = image.planes
        when (image.format) {
            ImageFormat.YUV_420_888 -> if (crop.left % 2 == 0 && crop.top % 2 == 0) {
                pixels.setSize(crop.width(), crop.height(), false)
                for (i in 0..2) usePlane(pixels.planes[i], planes[i], if (i == 0) crop.left else crop.left / 2, if (i == 0) crop.top else crop.top / 2)
            } else {
                throw PhotoException(PhotoError.BAD_FRAME, "A YUV image's crop rectangle must begin at even places, and this one is $crop.")
            }
            PixelFormat.RGBA_8888, PixelFormat.RGBX_8888 -> {
                pixels.setSize(crop.width(), crop.height(), true)
                usePlane(pixels.planes[0], planes[0], crop.left, crop.top)
            }
            else -> throw PhotoException(PhotoError.BAD_FRAME, "An image of format ${image.format} is neither YUV_420_888 nor RGBA_8888.")
        }
        return ready(rotationDegrees)
    }

    private fun usePlane(plane: FramePlane, from: Image.Plane, left: Int, top: Int) =
        plane.set(from.buffer, top * from.rowStride + left * from.pixelStride, from.rowStride, from.pixelStride)

    /** Pixels of four bytes in the order of memory; the fourth is ignored. Strides are in bytes. */
    fun useRgba(bytes: ByteBuffer, width: Int, height: Int, rowStride: Int, rotationDegrees: Int, pixelStride: Int = 4): Frame {
        pixels.setSize(width, height, true)
        pixels.planes[0].set(bytes, 0, rowStride, pixelStride)
        return ready(rotationDegrees)
    }

    /** Planes of YUV_420_888, as Image and CameraX's ImageProxy give them. Strides are in bytes; those of U and V are the same. */
    fun useYuv(
        y: ByteBuffer, yRowStride: Int, yPixelStride: Int,
        u: ByteBuffer, v: ByteBuffer, uvRowStride: Int, uvPixelStride: Int,
        width: Int, height: Int, rotationDegrees: Int,
    ): Frame = useYuv(y, 0, yRowStride, yPixelStride, u, 0, v, 0, uvRowStride, uvPixelStride, width, height, rotationDegrees)

    /** Y, and then V and U by turns, in one buffer. */
    fun useNv21(bytes: ByteBuffer, width: Int, height: Int, rotationDegrees: Int, rowStride: Int = width + width % 2): Frame {
        val v = height * rowStride
        return useYuv(bytes, 0, rowStride, 1, bytes, v + 1, bytes, v, rowStride, 2, width, height, rotationDegrees)
    }

    /** Y, and then U and V by turns, in one buffer. */
    fun useNv12(bytes: ByteBuffer, width: Int, height: Int, rotationDegrees: Int, rowStride: Int = width + width % 2): Frame {
        val u = height * rowStride
        return useYuv(bytes, 0, rowStride, 1, bytes, u, bytes, u + 1, rowStride, 2, width, height, rotationDegrees)
    }

    /** Y, then U, then V, in one buffer without padding. */
    fun useI420(bytes: ByteBuffer, width: Int, height: Int, rotationDegrees: Int): Frame {
        val (u, chromaStride) = width * height to (width + 1) / 2
        val v = u + chromaStride * ((height + 1) / 2)
        return useYuv(bytes, 0, width, 1, bytes, u, bytes, v, chromaStride, 1, width, height, rotationDegrees)
    }

    private fun useYuv(
        y: ByteBuffer, yOffset: Int, yRowStride: Int, yPixelStride: Int,
        u: ByteBuffer, uOffset: Int, v: ByteBuffer, vOffset: Int, uvRowStride: Int, uvPixelStride: Int,
        width: Int, height: Int, rotationDegrees: Int,
    ): Frame {
        pixels.setSize(width, height, false)
        pixels.planes[0].set(y, yOffset, yRowStride, yPixelStride)
        pixels.planes[1].set(u, uOffset, uvRowStride, uvPixelStride)
        pixels.planes[2].set(v, vOffset, uvRowStride, uvPixelStride)
        return ready(rotationDegrees)
    }

    private fun ready(rotationDegrees: Int): Frame {
        this.rotationDegrees = rotationDegrees
        Preprocessing.orientationOf(rotationDegrees)
        pixels.check()
        return this
    }
}

/** Step F1: bytes whose sample in column x of row y is at offset + y * rowStride + x * pixelStride. */
internal class FramePlane {
    private var bytes: ByteBuffer = EMPTY
    private var offset = 0
    private var rowStride = 0
    var pixelStride = 0
        private set

    /** What [read] read: sample i is at i * pixelStride. */
    var line = ByteArray(0)
        private set

    fun set(bytes: ByteBuffer, offset: Int, rowStride: Int, pixelStride: Int) {
        this.bytes = bytes
        this.offset = offset
        this.rowStride = rowStride
        this.pixelStride = pixelStride
    }

    fun clear() = set(EMPTY, 0, 0, 0)

    /** The samples must lie in the buffer and apart from each other. */
    fun check(width: Int, height: Int, sampleBytes: Int) {
        val row = (width - 1L) * pixelStride + sampleBytes
        val needed = offset + (height - 1L) * rowStride + row
        if (pixelStride >= sampleBytes && (rowStride >= row || height == 1) && offset >= 0 && needed <= bytes.limit()) return
        throw PhotoException(
            PhotoError.BAD_FRAME,
            "A plane of $width x $height samples from byte $offset, rows $rowStride and samples $pixelStride bytes apart, " +
                "ends at byte $needed of ${bytes.limit()}.",
        )
    }

    /** [count] samples of [sampleBytes] each from column [x] of row [y]. */
    fun read(x: Int, y: Int, count: Int, sampleBytes: Int) {
        val size = (count - 1) * pixelStride + sampleBytes
        if (line.size < size) line = ByteArray(size)
        val before = bytes.position()
        moveTo(offset + y * rowStride + x * pixelStride)
        bytes.get(line, 0, size)
        moveTo(before)
    }

    // By Buffer's own method: that of ByteBuffer, with its own result, is not there before Android 9.
    private fun moveTo(place: Int) {
        val buffer: Buffer = bytes
        buffer.position(place)
    }

    private companion object {
        val EMPTY: ByteBuffer = ByteBuffer.allocate(0)
    }
}

/** A frame's pixels as they are stored. */
internal class FramePixels : Pixels() {
    val planes = Array(3) { FramePlane() }
    override var width = 0
        private set
    override var height = 0
        private set
    private var isRgba = false

    fun setSize(width: Int, height: Int, isRgba: Boolean) {
        this.width = width
        this.height = height
        this.isRgba = isRgba
        for (plane in planes) plane.clear()
    }

    fun check() {
        if (width < 1 || height < 1) throw PhotoException(PhotoError.BAD_FRAME, "A frame cannot have $width x $height pixels: call one of its use... first.")
        checkSize(width, height)
        planes[0].check(width, height, if (isRgba) 4 else 1)
        if (isRgba) return
        for (i in 1..2) planes[i].check((width + 1) / 2, (height + 1) / 2, 1)
    }

    override fun read(x: Int, y: Int, width: Int, height: Int, into: IntArray) {
        val (luma, u, v) = planes
        val left = x shr 1
        val halves = (x + width - 1 shr 1) - left + 1
        for (row in y until y + height) {
            val at = (row - y) * width
            luma.read(x, row, width, if (isRgba) 4 else 1)
            if (isRgba) {
                rgbaRow(width, into, at)
                continue
            }
            if (row == y || row and 1 == 0) {
                u.read(left, row shr 1, halves, 1)
                v.read(left, row shr 1, halves, 1)
            }
            yuvRow(x and 1, width, into, at)
        }
    }

    private fun rgbaRow(width: Int, into: IntArray, start: Int) {
        val line = planes[0].line
        val step = planes[0].pixelStride
        var p = 0
        for (at in start until start + width) {
            into[at] = line[p].toInt() and 255 shl 16 or (line[p + 1].toInt() and 255 shl 8) or (line[p + 2].toInt() and 255)
            p += step
        }
    }

    /** Step F2 of a row whose first pixel is the second of its two where [odd] is 1. */
    private fun yuvRow(odd: Int, width: Int, into: IntArray, start: Int) {
        val luma = planes[0].line
        val lumaStep = planes[0].pixelStride
        val us = planes[1].line
        val vs = planes[2].line
        val uStep = planes[1].pixelStride
        val vStep = planes[2].pixelStride
        var i = 0
        while (i < width) {
            val half = i + odd shr 1
            val d = (us[half * uStep].toInt() and 255) - 128
            val e = (vs[half * vStep].toInt() and 255) - 128
            val red = R_V * e + HALF shr 16
            val green = G_U * d + G_V * e + HALF shr 16
            val blue = B_U * d + HALF shr 16
            val end = min(width, 2 * half + 2 - odd)
            while (i < end) {
                val y = luma[i * lumaStep].toInt() and 255
                into[start + i] = clip(y + red) shl 16 or (clip(y + green) shl 8) or clip(y + blue)
                i++
            }
        }
    }

    private fun clip(value: Int): Int = if (value < 0) 0 else if (value > 255) 255 else value

    private companion object {
        const val HALF = 1 shl 15
        const val R_V = 91881
        const val G_U = -22554
        const val G_V = -46802
        const val B_U = 116130
    }
}
