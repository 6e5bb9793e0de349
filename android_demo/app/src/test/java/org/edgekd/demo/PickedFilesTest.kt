package org.edgekd.demo

import android.content.ContentProvider
import android.content.ContentValues
import android.database.MatrixCursor
import android.net.Uri
import android.os.Looper
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import java.io.File
import java.io.FileNotFoundException

/** Another app's documents. */
class Documents : ContentProvider() {
    override fun onCreate() = true

    override fun query(uri: Uri, columns: Array<String>?, selection: String?, args: Array<String>?, order: String?): MatrixCursor {
        noted()
        return MatrixCursor(arrayOf(OpenableColumns.DISPLAY_NAME)).apply { addRow(arrayOf("shown ${uri.lastPathSegment}")) }
    }

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        noted()
        val file = FILES[uri.lastPathSegment] ?: throw FileNotFoundException("it was deleted")
        return ParcelFileDescriptor.open(file, ParcelFileDescriptor.MODE_READ_ONLY)
    }

    private fun noted() {
        asked++
        if (Looper.myLooper() == Looper.getMainLooper()) onScreen++
    }

    override fun getType(uri: Uri) = null

    override fun insert(uri: Uri, values: ContentValues?) = null

    override fun delete(uri: Uri, selection: String?, args: Array<String>?) = 0

    override fun update(uri: Uri, values: ContentValues?, selection: String?, args: Array<String>?) = 0

    companion object {
        val FILES = mutableMapOf<String?, File>()
        var asked = 0
        var onScreen = 0
    }
}

@RunWith(RobolectricTestRunner::class)
class PickedFilesTest {
    private val app = RuntimeEnvironment.getApplication()

    @Before
    fun anotherApp() {
        Robolectric.buildContentProvider(Documents::class.java).create("documents")
        Documents.FILES.clear()
        Documents.asked = 0
        Documents.onScreen = 0
    }

    private fun document(name: String, content: ByteArray): Uri {
        Documents.FILES[name] = File(app.filesDir, "other-$name").apply { writeBytes(content) }
        return Uri.parse("content://documents/$name")
    }

    @Test
    fun theOtherAppIsNeverAskedOnTheScreensThread() = Demo().use { demo ->
        demo.needModels(2)
        val (photo, second) = photos(2).map { (name, bytes) -> document(name, bytes) }
        demo.tap(R.id.photo_button)
        demo.pickAt(listOf(photo))
        demo.until("an answer") { demo.state.classify.store.state.ranked.isNotEmpty() }
        assertEquals("shown ${photo.lastPathSegment}", demo.state.classify.store.state.photoName)
        val model = document("mine.tflite", asset(demo.activity, demo.state.classify.store.state.chosen!!.file))
        demo.activity.pickModel(null)
        demo.pickAt(listOf(model))
        demo.until("the model") { demo.state.classify.store.state.let { it.chosen!!.title == "shown mine" && it.facts != null } }
        demo.tap(R.id.tab_compare)
        demo.activity.pickModel(1)
        demo.pickAt(listOf(model))
        demo.until("the other side") { demo.state.compare.store.state.sides[1].let { it.choice!!.title == "shown mine" && it.facts != null } }
        demo.tap(R.id.photos_button)
        demo.pickAt(listOf(photo, second))
        demo.until("both") { demo.state.compare.store.state.let { it.compared == 2 } }
        assertTrue("asked ${Documents.asked} times", Documents.asked >= 9)
        assertEquals(0, Documents.onScreen)
    }

    @Test
    fun aPickedModelIsACopyThatNobodyElseCuts() {
        val models = Models(app)
        val bytes = ByteArray(100_000) { it.toByte() }
        val kept = models.keep(document("a.tflite", bytes), "a.tflite")
        Documents.FILES.getValue("a.tflite").writeBytes(ByteArray(3))
        val content = models.content(kept)
        assertArrayEquals(bytes, ByteArray(content.remaining()).also(content::get))
        models.forgetKept()
        assertFalse(File(kept.path!!).exists())
    }

    @Test
    fun aModelThatCannotBeReadSaysSoAndTheOneBeforeStays() = Demo().use { demo ->
        demo.needModels()
        val before = demo.state.classify.store.state.facts
        demo.activity.pickModel(null)
        demo.pickAt(listOf(Uri.parse("content://documents/gone.tflite")))
        demo.until("a problem") { demo.state.classify.store.state.modelProblem != null }
        assertTrue(demo.text(R.id.model_problem), demo.text(R.id.model_problem).contains("it was deleted"))
        assertEquals(before, demo.state.classify.store.state.facts)
        assertFalse(demo.state.classify.store.state.busy)
        assertEquals(emptyList<String>(), File(app.cacheDir, "models").list().orEmpty().toList())
    }
}
