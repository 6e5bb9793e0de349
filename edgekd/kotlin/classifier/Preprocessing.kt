package org.edgekd.classifier

import android.annotation.TargetApi
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.ColorSpace
import android.graphics.ImageDecoder
import android.graphics.ImageFormat
import android.graphics.PixelFormat
import android.media.Image
import android.os.Build
import java.io.EOFException
import java.io.IOException
import java.io.InputStream
import java.io.SequenceInputStream
import java.nio.Buffer
import java.nio.ByteBuffer
import java.util.Collections
import java.util.zip.CRC32
import java.util.zip.InflaterInputStream
import java.util.zip.ZipException
import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min

/** The version of edgekd that this copy of the two files is from. */
const val EDGEKD_VERSION = "0.2.0"

/** The version of edgekd's written specification: that of a model's record must be the same. */
const val SPECIFICATION_VERSION = 1

/** The version of the specification of frames, which comes in the place of the steps before the crop. */
const val FRAME_SPECIFICATION_VERSION = 1

/** Why a photo or a frame cannot be read, for an app that says it in its user's language. */
enum class PhotoError {
    /** The file has no bytes. */
    EMPTY,

    /** Not a photo, or of a format that is not read anywhere. */
    UNKNOWN_FORMAT,

    /** A format that this device does not decode, such as TIFF. */
    UNSUPPORTED_FORMAT,

    /** HEIC or AVIF, which are read only where the caller says that the pixels need not be Python's. */
    INEXACT_FORMAT,
    CUT_SHORT,
    DAMAGED,
    TOO_MANY_PIXELS,
    OUT_OF_MEMORY,

    /** Sizes, strides or a rotation that cannot be those of a frame. */
    BAD_FRAME,
}

/** A photo or a frame that cannot be read; the message says what is wrong with it, [code] says it to a program. */
class PhotoException(val code: PhotoError, message: String, cause: Throwable? = null) : Exception(message, cause)

/** Which part of a photo a model sees. */
enum class Crop { WHOLE, CENTER }

/**
 * From a photo's bytes to the input of a model, byte for byte what Python gives, by edgekd's written specification
 * (SPECIFICATION.md beside every set of golden vectors), whose step numbers stand here in the comments.
 */
data class Preprocessing(val width: Int, val height: Int, val crop: Crop) {
    /** Bytes of an input. */
    val inputBytes: Int get() = width * height * 3

    /**
     * Upright RGB, uint8 [height * width * 3], of a photo's file. Throws PhotoException.
     *
     * HEIC and AVIF are decoded otherwise by each device: they are refused unless [exact] is false. All other formats
     * give the same bytes with either. [decoded] is called when the photo's pixels are there, for timing.
     */
    fun toInput(photo: ByteArray, exact: Boolean = true, decoded: () -> Unit = {}): ByteArray = readPhoto {
        val kind = PhotoFile.kindOf(photo, exact)
        val orientation = PhotoFile.orientationOf(PhotoFile.exifBlock(photo, kind))
        if (kind == "png") return@readPhoto toInput(Png(photo).decode().also { decoded() }, orientation)
        val bitmap = if (kind == PhotoFile.HEIC) decodeInexactly(photo) else decode(photo, kind)
        decoded()
        try {
            toInput(BitmapPixels(bitmap), orientation)
        } finally {
            bitmap.recycle()
        }
    }

    /**
     * The same of a bitmap, a hardware one too, that [rotationDegrees] (0, 90, 180 or 270) clockwise turn upright. It
     * stays the caller's. Throws PhotoException.
     */
    fun toInput(bitmap: Bitmap, rotationDegrees: Int = 0): ByteArray = readPhoto {
        readable(bitmap) { toInput(BitmapPixels(it), orientationOf(rotationDegrees)) }
    }

    /** Steps 3 to 5. */
    internal fun toInput(pixels: Pixels, orientation: Int): ByteArray =
        ByteArray(inputBytes).also { Workspace(this).shrink(pixels, orientation, it) }

