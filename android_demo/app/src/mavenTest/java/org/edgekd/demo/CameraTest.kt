package org.edgekd.demo

import android.Manifest
import android.graphics.Matrix
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.os.Looper
import android.view.Surface
import android.view.TextureView
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadows.ShadowCameraCharacteristics
import org.robolectric.shadows.ShadowCameraManager
import org.robolectric.util.ReflectionHelpers
import java.util.concurrent.CountDownLatch

/** The camera by Android's own Camera2 classes, over Robolectric's devices. */
@RunWith(RobolectricTestRunner::class)
class CameraTest {
    private val app = RuntimeEnvironment.getApplication()
    private val manager = app.getSystemService(CameraManager::class.java)
    private val problems = mutableListOf<String>()
    private val camera = Camera(app, { it.drop() }, problems::add)

    @Before
    fun aBackCamera() {
        val facts = ShadowCameraCharacteristics.newCameraCharacteristics()
        shadowOf(facts).set(CameraCharacteristics.LENS_FACING, CameraCharacteristics.LENS_FACING_BACK)
        shadowOf(facts).set(CameraCharacteristics.SENSOR_ORIENTATION, 90)
        shadowOf(manager).addCamera("0", facts)
    }

    /** Every camera that was opened, in no order. */
    private val opened: Set<CameraDevice>
        get() = ReflectionHelpers.getStaticField<Set<CameraDevice>>(ShadowCameraManager::class.java, "createdCameras").toSet()

    private fun isClosed(device: CameraDevice) =
        try {
            device.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW)
            false
        } catch (_: IllegalStateException) {
            true
        }

    private val running: Int get() = opened.count { !isClosed(it) }

    private fun start() = camera.start(SurfaceTexture(false), 0) {}

    /** Everything that was asked of the camera's thread is done, and told. */
    private fun settle() {
        repeat(5) {
            val done = CountDownLatch(1)
            shadowOf(Looper.getMainLooper()).idle()
            Camera.handler.post(done::countDown)
            done.await()
        }
        shadowOf(Looper.getMainLooper()).idle()
    }

    @Test
    fun stopClosesIt() {
        start()
        settle()
        assertEquals(1, running)
        camera.stop()
        settle()
        assertEquals(1, opened.size)
        assertEquals(0, running)
        assertEquals(emptyList<String>(), problems)
    }

    @Test
    fun oneThatOpensAfterItsStopIsClosed() {
        // Stopped in the midst of opening: what was there is shut before the camera says that it is open.
        val (asked, go) = List(2) { CountDownLatch(1) }
        val texture = object : SurfaceTexture(false) {
            override fun setDefaultBufferSize(width: Int, height: Int) {
                asked.countDown()
                go.await()
            }
        }
        camera.start(texture, 0) {}
        asked.await()
        camera.stop()
        go.countDown()
        settle()
        assertEquals(1, opened.size)
        assertEquals(0, running)
    }

    @Test
    fun aSecondStartTakesThePlaceOfTheFirst() {
        repeat(3) { start() }
        settle()
        assertEquals(1, running)
        camera.stop()
        settle()
        assertEquals(0, running)
    }

    @Test
    fun anotherAppTakesItAndThatIsSaidOnce() {
        start()
        settle()
        shadowOf(manager).triggerDisconnect()
        settle()
        assertEquals(1, problems.size)
        assertEquals(0, running)
    }

    @Test
    fun whatAStoppedOneSaysIsNotHeard() {
        start()
        settle()
        // As on rotation: the old one is disconnected, because the new one opens.
        start()
        shadowOf(manager).triggerDisconnect()
        camera.stop()
        settle()
        assertEquals(emptyList<String>(), problems)
        assertEquals(0, running)
    }

    @Test
    fun aDeviceWithoutACameraSaysSo() {
        shadowOf(manager).removeCamera("0")
        start()
        settle()
        assertEquals(listOf(app.getString(R.string.camera_none)), problems)
    }

    private fun live(): Demo {
        shadowOf(app).grantPermissions(Manifest.permission.CAMERA)
        return Demo().also { demo ->
            demo.tap(R.id.camera_button)
            demo.givePreview()
            settle()
        }
    }

    private fun Demo.givePreview() {
        activity.findViewById<TextureView>(R.id.camera_view).setSurfaceTexture(SurfaceTexture(false))
        activity.cameraChanged()
    }

    @Test
    fun theStopButtonStopsTheCamera() = live().use { demo ->
        assertEquals(1, running)
        demo.tap(R.id.camera_button)
        settle()
        assertEquals(0, running)
        assertFalse(demo.isShown(R.id.camera_view))
        demo.tap(R.id.camera_button)
        settle()
        assertEquals(1, running)
    }

    @Test
    fun anotherTabAPauseAndAPhotoStopIt() = live().use { demo ->
        demo.tap(R.id.tab_compare)
        settle()
        assertEquals(0, running)
        demo.tap(R.id.tab_classify)
        demo.tap(R.id.camera_button)
        demo.givePreview()
        settle()
        assertEquals(1, running)
        demo.pause()
        settle()
        assertEquals(0, running)
        demo.resume()
        settle()
        assertEquals("it goes on where it was", 1, running)
        demo.tap(R.id.photo_button)
        demo.pick(photos(1)[0])
        settle()
        assertEquals(0, running)
    }

    @Test
    fun itRunsOnWhenTheScreenTurns() = live().use { demo ->
        demo.turn(LANDSCAPE)
        demo.givePreview()
        settle()
        assertEquals(1, running)
        assertEquals(CameraState.RUNNING, demo.state.classify.store.state.camera)
        assertEquals(null, demo.state.classify.store.state.cameraProblem)
    }

    /** By a half, a screen keeps its size: nothing starts anew, and frames and preview would be upside down. */
    @Test
    fun aHalfTurnTurnsFramesAndPreview() = live().use { demo ->
        val view = demo.activity.findViewById<TextureView>(R.id.camera_view)
        val (before, upright) = demo.state.camera.frameTurn to angle(view)
        shadowOf(demo.activity.windowManager.defaultDisplay).setRotation(Surface.ROTATION_180)
        settle()
        assertEquals(90 to 270, before to demo.state.camera.frameTurn)
        assertEquals(180.0, Math.abs(angle(view) - upright), 1e-3)
        assertEquals(1, running)
    }

    /** By how many degrees a view's picture is turned. */
    private fun angle(view: TextureView): Double {
        val values = FloatArray(9).also { view.getTransform(null).getValues(it) }
        return Math.toDegrees(Math.atan2(values[Matrix.MSKEW_Y].toDouble(), values[Matrix.MSCALE_X].toDouble()))
    }

    @Test
    fun oneThatIsTakenAwayIsOffWithTheReason() = live().use { demo ->
        shadowOf(manager).triggerDisconnect()
        settle()
        assertEquals(CameraState.OFF, demo.state.classify.store.state.camera)
        assertTrue(demo.text(R.id.photo_problem).contains(app.getString(R.string.camera_taken)))
    }
}
