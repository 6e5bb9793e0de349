package org.edgekd.demo

import android.app.Activity
import android.content.ClipData
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.net.Uri
import android.os.Looper
import android.view.View
import android.widget.TextView
import org.edgekd.classifier.Frame
import org.edgekd.classifier.given
import org.junit.Assume.assumeTrue
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.File
import java.nio.ByteBuffer
import java.util.concurrent.TimeUnit

const val PORTRAIT = "w411dp-h891dp-port-notnight-xhdpi"
const val LANDSCAPE = "w891dp-h411dp-land-notnight-xhdpi"

fun dark(qualifiers: String) = qualifiers.replace("notnight", "night")

/** The app as a user has it before them: taps, picks, turns, and pictures of what is on the screen. */
class Demo(qualifiers: String = PORTRAIT) : AutoCloseable {
    private val controller: ActivityController<MainActivity>
    val activity: MainActivity get() = controller.get()
    val state: DemoState get() = activity.state

    init {
        RuntimeEnvironment.setQualifiers(qualifiers)
        controller = Robolectric.buildActivity(MainActivity::class.java).setup()
        until("the models are listed") { state.benchmark.store.state.models != null }
    }

    /** Leave the test out where the app was built without any model. */
    fun needModels(count: Int = 1) {
        assumeTrue("the assets hold fewer than $count models: build with -Dassets=DIR", state.benchmark.store.state.models!!.size >= count)
        until("a model is open") { state.classify.store.state.facts != null }
        until("two models are open") { state.compare.store.state.sides.all { it.facts != null } }
    }

    fun tap(id: Int) {
        check(activity.findViewById<View>(id).isShown) { "${activity.resources.getResourceEntryName(id)} is not to be seen" }
        activity.findViewById<View>(id).performClick()
        shadowOf(Looper.getMainLooper()).idle()
    }

    fun text(id: Int): String = activity.findViewById<TextView>(id).text.toString()

    fun isShown(id: Int): Boolean = activity.findViewById<View>(id)?.isShown == true

    /** Answer the picker that was just opened. */
    fun pick(vararg files: Pair<String, ByteArray>) = pickAt(
        files.map { (name, content) ->
            Uri.parse("content://test/$name").also {
                shadowOf(activity.contentResolver).registerInputStreamSupplier(it) { ByteArrayInputStream(content) }
            }
        },
    )

    fun pickAt(uris: List<Uri>) {
        val data = Intent().setData(uris[0])
        if (uris.size > 1) data.clipData = ClipData.newRawUri("photos", uris[0]).apply { uris.drop(1).forEach { addItem(ClipData.Item(it)) } }
        val request = shadowOf(activity).nextStartedActivityForResult
        shadowOf(activity).receiveResult(request.intent, Activity.RESULT_OK, data)
        shadowOf(Looper.getMainLooper()).idle()
    }

    fun turn(qualifiers: String) {
        RuntimeEnvironment.setQualifiers(qualifiers)
        controller.recreate()
        shadowOf(Looper.getMainLooper()).idle()
    }

    fun pause() {
        controller.pause()
        shadowOf(Looper.getMainLooper()).idle()
    }

    fun resume() {
        controller.resume()
        shadowOf(Looper.getMainLooper()).idle()
    }

    /** To another app. */
    fun leave() {
        controller.pause().stop()
        shadowOf(Looper.getMainLooper()).idle()
    }

