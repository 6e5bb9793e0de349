package org.edgekd.demo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Matrix
import android.net.Uri
import android.provider.OpenableColumns
import org.edgekd.classifier.PhotoError
import org.edgekd.classifier.PhotoException
import org.edgekd.classifier.PhotoFile
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.io.OutputStream

/** A photo that was picked: its name, and how to get its bytes. Both may ask the app that has it: not for the screen's thread. */
class Photo(val name: () -> String, val read: () -> ByteArray)

private const val MAX_PHOTO_BYTES = 100_000_000L
private const val MAX_NAME = 200

/** A photo behind a document's address. Reading it throws IOException, SecurityException or PhotoException. */
fun photoAt(context: Context, uri: Uri): Photo {
    val app = context.applicationContext
    return Photo({ displayName(app, uri) }) {
        val content = ByteArrayOutputStream()
        if (!copyDocument(app, uri, content, MAX_PHOTO_BYTES)) {
            throw PhotoException(PhotoError.OUT_OF_MEMORY, "it has more than ${MAX_PHOTO_BYTES / 1_000_000} MB")
        }
        content.toByteArray()
    }
}

/** False where there are more than [maxBytes]. Throws IOException or SecurityException. */
fun copyDocument(context: Context, uri: Uri, to: OutputStream, maxBytes: Long): Boolean {
    val stream = context.contentResolver.openInputStream(uri) ?: throw IOException("nothing is at $uri")
    stream.use { source ->
        val block = ByteArray(1 shl 16)
        var total = 0L
        while (true) {
            val count = source.read(block)
            if (count < 0) return true
            total += count
            if (total > maxBytes) return false
            to.write(block, 0, count)
        }
    }
}

/** The name that the picker showed. */
fun displayName(context: Context, uri: Uri): String {
    val shown = try {
        context.contentResolver.query(uri, arrayOf(OpenableColumns.DISPLAY_NAME), null, null, null)?.use {
            if (it.moveToFirst()) it.getString(0) else null
        }
    } catch (_: RuntimeException) { // whatever the provider threw, a name is to be had
        null
    }
    return (shown ?: uri.lastPathSegment ?: uri.toString()).take(MAX_NAME)
}

/** A small upright picture to look at; the classifier gets the photo's own bytes. Throws PhotoException. */
fun preview(photo: ByteArray, maxSide: Int): Bitmap {
    // It knows kinds that Android does not read, and says so.
    PhotoFile.kindOf(photo)
    val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
    BitmapFactory.decodeByteArray(photo, 0, photo.size, bounds)
    val side = maxOf(bounds.outWidth, bounds.outHeight)
    val options = BitmapFactory.Options().apply {
        while (side / (inSampleSize.coerceAtLeast(1) * 2) >= maxSide) inSampleSize = inSampleSize.coerceAtLeast(1) * 2
    }
    val decoded = (if (side > 0) BitmapFactory.decodeByteArray(photo, 0, photo.size, options) else null)
        ?: throw PhotoException(PhotoError.DAMAGED, "it is damaged, or of a kind that this device doesn't know")
    val turn = turnOf(photo)
    return if (turn.isIdentity) decoded else Bitmap.createBitmap(decoded, 0, 0, decoded.width, decoded.height, turn, true)
}

private fun turnOf(photo: ByteArray): Matrix {
    val orientation = try {
        PhotoFile.orientationOf(PhotoFile.exifBlock(photo, PhotoFile.kindOf(photo)))
    } catch (_: IndexOutOfBoundsException) { // cut short
        1
    }
    val matrix = Matrix()
    val degrees = listOf(0, 0, 0, 180, 180, 90, 90, 270, 270).getOrElse(orientation) { 0 }
    matrix.postRotate(degrees.toFloat())
    if (orientation in listOf(2, 4, 5, 7)) matrix.postScale(-1f, 1f)
    return matrix
}
