package org.edgekd.classifier

import java.io.EOFException
import java.io.InputStream
import java.io.SequenceInputStream
import java.util.Collections
import java.util.zip.CRC32
import java.util.zip.InflaterInputStream
import java.util.zip.ZipException
import kotlin.math.abs
import kotlin.math.max

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