    fun until(what: String, holds: () -> Boolean) {
        val end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S)
        while (true) {
            shadowOf(Looper.getMainLooper()).idle()
            if (holds()) return
            check(System.nanoTime() < end) { "$what: not after $WAIT_S s" }
            Thread.sleep(1)
        }
    }

    /** Draw the screen as it is, into screenshots/ of the build, or the folder of the system property "screenshots". */
    fun draw(name: String): Bitmap {
        shadowOf(Looper.getMainLooper()).idle()
        val view = activity.window.decorView
        val picture = Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)
        view.draw(Canvas(picture))
        val folder = System.getProperty("screenshots")?.takeIf { it.isNotEmpty() }?.let(::File) ?: File(given.build, "screenshots")
        folder.mkdirs()
        File(folder, "$name.png").outputStream().use { picture.compress(Bitmap.CompressFormat.PNG, 100, it) }
        return picture
    }

    /** In every way that a device is held, by day and by night; [before] each drawing, since turning scrolls back. */
    fun drawAll(name: String, before: () -> Unit = {}) {
        for ((way, qualifiers) in WAYS) {
            turn(qualifiers)
            before()
            val picture = draw("$name-$way")
            val (width, height) = Regex("w(\\d+)dp-h(\\d+)dp").find(qualifiers)!!.destructured.toList().map { it.toInt() * 2 }
            check(picture.width == width && picture.height == height) { "$name-$way is ${picture.width} x ${picture.height}" }
            val isLight = Color.luminance(picture.getPixel(2, 2)) > 0.5f
            check(isLight == way.endsWith("light")) { "$name-$way is of the wrong colours" }
        }
    }

    /** What an app gets that is chosen to share with. */
    fun received(chooser: Intent): String {
        @Suppress("DEPRECATION") // its successor is there from API 33 on
        val send = chooser.getParcelableExtra<Intent>(Intent.EXTRA_INTENT)!!
        @Suppress("DEPRECATION")
        val uri = send.getParcelableExtra<Uri>(Intent.EXTRA_STREAM)!!
        check(send.flags and Intent.FLAG_GRANT_READ_URI_PERMISSION != 0 && send.clipData!!.getItemAt(0).uri == uri) { "no grant" }
        return activity.contentResolver.openInputStream(uri)!!.use { String(it.readBytes()) }
    }

    override fun close() {
        controller.pause().stop().destroy()
    }

    private companion object {
        const val WAIT_S = 60L
        val WAYS = listOf(PORTRAIT to "portrait", LANDSCAPE to "landscape").flatMap { (qualifiers, way) ->
            listOf("$way-light" to qualifiers, "$way-dark" to dark(qualifiers))
        }
    }
}

/** Photos to pick: those of the system property "photos", or drawn ones of a traffic light. */
fun photos(count: Int): List<Pair<String, ByteArray>> {
    val folder = System.getProperty("photos")?.takeIf { it.isNotEmpty() }?.let(::File)
    val files = folder?.listFiles()?.filter { it.extension in listOf("jpg", "png") }?.sorted().orEmpty()
    if (files.size >= count) return files.take(count).map { it.name to it.readBytes() }
    return List(count) { "light-$it.jpg" to drawnLight(it % 3) }
}

private fun drawnLight(lit: Int): ByteArray {
    val bitmap = Bitmap.createBitmap(120, 240, Bitmap.Config.ARGB_8888)
    val canvas = Canvas(bitmap)
    canvas.drawColor(Color.rgb(90, 120, 150))
    val paint = Paint(Paint.ANTI_ALIAS_FLAG)
    paint.color = Color.rgb(30, 30, 30)
    canvas.drawRect(30f, 15f, 90f, 225f, paint)
    listOf(Color.RED, Color.YELLOW, Color.GREEN).forEachIndexed { k, color ->
        paint.color = if (k == lit) color else Color.rgb(60, 60, 60)
        canvas.drawCircle(60f, 50f + 70f * k, 25f, paint)
    }
    return ByteArrayOutputStream().also { bitmap.compress(Bitmap.CompressFormat.JPEG, 90, it) }.toByteArray()
}

fun asset(activity: Activity, name: String): ByteArray = activity.assets.open(name).use { it.readBytes() }

/** What edgekd is to read, for a test of its own; into the folder of the system property "replies", where that is given. */
fun keepReply(name: String, json: String) {
    val folder = System.getProperty("replies")?.takeIf { it.isNotEmpty() } ?: return
    File(folder).mkdirs()
    File(folder, name).writeText(json)
}

/** A frame of 64 x 48 black pixels. */
fun blackFrame(): Frame = Frame().useRgba(ByteBuffer.allocate(4 * 64 * 48), 64, 48, 4 * 64, 0)
