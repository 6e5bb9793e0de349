package org.edgekd.demo.bench

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A .npy file as numpy.save writes it. */
fun npy(count: Int, height: Int, width: Int, pixels: ByteArray, descr: String = "|u1", order: String = "False", version: Int = 1): ByteArray {
    val header = "{'descr': '$descr', 'fortran_order': $order, 'shape': ($count, $height, $width, 3), }"
    val padded = header.padEnd((header.length + 11 + 63) / 64 * 64 - 11) + "\n"
    val out = ByteBuffer.allocate(10 + padded.length + pixels.size).order(ByteOrder.LITTLE_ENDIAN)
    out.put(byteArrayOf(0x93.toByte())).put("NUMPY".toByteArray()).put(version.toByte()).put(0).putShort(padded.length.toShort())
    return out.put(padded.toByteArray()).put(pixels).array()
}

class NpyTest {
    @get:Rule
    val folder = TemporaryFolder()

    private fun read(content: ByteArray) = readNpy(folder.newFile().apply { writeBytes(content) })

    @Test
    fun imagesAreViewsInOrder() {
        val images = read(npy(2, 1, 2, ByteArray(12) { it.toByte() }))
        assertEquals(listOf(2, 1, 2), listOf(images.count, images.height, images.width))
        val second = ByteArray(6).also { images[1].get(it) }
        assertEquals((6..11).map { it.toByte() }, second.toList())
    }

    @Test
    fun anythingElseIsRefused() {
        val good = npy(1, 1, 1, ByteArray(3))
        val wrong = listOf(
            ByteArray(0), ByteArray(9), ByteArray(200), good.copyOf(40), good.copyOf(good.size - 1), good + 0,
            npy(1, 1, 1, ByteArray(12), descr = "<f4"), npy(1, 1, 1, ByteArray(3), order = "True"), npy(1, 1, 1, ByteArray(3), version = 2),
            npy(0, 1, 1, ByteArray(0)), npy(1, 0, 1, ByteArray(0)), npy(999_999_999, 16384, 16384, ByteArray(3)),
        )
        wrong.forEachIndexed { k, content -> assertThrows("$k", PlanException::class.java) { read(content) } }
        val missing = assertThrows(PlanException::class.java) { readNpy(folder.root.resolve("none.npy")) }
        assertTrue(missing.message!!.contains("none.npy"))
    }
}
