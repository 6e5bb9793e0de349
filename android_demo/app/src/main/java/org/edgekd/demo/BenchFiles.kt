package org.edgekd.demo

import android.content.ContentProvider
import android.content.ContentValues
import android.content.Context
import android.net.Uri
import android.os.Binder
import android.os.ParcelFileDescriptor
import android.os.Process
import org.edgekd.demo.bench.PlanException
import org.edgekd.demo.bench.plainName
import java.io.File
import java.io.FileNotFoundException

/**
 * The benchmark's folder for `adb shell content`, for phones on which a shell and an app see no common folder.
 *
 * `content read` gives a reply, `content write` puts a plan, a model or inputs there, `content delete` empties it. Only
 * the shell and root may call it.
 */
class BenchFiles : ContentProvider() {
    override fun onCreate() = true

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        checkCaller(Binder.getCallingUid())
        val file = file(uri)
        if (mode == "r") {
            if (!file.isFile) throw FileNotFoundException("${file.name} is not there")
            return ParcelFileDescriptor.open(file, ParcelFileDescriptor.MODE_READ_ONLY)
        }
        return ParcelFileDescriptor.open(file, ParcelFileDescriptor.parseMode("wt"))
    }

    override fun delete(uri: Uri, selection: String?, args: Array<String>?): Int {
        checkCaller(Binder.getCallingUid())
        val files = folder(context!!).listFiles().orEmpty()
        return files.count { it.deleteRecursively() }
    }

    override fun getType(uri: Uri) = "application/octet-stream"

    override fun query(uri: Uri, columns: Array<String>?, selection: String?, args: Array<String>?, order: String?) =
        throw UnsupportedOperationException()

    override fun insert(uri: Uri, values: ContentValues?) = throw UnsupportedOperationException()

    override fun update(uri: Uri, values: ContentValues?, selection: String?, args: Array<String>?) =
        throw UnsupportedOperationException()

    private fun file(uri: Uri): File =
        try {
            File(folder(context!!), plainName(uri.pathSegments.singleOrNull().orEmpty(), "file"))
        } catch (error: PlanException) {
            throw FileNotFoundException(error.message)
        }

    companion object {
        private const val SHELL_UID = 2000
        private const val ROOT_UID = 0

        /** Where replies lie: in the app's media folder, which a shell may read on most phones; else inside the app. */
        fun folder(context: Context): File {
            val media = @Suppress("DEPRECATION") context.externalMediaDirs.firstOrNull { it != null }
            return File(media ?: context.filesDir, "bench").apply { mkdirs() }
        }

        /** The permission can be granted to other apps. Throws SecurityException. */
        internal fun checkCaller(uid: Int) {
            if (uid != SHELL_UID && uid != ROOT_UID && uid != Process.myUid()) {
                throw SecurityException("only adb's shell may use the benchmark's files, not uid $uid")
            }
        }
    }
}
