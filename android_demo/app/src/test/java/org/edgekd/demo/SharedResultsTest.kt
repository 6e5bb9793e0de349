package org.edgekd.demo

import android.content.ContentResolver
import android.content.pm.PackageManager
import android.net.Uri
import android.provider.OpenableColumns
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import java.io.File
import java.io.FileNotFoundException

@RunWith(RobolectricTestRunner::class)
class SharedResultsTest {
    private val app = RuntimeEnvironment.getApplication()
    private val resolver: ContentResolver = app.contentResolver

    private fun read(uri: Uri) = resolver.openFileDescriptor(uri, "r")!!.use { fd ->
        java.io.FileInputStream(fd.fileDescriptor).use { String(it.readBytes()) }
    }

    @Test
    fun aResultOfAnySizeIsReadByItsAddress() {
        val json = "[${"123456789,".repeat(300_000)}0]" // three times what an intent holds
        val uri = SharedResults.write(app, json)
        assertEquals("org.edgekd.demo.results", uri.authority)
        assertEquals(json, read(uri))
        assertEquals("application/json", resolver.getType(uri))
        resolver.query(uri, null, null, null, null)!!.use {
            assertTrue(it.moveToFirst())
            assertEquals(uri.lastPathSegment, it.getString(it.getColumnIndexOrThrow(OpenableColumns.DISPLAY_NAME)))
            assertEquals(json.length.toLong(), it.getLong(it.getColumnIndexOrThrow(OpenableColumns.SIZE)))
        }
    }

    @Test
    fun nothingElseIsHandedOut() {
        val uri = SharedResults.write(app, "{}")
        File(app.cacheDir, "secret.json").writeText("mine")
        File(app.cacheDir, "results/edgekd.json.part").writeText("half")
        for (path in listOf("none.json", "../secret.json", "..%2Fsecret.json", "edgekd.json.part", "", "a/${uri.lastPathSegment}")) {
            val other = Uri.parse("content://org.edgekd.demo.results/$path")
            assertThrows(path, FileNotFoundException::class.java) { resolver.openFileDescriptor(other, "r") }
        }
        for (mode in listOf("w", "rw", "wt")) {
            assertThrows(mode, FileNotFoundException::class.java) { resolver.openFileDescriptor(uri, mode) }
        }
        assertThrows(UnsupportedOperationException::class.java) { resolver.delete(uri, null, null) }
        assertEquals("{}", read(uri))
    }

    @Test
    fun onlyTheLastFewStay() {
        val folder = File(app.cacheDir, "results").apply { mkdirs() }
        repeat(9) { File(folder, "old-$it.json").apply { writeText("{}") }.setLastModified(1_000_000L * (it + 1)) }
        val uri = SharedResults.write(app, "{}")
        val left = folder.list()!!.toSet()
        assertEquals(setOf("old-5.json", "old-6.json", "old-7.json", "old-8.json", uri.lastPathSegment), left)
    }

    @Test
    fun nobodyIsLetAtItUnasked() {
        val info = app.packageManager.resolveContentProvider("org.edgekd.demo.results", PackageManager.MATCH_ALL)!!
        assertFalse(info.exported)
        assertTrue(info.grantUriPermissions)
    }
}