    private fun decode(photo: ByteArray, kind: String): Bitmap {
        PhotoFile.checkWhole(photo, kind)
        val options = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        BitmapFactory.decodeByteArray(photo, 0, photo.size, options)
        if (options.outWidth < 1 || options.outHeight < 1) {
            throw PhotoException(PhotoError.DAMAGED, "This $kind has a damaged header.")
        }
        Pixels.checkSize(options.outWidth, options.outHeight)
        val asStored = BitmapFactory.Options().apply {
            inPreferredConfig = Bitmap.Config.ARGB_8888
            inPremultiplied = false
            inScaled = false
        }
        val plain = PhotoFile.withoutProfile(photo, kind)
        return BitmapFactory.decodeByteArray(plain, 0, plain.size, asStored)
            ?: throw PhotoException(PhotoError.DAMAGED, "This $kind is damaged: it does not decode.")
    }

    private fun decodeInexactly(photo: ByteArray): Bitmap {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) return PlatformDecoder.decode(photo)
        throw PhotoException(PhotoError.UNSUPPORTED_FORMAT, "HEIC and AVIF need Android 9 or later. Convert it to JPEG or PNG.")
    }

    internal companion object {
        inline fun <T> readPhoto(read: () -> T): T = try {
            read()
        } catch (error: OutOfMemoryError) {
            throw PhotoException(PhotoError.OUT_OF_MEMORY, "This photo is too large for the memory that this app has.", error)
        }

        /** Gives [read] the bitmap, or a copy of one whose pixels lie in the GPU's memory. */
        inline fun <T> readable(bitmap: Bitmap, read: (Bitmap) -> T): T {
            if (Build.VERSION.SDK_INT < Build.VERSION_CODES.O || bitmap.config != Bitmap.Config.HARDWARE) return read(bitmap)
            val copy = bitmap.copy(Bitmap.Config.ARGB_8888, false)
                ?: throw PhotoException(PhotoError.OUT_OF_MEMORY, "This hardware bitmap cannot be copied into the memory that this app has.")
            return try {
                read(copy)
            } finally {
                copy.recycle()
            }
        }

        /** Exif's orientation of what so many degrees clockwise turn upright. Step F3. */
        fun orientationOf(rotationDegrees: Int): Int = when (rotationDegrees) {
            0 -> 1
            90 -> 6
            180 -> 3
            270 -> 8
            else -> throw PhotoException(PhotoError.BAD_FRAME, "A rotation must be 0, 90, 180 or 270 degrees, and this is $rotationDegrees.")
        }
    }
}

/** HEIC and AVIF by Android's own decoder, upright; their colour profile is ignored, as the specification does it. */
@TargetApi(Build.VERSION_CODES.P)
internal object PlatformDecoder {
    fun decode(photo: ByteArray): Bitmap {
        val bitmap = try {
            ImageDecoder.decodeBitmap(ImageDecoder.createSource(ByteBuffer.wrap(photo))) { decoder, info, _ ->
                Pixels.checkSize(info.size.width, info.size.height)
                decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
                decoder.isUnpremultipliedRequired = true
            }
        } catch (error: IOException) {
            throw PhotoException(PhotoError.UNSUPPORTED_FORMAT, "This device does not decode this HEIC or AVIF: ${error.message}", error)
        }
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q && bitmap.config == Bitmap.Config.ARGB_8888) {
            bitmap.setColorSpace(ColorSpace.get(ColorSpace.Named.SRGB))
        }
        return bitmap
    }
}

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

/** Steps 3 to 5 of one photo after the other. What it needs is kept, so that the next one of the same size needs no memory. */
internal class Workspace(private val target: Preprocessing) {
    private var photoWidth = 0
    private var photoHeight = 0
    private lateinit var box: Box
    private lateinit var across: Taps
    private lateinit var along: Taps
    private var narrow = ByteArray(0)
    private var block = IntArray(0)
    private val sums = IntArray(target.width * 3)

