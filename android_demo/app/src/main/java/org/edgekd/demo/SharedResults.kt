package org.edgekd.demo

import android.content.ContentProvider
import android.content.ContentValues
import android.content.Context
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.Build
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import java.util.TimeZone

/**
 * Hands result files to the apps that the user shares them with: a result is larger than what fits into an intent.
 *
 * Not exported: who holds no grant for one file gets none. Files can be read, and nothing else.
 */
class SharedResults : ContentProvider() {
    override fun onCreate() = true

    override fun getType(uri: Uri): String = TYPE

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        if (mode != "r") throw FileNotFoundException("results can only be read")
        return ParcelFileDescriptor.open(file(uri), ParcelFileDescriptor.MODE_READ_ONLY)
    }

    override fun query(uri: Uri, columns: Array<String>?, selection: String?, args: Array<String>?, order: String?): Cursor {
        val file = file(uri)
        val known = mapOf(OpenableColumns.DISPLAY_NAME to file.name, OpenableColumns.SIZE to file.length())
        val asked = columns ?: known.keys.toTypedArray()
        return MatrixCursor(asked, 1).apply { addRow(asked.map(known::get)) }
    }

    override fun insert(uri: Uri, values: ContentValues?) = throw UnsupportedOperationException()

    override fun delete(uri: Uri, selection: String?, args: Array<String>?) = throw UnsupportedOperationException()

    override fun update(uri: Uri, values: ContentValues?, selection: String?, args: Array<String>?) = throw UnsupportedOperationException()

    private fun file(uri: Uri): File {
        val name = uri.pathSegments.singleOrNull()
        val file = name?.takeIf(NAME::matches)?.let { File(folder(context!!), it) }
        return file?.takeIf { it.isFile } ?: throw FileNotFoundException("no result is at $uri")
    }

    companion object {
        const val TYPE = "application/json"
        private const val KEPT = 5
        private val NAME = Regex("[A-Za-z0-9_-]{1,80}\\.json")

        private fun folder(context: Context) = File(context.cacheDir, "results")

        /** Write a result to a file of its own; returns the address to share. Throws IOException. */
        fun write(context: Context, json: String): Uri {
            val folder = folder(context)
            folder.mkdirs()
            folder.listFiles().orEmpty().sortedByDescending { it.lastModified() }.drop(KEPT - 1).forEach { it.delete() }
            val time = SimpleDateFormat("yyyyMMdd-HHmmss", Locale.ROOT).apply { timeZone = TimeZone.getTimeZone("UTC") }.format(Date())
            val file = File(folder, "edgekd-${Build.MODEL.replace(Regex("[^A-Za-z0-9]+"), "-").take(40)}-$time.json")
            val part = File(folder, "${file.name}.part")
            part.writeText(json)
            if (!part.renameTo(file)) throw IOException("${part.name} can't be renamed")
            return Uri.Builder().scheme("content").authority("${context.packageName}.results").appendPath(file.name).build()
        }
    }
}
