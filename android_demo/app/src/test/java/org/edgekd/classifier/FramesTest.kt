package org.edgekd.classifier

import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Assert.fail
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.random.Random

/** Frames in every layout, with every stride and rotation, held against Python; what cannot be one; and no garbage. */
@RunWith(RobolectricTestRunner::class)
class FramesTest {
    private val target = Preprocessing(8, 6, Crop.CENTER)

    /** What tests/frame_cases.py wrote. */
    @Test
    fun everyFrameGivesPythonsInput() {
        val file = ByteBuffer.wrap(given.frames.readBytes()).order(ByteOrder.LITTLE_ENDIAN)
        val frame = Frame()
        val preprocessors = HashMap<Preprocessing, FramePreprocessor>()
        val counts = sortedMapOf<String, Int>()
        val differing = mutableListOf<String>()
        while (file.hasRemaining()) {
            val fields = IntArray(12) { file.int }
            val (kind, width, height, degrees) = fields
            val preprocessing = Preprocessing(fields[4], fields[5], Crop.entries[fields[6]])
            // Android's buffers lie outside of the heap, and are read by whoever was there before.
            val buffers = List(fields[11]) { _ ->
                val bytes = ByteArray(file.int).also(file::get)
                ByteBuffer.allocateDirect(bytes.size).apply { put(bytes) }
            }
            when (kind) {
                0 -> frame.useRgba(buffers[0], width, height, fields[7], degrees, fields[8])
                1 -> frame.useYuv(buffers[0], fields[7], fields[8], buffers[1], buffers[2], fields[9], fields[10], width, height, degrees)
                2 -> frame.useNv21(buffers[0], width, height, degrees, fields[7])
                3 -> frame.useNv12(buffers[0], width, height, degrees, fields[7])
                else -> frame.useI420(buffers[0], width, height, degrees)
            }
            val wanted = ByteArray(preprocessing.inputBytes).also(file::get)
            val input = ByteArray(preprocessing.inputBytes)
            preprocessors.getOrPut(preprocessing) { FramePreprocessor(preprocessing) }.toInput(frame, input)
            val name = "${listOf("rgba", "yuv", "nv21", "nv12", "i420")[kind]} $degrees"
            counts[name] = (counts[name] ?: 0) + 1
            if (!input.contentEquals(wanted)) differing += "$name ${fields.toList()}"
            assertTrue("$name: a buffer's position was moved", buffers.all { it.position() == it.capacity() })
        }
        File(given.build, "frames.json").writeText(JSONObject(counts.toMap<Any?, Any?>()).toString(1))
        assertEquals(emptyList<String>(), differing)
    }

    @Test
    fun aFrameTakesNoMemory() {
        val (width, height) = 64 to 48
        val bytes = ByteBuffer.allocateDirect(width * height * 4).apply { while (hasRemaining()) put(position().toByte()) }
        val frame = Frame()
        val preprocessor = FramePreprocessor(target)
        val input = ByteArray(target.inputBytes)
        fun frames(count: Int, step: Int) {
            for (i in 0 until count) {
                val degrees = i * step % 360
                if (i % 3 == 0) frame.useNv21(bytes, width, height, degrees)
                if (i % 3 == 1) frame.useYuv(bytes, width, 1, bytes, bytes, width / 2, 1, width, height, degrees)
                if (i % 3 == 2) frame.useRgba(bytes, width, height, 4 * width, degrees)
                preprocessor.toInput(frame, input)
            }
        }
        frames(100, 180)
        // The least of several: what the JVM itself does meanwhile is not the frames'.
        val nothing = List(5) { allocatedBytes {} }.min()
        assertEquals("of frames of one shape", nothing, List(5) { allocatedBytes { frames(300, 180) } }.min())
        assertTrue("weights are made again where the shape changes", List(5) { allocatedBytes { frames(12, 90) } }.min() > nothing + 1000)
    }