    private fun prepare(width: Int, height: Int) {
        if (width == photoWidth && height == photoHeight) return
        photoWidth = 0 // until all of it is there
        box = Box.of(width, height, target)
        across = Taps(box.width, target.width)
        along = Taps(box.height, target.height)
        narrow = ByteArray(box.height * target.width * 3)
        block = IntArray(min(BLOCK, box.height) * box.width)
        photoWidth = width
        photoHeight = height
    }

    /** In one pass over the stored pixels, so that a large photo is held once only. */
    fun shrink(pixels: Pixels, orientation: Int, into: ByteArray) {
        val swapped = orientation >= 5
        val flipX = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7
        val flipY = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8
        if (swapped) prepare(pixels.height, pixels.width) else prepare(pixels.width, pixels.height)
        var first = 0
        while (first < box.height) {
            val rows = min(BLOCK, box.height - first)
            val u = if (flipX) photoWidth - box.left - box.width else box.left
            val v = if (flipY) photoHeight - box.top - first - rows else box.top + first
            if (swapped) pixels.read(v, u, rows, box.width, block) else pixels.read(u, v, box.width, rows, block)
            val alongX = if (swapped) rows else 1
            val alongY = if (swapped) 1 else box.width
            for (row in 0 until rows) {
                val start = (if (flipY) rows - 1 - row else row) * alongY + (if (flipX) (box.width - 1) * alongX else 0)
                across.shrinkRow(block, start, if (flipX) -alongX else alongX, narrow, (first + row) * target.width * 3)
            }
            first += BLOCK
        }
        along.shrinkColumns(narrow, target.width * 3, sums, into)
    }

    private companion object {
        /** Rows (or columns, of a photo on its side) that are read at a time. */
        const val BLOCK = 32
    }
}

/** Step 4: the part of an upright photo that is shown. */
internal class Box(val left: Int, val top: Int, val width: Int, val height: Int) {
    companion object {
        fun of(photoWidth: Int, photoHeight: Int, target: Preprocessing): Box {
            if (target.crop == Crop.WHOLE) return Box(0, 0, photoWidth, photoHeight)
            var (boxWidth, boxHeight) = photoWidth to photoHeight
            if (photoWidth.toLong() * target.height > photoHeight.toLong() * target.width) {
                boxWidth = max(1, (photoHeight.toLong() * target.width / target.height).toInt())
            } else {
                boxHeight = max(1, (photoWidth.toLong() * target.height / target.width).toInt())
            }
            return Box((photoWidth - boxWidth) / 2, (photoHeight - boxHeight) / 2, boxWidth, boxHeight)
        }
    }
}

/** Step 5: Pillow's bilinear filter along one axis, from [n] samples to [m], in units of 2 to the -22. */
internal class Taps(n: Int, private val m: Int) {
    private val first = IntArray(m)
    private val weights: Array<IntArray>

    init {
        val scale = n.toDouble() / m
        val support = max(1.0, scale)
        weights = Array(m) { i ->
            val center = (i + 0.5) * scale
            val low = max(0, (center - support + 0.5).toInt())
            val high = min(n, (center + support + 0.5).toInt())
            first[i] = low
            val k = DoubleArray(high - low) { j ->
                val x = abs((j + low - center + 0.5) * (1.0 / support))
                if (x < 1.0) 1.0 - x else 0.0
            }
            var sum = 0.0
            for (value in k) sum += value
            IntArray(k.size) { j -> (0.5 + k[j] / sum * 4194304.0).toInt() }
        }
    }

