package org.edgekd.demo

import android.content.ComponentName
import android.net.Uri
import android.os.ParcelFileDescriptor
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.shadows.ShadowBinder
import java.io.FileNotFoundException

/** What `adb shell content` reaches. */
@RunWith(RobolectricTestRunner::class)
class BenchFilesTest {
    private val app = RuntimeEnvironment.getApplication()
    private val provider = Robolectric.setupContentProvider(BenchFiles::class.java)

    private fun uri(name: String) = Uri.parse("content://org.edgekd.demo.bench/$name")

    private fun write(name: String, bytes: ByteArray) =
        ParcelFileDescriptor.AutoCloseOutputStream(provider.openFile(uri(name), "w")).use { it.write(bytes) }

    @Test
    fun filesGoInComeOutAndGo() {
        write("0.tflite", ByteArray(9) { 7 })
        write("0.tflite", byteArrayOf(1, 2, 3))
        val back = ParcelFileDescriptor.AutoCloseInputStream(provider.openFile(uri("0.tflite"), "r")).use { it.readBytes() }
        assertArrayEquals("what was there is gone", byteArrayOf(1, 2, 3), back)
        assertTrue(provider.delete(uri(""), null, null) >= 1)
        assertEquals(0, BenchFiles.folder(app).list()!!.size)
        assertThrows(FileNotFoundException::class.java) { provider.openFile(uri("0.tflite"), "r") }
    }

    @Test
    fun noNameLeadsOutOfTheFolder() {
        for (name in listOf("", "..", "%2e%2e%2fx", "a/b", ".hidden", "%2Fsdcard%2Fx")) {
            for (mode in listOf("r", "w")) assertThrows(name, FileNotFoundException::class.java) { provider.openFile(uri(name), mode) }
        }
    }

    @Test
    fun anAppThatWasGrantedThePermissionIsRefusedAllTheSame() {
        try {
            for ((uid, allowed) in listOf(0 to true, 2000 to true, 10_123 to false, 1_010_123 to false)) {
                ShadowBinder.setCallingUid(uid)
                if (allowed) write("x", byteArrayOf(1)) else assertThrows(SecurityException::class.java) { write("x", byteArrayOf(1)) }
                if (!allowed) assertThrows(SecurityException::class.java) { provider.delete(uri(""), null, null) }
            }
        } finally {
            ShadowBinder.reset()
        }
    }

    @Test
    fun onlyTheShellMayCallIt() {
        val info = app.packageManager.getProviderInfo(ComponentName(app, BenchFiles::class.java), 0)
        assertEquals("org.edgekd.demo.bench", info.authority)
        assertEquals(listOf("android.permission.DUMP", "android.permission.DUMP"), listOf(info.readPermission, info.writePermission))
        assertTrue(info.exported && !info.grantUriPermissions)
        // Not in the process that measures.
        assertEquals("org.edgekd.demo:files", info.processName)
    }
}
