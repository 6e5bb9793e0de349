package org.edgekd.classifier

import android.annotation.TargetApi
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.ColorSpace
import android.graphics.ImageDecoder
import android.os.Build
import java.io.IOException
import java.nio.ByteBuffer
import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min

/** The version of edgekd that this copy of the files is from. */
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