    /** One row of RGB ints, [step] apart, to m RGB triples at [at] in [out]. */
    fun shrinkRow(row: IntArray, start: Int, step: Int, out: ByteArray, at: Int) {
        var o = at
        for (i in 0 until m) {
            var red = HALF
            var green = HALF
            var blue = HALF
            var p = start + first[i] * step
            for (weight in weights[i]) {
                val pixel = row[p]
                red += (pixel ushr 16 and 255) * weight
                green += (pixel ushr 8 and 255) * weight
                blue += (pixel and 255) * weight
                p += step
            }
            out[o++] = clip(red)
            out[o++] = clip(green)
            out[o++] = clip(blue)
        }
    }

    /** Rows of [rowBytes] bytes to m such rows; [sums] is as long as a row. */
    fun shrinkColumns(rows: ByteArray, rowBytes: Int, sums: IntArray, out: ByteArray) {
        for (i in 0 until m) {
            sums.fill(HALF)
            var p = first[i] * rowBytes
            for (weight in weights[i]) {
                for (x in 0 until rowBytes) sums[x] += (rows[p + x].toInt() and 255) * weight
                p += rowBytes
            }
            for (x in 0 until rowBytes) out[i * rowBytes + x] = clip(sums[x])
        }
    }

    private fun clip(sum: Int): Byte = min(255, max(0, sum shr 22)).toByte()

    private companion object {
        const val HALF = 1 shl 21
    }
}

/** Decoded pixels as they are stored. */
internal abstract class Pixels {
    abstract val width: Int
    abstract val height: Int

    /** Fills [into] with a rectangle of them as RGB, row after row. */
    abstract fun read(x: Int, y: Int, width: Int, height: Int, into: IntArray)

    companion object {
        private const val MOST = 100_000_000L

        fun checkSize(width: Int, height: Int) {
            if (width.toLong() * height <= MOST) return
            throw PhotoException(PhotoError.TOO_MANY_PIXELS, "This photo has $width x $height pixels, and more than $MOST are refused.")
        }

        /** Step 2 d, of one pixel whose alpha is not multiplied in. */
        fun overWhite(argb: Int): Int {
            val alpha = argb ushr 24
            if (alpha == 255) return argb
            val white = 255 * (255 - alpha) + 127
            val red = ((argb ushr 16 and 255) * alpha + white) / 255
            val green = ((argb ushr 8 and 255) * alpha + white) / 255
            return red shl 16 or (green shl 8) or (((argb and 255) * alpha + white) / 255)
        }
    }
}

internal class BitmapPixels(private val bitmap: Bitmap) : Pixels() {
    override val width = bitmap.width
    override val height = bitmap.height
    private val hasAlpha = bitmap.hasAlpha()

    override fun read(x: Int, y: Int, width: Int, height: Int, into: IntArray) {
        bitmap.getPixels(into, 0, width, x, y, width, height)
        if (hasAlpha) for (i in 0 until width * height) into[i] = overWhite(into[i])
    }
}

/** Bytes of RGB without gaps. */
internal class RgbPixels(override val width: Int, override val height: Int, private val rgb: ByteArray) : Pixels() {
    override fun read(x: Int, y: Int, width: Int, height: Int, into: IntArray) {
        var o = 0
        for (row in y until y + height) {
            var i = 3 * (row * this.width + x)
            repeat(width) {
                into[o++] = rgb[i].toInt() and 255 shl 16 or (rgb[i + 1].toInt() and 255 shl 8) or (rgb[i + 2].toInt() and 255)
                i += 3
            }
        }
    }
}

/** What a photo's file says before its pixels are decoded: its format, its orientation, and whether all of it is there. */
internal object PhotoFile {
    const val HEIC = "heic"

