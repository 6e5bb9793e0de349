package org.edgekd.demo.bench

import java.io.File
import java.io.IOException
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel

/** Prepared inputs: [count] images of [height] x [width] x 3 bytes each, one after the other. */
class Images(val count: Int, val height: Int, val width: Int, private val pixels: ByteBuffer) {
    private val size = height * width * CHANNELS

    init {
        require(count > 0 && pixels.remaining() == count * size) { "$count images of $size bytes, got ${pixels.remaining()}" }
    }

    /** A view of one image's bytes. */
    operator fun get(index: Int): ByteBuffer {
        val view = pixels.duplicate()
        view.position(pixels.position() + index * size)
        view.limit(pixels.position() + (index + 1) * size)
        return view.slice()
    }

    companion object {
        const val CHANNELS = 3

        /** Images that are in memory already. */
        fun of(height: Int, width: Int, images: List<ByteArray>): Images {
            val together = ByteBuffer.allocate(images.sumOf { it.size })
            images.forEach(together::put)
            together.flip()
            return Images(images.size, height, width, together)
        }
    }
}

private val MAGIC = byteArrayOf(0x93.toByte(), 'N'.code.toByte(), 'U'.code.toByte(), 'M'.code.toByte(), 'P'.code.toByte(), 'Y'.code.toByte())
private const val PREFIX_BYTES = 10
private const val MAX_SIDE = 1 shl 14
private val HEADER = Regex(
    """\{\s*'descr':\s*'\|u1',\s*'fortran_order':\s*False,\s*'shape':\s*\((\d{1,9}), (\d{1,9}), (\d{1,9}), (\d{1,9})\),?\s*\}\s*\n""",
)

/**
 * Map a .npy file of uint8 [n,H,W,3] in C order, version 1.0, and nothing else. Throws PlanException.
 *
 * Source: numpy.lib.format, "Format Version 1.0".
 */
fun readNpy(file: File): Images =
    try {
        RandomAccessFile(file, "r").use { npy(it.channel.map(FileChannel.MapMode.READ_ONLY, 0, it.length()), file.name) }
    } catch (error: IOException) {
        throw PlanException("${file.name} can't be read: ${error.message}", error)
    }

private fun npy(content: ByteBuffer, name: String): Images {
    fun wrong(what: String) = PlanException("$name must be a .npy of uint8 [n,H,W,3] in C order, version 1.0: $what")
    content.order(ByteOrder.LITTLE_ENDIAN)
    if (content.remaining() < PREFIX_BYTES) throw wrong("it has ${content.remaining()} bytes")
    val prefix = ByteArray(MAGIC.size).also(content::get)
    if (!prefix.contentEquals(MAGIC)) throw wrong("it doesn't start as one")
    val version = listOf(content.get().toInt(), content.get().toInt())
    if (version != listOf(1, 0)) throw wrong("its version is ${version.joinToString(".")}")
    val headerBytes = content.short.toInt() and 0xFFFF
    if (content.remaining() < headerBytes) throw wrong("it ends within its header")
    val header = String(ByteArray(headerBytes).also(content::get), Charsets.ISO_8859_1)
    val found = HEADER.matchEntire(header) ?: throw wrong("its header is ${header.trim().take(120)}")
    val (count, height, width, channels) = found.destructured.toList().map { it.toLong() }
    if (channels != Images.CHANNELS.toLong() || count < 1 || height !in 1..MAX_SIDE || width !in 1..MAX_SIDE) {
        throw wrong("its shape is [$count,$height,$width,$channels]")
    }
    val expected = count * height * width * channels
    if (content.remaining().toLong() != expected) throw wrong("$expected bytes should follow, not ${content.remaining()}")
    return Images(count.toInt(), height.toInt(), width.toInt(), content.slice())
}
