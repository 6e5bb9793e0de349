package org.edgekd.demo

import android.annotation.SuppressLint
import android.content.Context
import android.graphics.Bitmap
import android.graphics.ImageFormat
import android.graphics.Matrix
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.media.Image
import android.media.ImageReader
import android.os.Handler
import android.os.HandlerThread
import android.util.Size
import android.view.Surface
import kotlin.math.abs

/** A frame that waits: [take] gives its upright picture, [drop] must be called once. */
class Frame(val take: () -> Bitmap, val drop: () -> Unit)

/**
 * The back camera by Camera2: a preview on a surface, and every frame handed to [onFrame] on the camera's thread.
 *
 * All of it happens on a thread of its own; [onSize], with the picture's shape on a
 * device held its natural way, and [onProblem] are told on the screen's.
 */
class Camera(
    private val context: Context,
    private val onFrame: (Frame) -> Unit,
    private val onSize: (Size) -> Unit,
    private val onProblem: (String) -> Unit,
) {
    private val manager = context.getSystemService(CameraManager::class.java)
    private val screen = Handler(context.mainLooper)
    private val thread = HandlerThread("camera").apply { start() }
    private val handler = Handler(thread.looper)
    private var device: CameraDevice? = null
    private var reader: ImageReader? = null
    private var pixels = IntArray(0)

    // A frame's memory goes with its reader: it may not while the frame is being read.
    private val reading = Any()

    /** Open it; the permission must be there. [displayDegrees] is how the screen is turned. */
    fun start(texture: SurfaceTexture, displayDegrees: Int) {
        handler.post {
            shut()
            try {
                open(texture, displayDegrees)
            } catch (error: CameraAccessException) {
                failed(error)
            } catch (error: SecurityException) {
                failed(error)
            } catch (error: IllegalArgumentException) { // an id that went away
                failed(error)
            }
        }
    }

    fun stop() {
        handler.post(::shut)
    }

    /** Stop for good. */
    fun close() {
        stop()
        thread.quitSafely()
    }

    @SuppressLint("MissingPermission")
    private fun open(texture: SurfaceTexture, displayDegrees: Int) {
        val id = backCamera() ?: return told(context.getString(R.string.camera_none))
        val facts = manager.getCameraCharacteristics(id)
        val size = frameSize(facts)
        val turn = turnOf(facts[CameraCharacteristics.SENSOR_ORIENTATION] ?: 0, displayDegrees, isFront(facts))
        texture.setDefaultBufferSize(size.width, size.height)
        val sideways = (facts[CameraCharacteristics.SENSOR_ORIENTATION] ?: 0) % 180 != 0
        screen.post { onSize(if (sideways) Size(size.height, size.width) else size) }
        val frames = ImageReader.newInstance(size.width, size.height, ImageFormat.YUV_420_888, MAX_FRAMES)
        frames.setOnImageAvailableListener({ available(it, turn) }, handler)
        reader = frames
        manager.openCamera(id, Opened(Surface(texture), frames.surface), handler)
    }

    private fun shut() {
        device?.close()
        device = null
        synchronized(reading) { reader?.close() }
        reader = null
    }

    private fun backCamera(): String? {
        val ids = manager.cameraIdList
        return ids.firstOrNull { !isFront(manager.getCameraCharacteristics(it)) } ?: ids.firstOrNull()
    }

    private fun isFront(facts: CameraCharacteristics) =
        facts[CameraCharacteristics.LENS_FACING] == CameraCharacteristics.LENS_FACING_FRONT

    /** The size nearest to 640 x 480: models look at less. */
    private fun frameSize(facts: CameraCharacteristics): Size {
        val sizes = facts[CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP]?.getOutputSizes(ImageFormat.YUV_420_888).orEmpty()
        return sizes.minByOrNull { abs(it.width - WANTED.width) + abs(it.height - WANTED.height) } ?: WANTED
    }

    private fun available(reader: ImageReader, turn: Int) {
        val image = try {
            reader.acquireLatestImage()
        } catch (_: IllegalStateException) { // closed meanwhile, or all are at work
            null
        } ?: return
        onFrame(Frame({ synchronized(reading) { upright(image, turn) } }, image::close))
    }

    private fun upright(image: Image, turn: Int): Bitmap {
        if (pixels.size != image.width * image.height) pixels = IntArray(image.width * image.height)
        val (y, u, v) = image.planes.map { Plane(it.buffer, it.rowStride, it.pixelStride) }
        yuvToArgb(image.width, image.height, y, u, v, pixels)
        val bitmap = Bitmap.createBitmap(pixels, image.width, image.height, Bitmap.Config.ARGB_8888)
        if (turn == 0) return bitmap
        return Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, Matrix().apply { postRotate(turn.toFloat()) }, false)
    }

    private fun failed(error: Exception) {
        shut()
        told(context.getString(R.string.camera_failed, error.message ?: error.javaClass.simpleName))
    }

    private fun told(problem: String) {
        screen.post { onProblem(problem) }
    }

    private inner class Opened(private val preview: Surface, private val frames: Surface) : CameraDevice.StateCallback() {
        override fun onOpened(camera: CameraDevice) {
            // Stopped before it was open.
            if (reader?.surface != frames) return camera.close()
            device = camera
            try {
                @Suppress("DEPRECATION") // its successor is there from API 28 on
                camera.createCaptureSession(listOf(preview, frames), Configured(camera), handler)
            } catch (error: CameraAccessException) {
                failed(error)
            } catch (error: IllegalStateException) { // closed meanwhile
                failed(error)
            }
        }

        override fun onDisconnected(camera: CameraDevice) {
            camera.close()
            failed(IllegalStateException(context.getString(R.string.camera_taken)))
        }

        override fun onError(camera: CameraDevice, error: Int) {
            camera.close()
            failed(IllegalStateException("error $error"))
        }

        private inner class Configured(private val camera: CameraDevice) : CameraCaptureSession.StateCallback() {
            override fun onConfigured(session: CameraCaptureSession) {
                try {
                    val request = camera.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW)
                    request.addTarget(preview)
                    request.addTarget(frames)
                    session.setRepeatingRequest(request.build(), null, handler)
                } catch (error: CameraAccessException) {
                    failed(error)
                } catch (_: IllegalStateException) { // closed meanwhile, by us
                }
            }

            override fun onConfigureFailed(session: CameraCaptureSession) = failed(IllegalStateException("no session"))
        }
    }

    private companion object {
        const val MAX_FRAMES = 3

        /** Models look at less. */
        val WANTED = Size(640, 480)
    }
}