    /** Step 1: the format by content; HEIC (and AVIF) unless the pixels must be [exact]. */
    fun kindOf(photo: ByteArray, exact: Boolean = true): String = when {
        photo.isEmpty() -> throw PhotoException(PhotoError.EMPTY, "This file is empty (0 bytes).")
        u8(photo, 0) == 0xff && u8(photo, 1) == 0xd8 -> "jpeg"
        text(photo, 1, 3) == "PNG" -> "png"
        text(photo, 0, 4) == "RIFF" && text(photo, 8, 4) == "WEBP" -> "webp"
        text(photo, 0, 2) == "BM" -> "bmp"
        text(photo, 0, 3) == "GIF" -> "gif"
        text(photo, 0, 4) in setOf("II*\u0000", "MM\u0000*") ->
            throw PhotoException(PhotoError.UNSUPPORTED_FORMAT, "This is a TIFF, which Android does not read. Convert it to PNG.")
        text(photo, 4, 4) == "ftyp" -> if (!exact) HEIC else throw PhotoException(
            PhotoError.INEXACT_FORMAT,
            "This is a HEIC or AVIF photo, whose pixels differ from phone to phone. Convert it to JPEG or PNG.",
        )
        else -> throw PhotoException(PhotoError.UNKNOWN_FORMAT, "This is not a photo of a known format (JPEG, PNG, WEBP, BMP, GIF).")
    }

    /** The Exif block, from its byte order mark, or null. */
    fun exifBlock(photo: ByteArray, kind: String): ByteArray? {
        var found: ByteArray? = null
        when (kind) {
            "jpeg" -> jpegSegments(photo) { marker, at, size ->
                val isExif = marker == 0xe1 && text(photo, at, 6) == "Exif\u0000\u0000"
                if (isExif && found == null) found = photo.copyOfRange(at, at + size)
            }
            "png" -> Png.chunks(photo) { name, at, size -> if (name == "eXIf") found = photo.copyOfRange(at, at + size) }
            "webp" -> webpChunks(photo) { name, at, size -> if (name == "EXIF") found = photo.copyOfRange(at, at + size) }
        }
        val block = found ?: return null
        return if (text(block, 0, 6) == "Exif\u0000\u0000") block.copyOfRange(6, block.size) else block
    }

    /** Step 3: the orientation, 1 to 8, in an Exif block's first directory; 1 where there is none or it is malformed. */
    fun orientationOf(block: ByteArray?): Int {
        val little = when (block?.let { text(it, 0, 4) }) {
            "II*\u0000" -> true
            "MM\u0000*" -> false
            else -> return 1
        }
        fun number(at: Long, bytes: Int): Long {
            if (at + bytes > block!!.size) return -1
            return (0 until bytes).fold(0L) { sum, i ->
                sum shl 8 or u8(block, (at + if (little) bytes - 1 - i else i).toInt()).toLong()
            }
        }
        val start = number(4, 4)
        if (start < 0) return 1
        for (entry in 0 until number(start, 2)) {
            val at = start + 2 + 12 * entry
            val type = number(at + 2, 2)
            if (type < 0) return 1
            if (number(at, 2) != 0x0112L || type !in 3L..4L) continue
            val value = number(at + 8, if (type == 3L) 2 else 4)
            return if (value in 1..8) value.toInt() else 1
        }
        return 1
    }

    /** A copy without its colour profile, which Android would apply and the specification does not. */
    fun withoutProfile(photo: ByteArray, kind: String): ByteArray {
        val plain = photo.clone()
        if (kind == "jpeg") {
            // All of APP2: a profile, or an index of further images.
            jpegSegments(photo) { marker, at, size -> if (marker == 0xe2) plain.fill(0, at, at + size) }
        } else if (kind == "webp") {
            webpChunks(photo) { name, at, _ ->
                if (name == "ICCP") plain.fill('X'.code.toByte(), at - 8, at - 4)
                if (name == "VP8X") plain[at] = (u8(photo, at) and 0x20.inv()).toByte()
            }
        }
        return plain
    }

    /** Android fills what is missing of a photo with grey; here it is refused. */
    fun checkWhole(photo: ByteArray, kind: String) {
        val whole = when (kind) {
            "jpeg" -> jpegSegments(photo) { _, _, _ -> }
            "webp" -> 8 + u32(photo, 4) <= photo.size
            "gif" -> gifIsWhole(photo)
            else -> bmpIsWhole(photo)
        }
        if (!whole) throw PhotoException(PhotoError.CUT_SHORT, "This $kind is cut short. Copy it again.")
    }