    /** Bytes that this thread allocates in [work]. By name: Android Studio compiles tests against Android's own classes. */
    private fun allocatedBytes(work: () -> Unit): Long {
        val bean = Class.forName("java.lang.management.ManagementFactory").getMethod("getThreadMXBean").invoke(null)
        val count = Class.forName("com.sun.management.ThreadMXBean").getMethod("getThreadAllocatedBytes", Long::class.java)
        val thread = Thread.currentThread().id
        val before = count.invoke(bean, thread) as Long
        work()
        return count.invoke(bean, thread) as Long - before
    }

    @Test
    fun everyRotationTurnsACorner() {
        // One white pixel in the stored frame's top left corner; where it stands upright.
        val bytes = ByteBuffer.allocate(3 * 2 * 4).apply { for (i in 0..2) put(i, -1) }
        for ((degrees, corner) in mapOf(0 to (0 to 0), 90 to (1 to 0), 180 to (2 to 1), 270 to (0 to 2))) {
            val (width, height) = if (degrees % 180 == 0) 3 to 2 else 2 to 3
            val preprocessing = Preprocessing(width, height, Crop.WHOLE)
            val input = ByteArray(preprocessing.inputBytes)
            FramePreprocessor(preprocessing).toInput(Frame().useRgba(bytes, 3, 2, 12, degrees), input)
            val white = (0 until width * height).single { input[3 * it].toInt() != 0 }
            assertEquals("$degrees degrees", corner, white % width to white / width)
        }
    }

    @Test
    fun aHalfTurnIsTheOtherWayUp() {
        // A phone that is turned over gives the same scene with 180 degrees more: the model must see no difference.
        val (width, height) = 40 to 30
        val scene = IntArray(width * height) { Random(it).nextInt() }
        fun input(pixels: IntArray, degrees: Int): ByteArray {
            val bytes = ByteBuffer.allocateDirect(4 * pixels.size)
            pixels.forEach(bytes::putInt)
            return ByteArray(target.inputBytes).also { FramePreprocessor(target).toInput(Frame().useRgba(bytes, width, height, 4 * width, degrees), it) }
        }
        assertArrayEquals(input(scene, 0), input(scene.reversedArray(), 180))
        assertTrue(!input(scene, 0).contentEquals(input(scene, 180)))
    }

    @Test
    fun whatCannotBeAFrameSaysWhy() {
        val bytes = ByteBuffer.allocate(8 * 6 * 3 / 2)
        val wrong = mapOf<String, (Frame) -> Unit>(
            "0, 90, 180 or 270 degrees" to { it.useNv21(bytes, 8, 6, 45) },
            "ends at byte" to { it.useNv21(bytes, 8, 8, 0) },
            "rows -8" to { it.useNv21(bytes, 8, 6, 0, -8) },
            "rows 7" to { it.useYuv(bytes, 7, 1, bytes, bytes, 8, 2, 8, 6, 0) },
            "samples 0" to { it.useYuv(bytes, 8, 1, bytes, bytes, 8, 0, 8, 6, 0) },
            "0 x 6" to { it.useI420(bytes, 0, 6, 0) },
            "of 72" to { it.useRgba(bytes, 8, 6, 32, 0) },
        )
        for ((what, use) in wrong) {
            val frame = Frame()
            try {
                use(frame)
                fail("nothing was said: $what")
            } catch (error: PhotoException) {
                assertEquals(PhotoError.BAD_FRAME, error.code)
                assertTrue("${error.message} should say: $what", what in error.message!!)
            }
        }
        try {
            FramePreprocessor(target).toInput(Frame(), ByteArray(target.inputBytes))
            fail("a frame without pixels was read")
        } catch (error: PhotoException) {
            assertEquals(PhotoError.BAD_FRAME, error.code)
        }
        try {
            Frame().useNv21(bytes, 20_000, 20_000, 0)
            fail("more than a hundred million pixels")
        } catch (error: PhotoException) {
            assertEquals(PhotoError.TOO_MANY_PIXELS, error.code)
        }
    }
}
