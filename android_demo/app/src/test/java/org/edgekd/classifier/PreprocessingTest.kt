package org.edgekd.classifier

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Color
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Assert.fail
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.ByteArrayOutputStream
import java.util.Base64

/** The specification's steps by hand-worked values, and photos that cannot be read. Needs no model. */
@RunWith(RobolectricTestRunner::class)
class PreprocessingTest {
    @Test
    fun fourSamplesBecomeTwoByTheTriangle() {
        // scale 2, support 2, centers 1 and 3: weights 3/8 3/8 2/8 (the fourth falls outside) as 3:3:1 over 7.
        val row = intArrayOf(0x000000, 0x0000ff, 0x000000, 0x0000ff)
        val out = ByteArray(6)
        Taps(4, 2).shrinkRow(row, 0, 1, out, 0)
        assertArrayEquals(byteArrayOf(0, 0, 109, 0, 0, 146.toByte()), out) // 255 * 3 / 7, 255 * 4 / 7
    }

    @Test
    fun theSameSizeIsTheSame() {
        val row = IntArray(5) { it * 50 }
        val out = ByteArray(15)
        Taps(5, 5).shrinkRow(row, 0, 1, out, 0)
        assertEquals(listOf(0, 50, 100, 150, 200), List(5) { out[3 * it + 2].toInt() and 255 })
    }

    @Test
    fun theCenterIsTheLargestBoxOfTheModelsShape() {
        val wide = Box.of(100, 50, Preprocessing(10, 10, Crop.CENTER))
        assertEquals(listOf(25, 0, 50, 50), listOf(wide.left, wide.top, wide.width, wide.height))
        val tall = Box.of(50, 101, Preprocessing(20, 10, Crop.CENTER))
        assertEquals(listOf(0, 38, 50, 25), listOf(tall.left, tall.top, tall.width, tall.height))
        val whole = Box.of(50, 101, Preprocessing(20, 10, Crop.WHOLE))
        assertEquals(listOf(0, 0, 50, 101), listOf(whole.left, whole.top, whole.width, whole.height))
    }

    @Test
    fun alphaGoesOverWhite() {
        assertEquals(0xffffff, Pixels.overWhite(0x00123456))
        assertEquals(0x7f7f7f, Pixels.overWhite(0x80000000.toInt()))
    }

    @Test
    fun everyOrientationTurnsACorner() {
        // One red pixel in the stored photo's top left corner; where it stands upright, by Exif's definition.
        val pixels = RgbPixels(3, 2, ByteArray(18).also { it[0] = -1 })
        val corners = mapOf(1 to (0 to 0), 2 to (2 to 0), 3 to (2 to 1), 4 to (0 to 1), 5 to (0 to 0), 6 to (1 to 0), 7 to (1 to 2), 8 to (0 to 2))
        for ((orientation, corner) in corners) {
            val (width, height) = if (orientation >= 5) 2 to 3 else 3 to 2
            val input = Preprocessing(width, height, Crop.WHOLE).toInput(pixels, orientation)
            val red = (0 until width * height).single { input[3 * it].toInt() != 0 }
            assertEquals("orientation $orientation", corner, red % width to red / width)
        }
    }

    @Test
    fun aBitmapGivesWhatItsLosslessFileGives() {
        val bitmap = Bitmap.createBitmap(40, 30, Bitmap.Config.ARGB_8888)
        for (y in 0 until 30) for (x in 0 until 40) bitmap.setPixel(x, y, Color.rgb(x * 6, y * 8, x * y % 256))
        val file = ByteArrayOutputStream().also { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }.toByteArray()
        val target = Preprocessing(16, 16, Crop.CENTER)
        assertArrayEquals(target.toInput(bitmap), target.toInput(file))
        // Android's own resize is another one, which is why there is a port.
        val cut = Bitmap.createScaledBitmap(Bitmap.createBitmap(bitmap, 5, 0, 30, 30), 16, 16, true)
        assertTrue(!target.toInput(bitmap).contentEquals(Preprocessing(16, 16, Crop.WHOLE).toInput(cut)))
    }