    private fun bmpIsWhole(photo: ByteArray): Boolean {
        val (start, width, height) = listOf(10, 18, 22).map { u32(photo, it).toInt().toLong() }
        val bits = u8(photo, 28)
        val compressed = u32(photo, 30) !in setOf(0L, 3L) // 3 is uncompressed, with masks
        return compressed || start + (width * bits + 31) / 32 * 4 * abs(height) <= photo.size + 3 // Python lets the last padding lack
    }

    /** Whether the first image's blocks are all there. */
    private fun gifIsWhole(photo: ByteArray): Boolean {
        fun colours(flags: Int) = if (flags and 0x80 != 0) 3 shl (flags and 7) + 1 else 0
        var at = 13 + colours(u8(photo, 10))
        while (at < photo.size) {
            val isImage = u8(photo, at) == 0x2c
            if (!isImage && u8(photo, at) != 0x21) return false
            at += if (isImage) 11 + colours(u8(photo, at + 9)) else 2
            while (at < photo.size && u8(photo, at) != 0) at += 1 + u8(photo, at)
            if (isImage) return at < photo.size
            at++
        }
        return false
    }

    /** Calls [each] with every segment's marker, first byte and size; returns whether the end of the image was found. */
    private inline fun jpegSegments(photo: ByteArray, each: (Int, Int, Int) -> Unit): Boolean {
        var at = 2
        while (at + 1 < photo.size) {
            val marker = u8(photo, at + 1)
            if (u8(photo, at) != 0xff || marker == 0 || marker in 0xd0..0xd7) at++ // entropy-coded
            else if (marker == 0xff) at++ // a fill byte
            else if (marker == 0xd9) return true
            else {
                val size = (u8(photo, at + 2) shl 8 or u8(photo, at + 3)) - 2
                if (size < 0 || at + 4 + size > photo.size) return false
                each(marker, at + 4, size)
                at += 4 + size
            }
        }
        return false
    }

    private inline fun webpChunks(photo: ByteArray, each: (String, Int, Int) -> Unit) {
        var at = 12L
        while (at + 8 <= photo.size) {
            val size = u32(photo, at.toInt() + 4)
            if (at + 8 + size > photo.size) return
            each(text(photo, at.toInt(), 4), at.toInt() + 8, size.toInt())
            at += 8 + size + (size and 1)
        }
    }

    fun u8(bytes: ByteArray, at: Int): Int = if (at < bytes.size) bytes[at].toInt() and 255 else 0

    fun text(bytes: ByteArray, at: Int, length: Int): String =
        if (at + length <= bytes.size) String(bytes, at, length, Charsets.ISO_8859_1) else ""

    private fun u32(bytes: ByteArray, at: Int): Long = (3 downTo 0).fold(0L) { sum, i -> sum shl 8 or u8(bytes, at + i).toLong() }
}

/** A PNG by hand: Android multiplies alpha in, rounds 16 bits otherwise, and applies gamma. Steps 2 a to 2 d. */
internal class Png(private val file: ByteArray) {
    private val parts = ArrayList<InputStream>()
    private var palette: ByteArray? = null
    private var key: ByteArray? = null
    private var width = 0
    private var height = 0
    private var bits = 0
    private var colour = 0
    private var interlaced = false

    init {
        chunks(file) { name, at, size ->
            when (name) {
                "IHDR" -> if (size == 13) header(at)
                "PLTE" -> palette = palette ?: file.copyOfRange(at, at + size)
                "tRNS" -> key = key ?: file.copyOfRange(at, at + size)
                "IDAT" -> parts.add(file.inputStream(at, size))
            }
        }
        val depths = DEPTHS[colour]
        if (width < 1 || height < 1 || depths == null || bits !in depths) fail("has a damaged header")
        if (parts.isEmpty()) fail(PhotoError.CUT_SHORT, "is cut short")
        if (colour == 3 && palette == null) fail("lacks its palette")
        Pixels.checkSize(width, height)
    }

