package org.edgekd.classifier

import android.graphics.Bitmap
import android.graphics.Color
import android.graphics.Matrix
import android.graphics.PixelFormat
import android.graphics.Rect
import android.media.ImageReader
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.annotation.RealObject
import org.robolectric.shadow.api.Shadow
import org.robolectric.shadows.ShadowNativeBitmap
import org.robolectric.util.ReflectionHelpers.ClassParameter
import java.io.ByteArrayOutputStream

/** Bitmaps that are turned or lie in a GPU's memory, and HEIC, as far as a PC has them. */
@RunWith(RobolectricTestRunner::class)
class BitmapsTest {
    private val target = Preprocessing(16, 12, Crop.CENTER)

    private fun scene(): Bitmap {
        val bitmap = Bitmap.createBitmap(41, 30, Bitmap.Config.ARGB_8888)
        for (y in 0 until 30) for (x in 0 until 41) bitmap.setPixel(x, y, Color.rgb(x * 6, y * 8, x * y % 256))
        return bitmap
    }

    @Test
    fun aRotationIsThatOfATurnedBitmap() {
        val bitmap = scene()
        for (degrees in listOf(0, 90, 180, 270)) {
            val matrix = Matrix().apply { postRotate(degrees.toFloat()) }
            val turned = Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, matrix, false)
            assertArrayEquals("$degrees degrees", target.toInput(turned), target.toInput(bitmap, degrees))
            val input = ByteArray(target.inputBytes)
            FramePreprocessor(target).toInput(bitmap, degrees, input)
            assertArrayEquals(target.toInput(turned), input)
        }
    }

    @Test
    @Config(shadows = [GpuBitmap::class])
    fun aHardwareBitmapGivesWhatItWasCopiedFrom() {
        val bitmap = scene()
        val hardware = bitmap.copy(Bitmap.Config.ARGB_8888, false)
        Shadow.extract<GpuBitmap>(hardware).isHardware = true
        assertThrows(IllegalStateException::class.java) { hardware.getPixels(IntArray(1), 0, 1, 0, 0, 1, 1) }
        assertArrayEquals(target.toInput(bitmap), target.toInput(hardware))
        assertTrue("it stays the caller's", !hardware.isRecycled)
    }

    @Test
    fun anImageOfAReaderGivesWhatItsBitmapGives() {
        val scene = scene()
        val reader = ImageReader.newInstance(41, 30, PixelFormat.RGBA_8888, 2)
        val surface = reader.surface
        surface.unlockCanvasAndPost(surface.lockCanvas(null))
        reader.acquireNextImage().use { image ->
            val plane = image.planes[0]
            for (y in 0 until 30) for (x in 0 until 41) {
                val place = y * plane.rowStride + x * plane.pixelStride
                listOf(16, 8, 0, 24).forEachIndexed { i, shift -> plane.buffer.put(place + i, (scene.getPixel(x, y) shr shift).toByte()) }
            }
            val frame = Frame()
            for (degrees in listOf(0, 90, 180, 270)) {
                assertArrayEquals(target.toInput(scene, degrees), input(frame.useImage(image, degrees)))
            }
            image.cropRect = Rect(4, 3, 33, 27)
            val cut = Bitmap.createBitmap(scene, 4, 3, 29, 24)
            assertArrayEquals(target.toInput(cut, 90), input(frame.useImage(image, 90)))
        }
        surface.release()
        reader.close()
    }

    private fun input(frame: Frame) = ByteArray(target.inputBytes).also { FramePreprocessor(target).toInput(frame, it) }

    @Test
    fun heicIsRefusedUnlessItNeedNotBeExact() {
        val heic = "\u0000\u0000\u0000\u0018ftypheic".toByteArray() + ByteArray(64)
        assertEquals(PhotoError.INEXACT_FORMAT, code { target.toInput(heic) })
        assertEquals(PhotoError.UNSUPPORTED_FORMAT, code { target.toInput(heic, exact = false) })
        // Every other format gives the same bytes with either.
        val png = ByteArrayOutputStream().also { scene().compress(Bitmap.CompressFormat.PNG, 100, it) }.toByteArray()
        assertArrayEquals(target.toInput(png), target.toInput(png, exact = false))
    }

    @Test
    fun thePlatformsDecoderGivesUprightPixels() {
        // A PC has no HEIC: a JPEG that lies on its side goes through the same decoder.
        for (orientation in 1..8) {
            val jpeg = jpeg(orientation)
            val bitmap = PlatformDecoder.decode(jpeg)
            assertArrayEquals("orientation $orientation", target.toInput(jpeg), target.toInput(bitmap))
        }
    }

    /** As a bitmap in a GPU's memory behaves, of which a PC has none. */
    @Implements(value = Bitmap::class, isInAndroidSdk = false, callNativeMethodsByDefault = true)
    class GpuBitmap : ShadowNativeBitmap() {
        @RealObject
        private lateinit var bitmap: Bitmap
        var isHardware = false

        @Implementation
        fun getConfig(): Bitmap.Config? =
            if (isHardware) Bitmap.Config.HARDWARE else Shadow.directlyOn(bitmap, Bitmap::class.java, "getConfig")

        @Implementation
        fun getPixels(pixels: IntArray, offset: Int, stride: Int, x: Int, y: Int, width: Int, height: Int) {
            check(!isHardware) { "unable to getPixels(), pixel access is not supported on Config#HARDWARE bitmaps" }
            val numbers = listOf(offset, stride, x, y, width, height).map { ClassParameter.from(Int::class.javaPrimitiveType, it) }
            val all = listOf(ClassParameter.from(IntArray::class.java, pixels)) + numbers
            Shadow.directlyOn<Unit, Bitmap>(bitmap, Bitmap::class.java, "getPixels", *all.toTypedArray())
        }
    }

    private fun code(read: () -> Unit): PhotoError = try {
        read()
        throw AssertionError("it was read")
    } catch (error: PhotoException) {
        error.code
    }

    private fun jpeg(orientation: Int): ByteArray {
        val plain = ByteArrayOutputStream().also { scene().compress(Bitmap.CompressFormat.JPEG, 95, it) }.toByteArray()
        val tiff = "MM\u0000*\u0000\u0000\u0000\u0008\u0000\u0001".toByteArray(Charsets.ISO_8859_1) +
            byteArrayOf(1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation.toByte(), 0, 0, 0, 0, 0, 0)
        val block = "Exif\u0000\u0000".toByteArray() + tiff
        val header = byteArrayOf(-1, 0xe1.toByte(), 0, (block.size + 2).toByte())
        return plain.copyOf(2) + header + block + plain.copyOfRange(2, plain.size)
    }
}