    @Test
    fun whatCannotBeReadSaysWhy() {
        val png = Base64.getDecoder().decode(ONE_PIXEL)
        val jpeg = ByteArrayOutputStream().also {
            Bitmap.createBitmap(64, 64, Bitmap.Config.ARGB_8888).compress(Bitmap.CompressFormat.JPEG, 90, it)
        }.toByteArray()
        val webp = ByteArrayOutputStream().also {
            @Suppress("DEPRECATION")
            Bitmap.createBitmap(64, 64, Bitmap.Config.ARGB_8888).compress(Bitmap.CompressFormat.WEBP, 90, it)
        }.toByteArray()
        val huge = png.clone().also { it[16] = 0x7f }
        val wrong = listOf(
            Triple(ByteArray(0), PhotoError.EMPTY, "empty"),
            Triple("Not found".toByteArray(), PhotoError.UNKNOWN_FORMAT, "not a photo of a known format"),
            Triple("II*\u0000........".toByteArray(), PhotoError.UNSUPPORTED_FORMAT, "TIFF"),
            Triple("\u0000\u0000\u0000\u0018ftypheic".toByteArray(), PhotoError.INEXACT_FORMAT, "HEIC"),
            Triple(png.copyOf(20), PhotoError.DAMAGED, "header"),
            Triple(png.copyOf(44), PhotoError.CUT_SHORT, "cut short"),
            Triple(png.clone().also { it[18] = 9 }, PhotoError.DAMAGED, "checksum"),
            Triple(huge, PhotoError.DAMAGED, "checksum"),
            Triple(resealed(huge), PhotoError.TOO_MANY_PIXELS, "more than 100000000"),
            Triple(png.copyOf(41) + ByteArray(20), PhotoError.DAMAGED, "damaged"),
            Triple(jpeg.copyOf(jpeg.size / 2), PhotoError.CUT_SHORT, "cut short"),
            Triple(jpeg.copyOf(3), PhotoError.CUT_SHORT, "cut short"),
            Triple(webp.copyOf(webp.size - 10), PhotoError.CUT_SHORT, "cut short"),
            Triple("BM".toByteArray() + ByteArray(60), PhotoError.DAMAGED, "damaged"),
            Triple("GIF89a".toByteArray(), PhotoError.CUT_SHORT, "cut short"),
        )
        for ((bytes, code, what) in wrong) {
            try {
                Preprocessing(8, 8, Crop.WHOLE).toInput(bytes)
                fail("nothing was said of ${bytes.size} bytes: $what")
            } catch (error: PhotoException) {
                assertEquals(error.message, code, error.code)
                assertTrue("${error.message} should say: $what", what in error.message!!)
            }
        }
    }

    /** A PNG's first chunk with its checksum made right. */
    private fun resealed(png: ByteArray): ByteArray {
        val sum = Png.checksum(png, 12, 17)
        return png.clone().also { for (i in 0..3) it[29 + i] = (sum ushr 24 - 8 * i).toByte() }
    }

    @Test
    fun aLargePhotoIsNotSubsampled() {
        // Of 1200 x 900 to 32 x 32, subsampling while decoding would show: black and white columns become grey by averaging.
        val bitmap = Bitmap.createBitmap(1200, 900, Bitmap.Config.ARGB_8888)
        val row = IntArray(1200) { if (it % 2 == 0) Color.WHITE else Color.BLACK }
        for (y in 0 until 900) bitmap.setPixels(row, 0, 1200, 0, y, 1200, 1)
        val file = ByteArrayOutputStream().also { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }.toByteArray()
        val input = Preprocessing(32, 32, Crop.WHOLE).toInput(file)
        assertArrayEquals(Preprocessing(32, 32, Crop.WHOLE).toInput(bitmap), input)
        assertTrue(input.drop(3 * 33).take(30).all { (it.toInt() and 255) in 120..136 })
        assertEquals(1200, BitmapFactory.decodeByteArray(file, 0, file.size).width)
    }

    private companion object {
        const val ONE_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
    }
}