    private fun header(at: Int) {
        width = int(file, at)
        height = int(file, at + 4)
        bits = file[at + 8].toInt()
        colour = file[at + 9].toInt()
        interlaced = file[at + 12].toInt() == 1
    }

    fun decode(): Pixels {
        val rgb = ByteArray(width * height * 3)
        try {
            val raw = InflaterInputStream(SequenceInputStream(Collections.enumeration(parts))).buffered(1 shl 16)
            for (pass in if (interlaced) ADAM7 else WHOLE) decodePass(raw, pass, rgb)
        } catch (error: EOFException) {
            fail(PhotoError.CUT_SHORT, "is cut short", error)
        } catch (error: ZipException) {
            fail("is damaged (${error.message})", error)
        }
        return RgbPixels(width, height, rgb)
    }

    private fun decodePass(raw: InputStream, pass: IntArray, rgb: ByteArray) {
        val (top, left, down, right) = pass
        val columns = (width - left + right - 1) / right
        if (columns <= 0 || top >= height) return
        val channels = CHANNELS[colour]
        val rowBytes = ((columns.toLong() * channels * bits + 7) / 8).toInt()
        var row = ByteArray(rowBytes)
        var above = ByteArray(rowBytes)
        val samples = IntArray(columns * channels)
        for (y in top until height step down) {
            val filter = raw.read()
            readFully(raw, row)
            unfilter(filter, row, above, max(1, channels * bits / 8))
            unpack(row, samples)
            var o = 3 * (y * width + left)
            for (x in 0 until columns) {
                val colour = Pixels.overWhite(argb(samples, x * channels))
                rgb[o] = (colour shr 16).toByte()
                rgb[o + 1] = (colour shr 8).toByte()
                rgb[o + 2] = colour.toByte()
                o += 3 * right
            }
            val free = above
            above = row
            row = free
        }
    }

    private fun readFully(raw: InputStream, row: ByteArray) {
        var at = 0
        while (at < row.size) {
            val count = raw.read(row, at, row.size - at)
            if (count < 0) throw EOFException()
            at += count
        }
    }

    private fun unfilter(filter: Int, row: ByteArray, above: ByteArray, step: Int) {
        if (filter !in 0..4) fail("is damaged (row filter $filter)")
        for (i in row.indices) {
            val left = if (i >= step) row[i - step].toInt() and 255 else 0
            val up = above[i].toInt() and 255
            val predicted = when (filter) {
                0 -> return
                1 -> left
                2 -> up
                3 -> left + up shr 1
                else -> paeth(left, up, if (i >= step) above[i - step].toInt() and 255 else 0)
            }
            row[i] = (row[i] + predicted).toByte()
        }
    }

    private fun paeth(left: Int, up: Int, corner: Int): Int {
        val byLeft = abs(up - corner)
        val byUp = abs(left - corner)
        val byCorner = abs(left + up - 2 * corner)
        return if (byLeft <= byUp && byLeft <= byCorner) left else if (byUp <= byCorner) up else corner
    }

    private fun unpack(row: ByteArray, samples: IntArray) {
        for (i in samples.indices) {
            samples[i] = when (bits) {
                8 -> row[i].toInt() and 255
                16 -> row[2 * i].toInt() and 255 shl 8 or (row[2 * i + 1].toInt() and 255)
                else -> (row[i * bits shr 3].toInt() and 255) shr (8 - bits - (i * bits and 7)) and (1 shl bits) - 1
            }
        }
    }

    private fun argb(samples: IntArray, at: Int): Int {
        if (colour == 3) return entry(samples[at])
        val channels = CHANNELS[colour]
        val red = to8(samples[at])
        val green = if (channels >= 3) to8(samples[at + 1]) else red
        val blue = if (channels >= 3) to8(samples[at + 2]) else red
        val alpha = when {
            channels == 2 || channels == 4 -> to8(samples[at + channels - 1])
            key != null && isKey(samples, at, channels) -> 0
            else -> 255
        }
        return alpha shl 24 or (red shl 16) or (green shl 8) or blue
    }

    private fun entry(index: Int): Int {
        val colours = palette!!
        val alphas = key
        val alpha = if (alphas != null && index < alphas.size) alphas[index].toInt() and 255 else 255
        if (3 * index + 2 >= colours.size) return alpha shl 24
        val (red, green, blue) = IntArray(3) { colours[3 * index + it].toInt() and 255 }
        return alpha shl 24 or (red shl 16) or (green shl 8) or blue
    }

    private fun to8(value: Int): Int = if (bits == 16) value shr 8 else value * SCALES[bits]

    private fun isKey(samples: IntArray, at: Int, channels: Int): Boolean {
        val wanted = key!!
        if (wanted.size < 2 * channels) return false
        val shift = if (bits == 16 && channels == 3) 8 else 0
        return (0 until channels).all { c ->
            val value = wanted[2 * c].toInt() and 255 shl 8 or (wanted[2 * c + 1].toInt() and 255)
            samples[at + c] shr shift == value shr shift
        }
    }

    companion object {
        private val CHANNELS = intArrayOf(1, 0, 3, 1, 2, 0, 4)
        private val SCALES = intArrayOf(0, 255, 85, 0, 17, 0, 0, 0, 1)
        private val DEPTHS = mapOf(
            0 to setOf(1, 2, 4, 8, 16), 2 to setOf(8, 16), 3 to setOf(1, 2, 4, 8), 4 to setOf(8, 16), 6 to setOf(8, 16),
        )

        // Of each pass: its first row and column, and the steps to the next.
        private val WHOLE = arrayOf(intArrayOf(0, 0, 1, 1))
        private val ADAM7 = arrayOf(
            intArrayOf(0, 0, 8, 8), intArrayOf(0, 4, 8, 8), intArrayOf(4, 0, 8, 4), intArrayOf(0, 2, 4, 4),
            intArrayOf(2, 0, 4, 2), intArrayOf(0, 1, 2, 2), intArrayOf(1, 0, 2, 1),
        )

        /** Calls [each] with every chunk's name, first byte and size. Throws PhotoException where one is damaged. */
        inline fun chunks(file: ByteArray, each: (String, Int, Int) -> Unit) {
            var at = 8
            var seenPixels = false
            while (at + 12 <= file.size) {
                val size = int(file, at)
                val name = PhotoFile.text(file, at + 4, 4)
                if (size < 0 || size > file.size - at - 12) {
                    // What is there of the last chunk of pixels may still be all that is needed.
                    if (name == "IDAT") each(name, at + 8, file.size - at - 8)
                    return
                }
                seenPixels = seenPixels || name == "IDAT"
                if (!seenPixels && checksum(file, at + 4, size + 4) != int(file, at + 8 + size)) {
                    fail("is damaged (checksum of $name)")
                }
                each(name, at + 8, size)
                if (name == "IEND") return
                at += 12 + size
            }
        }

        fun checksum(file: ByteArray, at: Int, size: Int): Int = CRC32().apply { update(file, at, size) }.value.toInt()

        fun int(file: ByteArray, at: Int): Int = (0..3).fold(0) { sum, i -> sum shl 8 or (file[at + i].toInt() and 255) }

        fun fail(what: String, cause: Throwable? = null): Nothing = fail(PhotoError.DAMAGED, what, cause)

        fun fail(code: PhotoError, what: String, cause: Throwable? = null): Nothing =
            throw PhotoException(code, "This PNG $what. Copy it again.", cause)
    }
}
