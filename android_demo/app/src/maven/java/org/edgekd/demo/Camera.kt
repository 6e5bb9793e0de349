package org.edgekd.demo

import android.annotation.SuppressLint
import android.content.Context
import android.graphics.ImageFormat
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.media.ImageReader
import android.os.Handler
import android.os.HandlerThread
import android.util.Size
import android.view.Surface
import org.edgekd.classifier.Frame
import kotlin.math.abs

/**
 * The back camera by Camera2, for builds without Google's Maven; src/gradle has the same by CameraX: a preview on a surface, and every frame handed to [onFrame] on the camera's thread.
 *
 * It outlives a rotation. [start] and [stop] are for the screen's thread, where [onProblem] is told as well; nothing
 * is told, and no frame handed on, of a camera that was stopped.
 */
class Camera(
    private val context: Context,
    private val onFrame: (CameraFrame) -> Unit,
    private val onProblem: (String) -> Unit,
) {
    private val manager = context.getSystemService(Context.CAMERA_SERVICE) as CameraManager
    private val screen = Handler(context.mainLooper)
    private var current: Session? = null // only the screen's thread touches it

    /**
     * Open it, in place of what runs; the permission must be there. [displayDegrees] is how the screen is turned;
     * [onSize] is told the picture's shape on a device held its natural way.
     */
    fun start(texture: SurfaceTexture, displayDegrees: Int, onSize: (Size) -> Unit) {
        stop()
        val session = Session(texture, displayDegrees, onSize)
        current = session
        handler.post(session::open)
    }

    /** Degrees clockwise that turn a frame upright now; null where no camera runs. */
    val frameTurn: Int? get() = current?.turn

    /** The screen is turned otherwise now, without a new start. */
    fun turn(displayDegrees: Int) {
        current?.displayDegrees = displayDegrees
    }

    fun stop() {
        current?.end()
        current = null
    }

    /** Let go of a view's texture, once the camera has. */
    fun release(texture: SurfaceTexture) {
        handler.post(texture::release)
    }

    private fun backCamera(): String? {
        val ids = manager.cameraIdList
        return ids.firstOrNull { !isFront(manager.getCameraCharacteristics(it)) } ?: ids.firstOrNull()
    }

    private fun isFront(facts: CameraCharacteristics) =
        facts[CameraCharacteristics.LENS_FACING] == CameraCharacteristics.LENS_FACING_FRONT

    private fun frameSize(facts: CameraCharacteristics): Size {
        val sizes = facts[CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP]?.getOutputSizes(ImageFormat.YUV_420_888).orEmpty()
        return sizes.minByOrNull { abs(it.width - WANTED.width) + abs(it.height - WANTED.height) } ?: WANTED
    }

    /** From one start to its stop. All of it happens on the camera's thread, but [end] and reading a frame. */
    private inner class Session(
        private val texture: SurfaceTexture,
        @Volatile var displayDegrees: Int,
        private val onSize: (Size) -> Unit,
    ) : CameraDevice.StateCallback() {
        @Volatile
        private var ended = false
        private var device: CameraDevice? = null
        private var preview: Surface? = null
        private var reader: ImageReader? = null
        private val frame = Frame()

        @Volatile
        private var sensorDegrees = 0

        @Volatile
        private var front = false

        /** Degrees clockwise that turn a frame upright. */
        val turn: Int get() = turnOf(sensorDegrees, displayDegrees, front)

        // A frame's memory goes with its reader: it may not while the frame is being read.
        private val reading = Any()

        fun end() {
            ended = true
            handler.post(::shut)
        }

        fun open() {
            if (ended) return
            try {
                tryOpen()
            } catch (error: CameraAccessException) {
                failed(error)
            } catch (error: SecurityException) {
                failed(error)
            } catch (error: IllegalArgumentException) { // an id that went away
                failed(error)
            }
        }

        @SuppressLint("MissingPermission")
        private fun tryOpen() {
            val id = backCamera() ?: return told(context.getString(R.string.camera_none))
            val facts = manager.getCameraCharacteristics(id)
            val size = frameSize(facts)
            sensorDegrees = facts[CameraCharacteristics.SENSOR_ORIENTATION] ?: 0
            front = isFront(facts)
            texture.setDefaultBufferSize(size.width, size.height)
            onScreen { onSize(if (sensorDegrees % 180 != 0) Size(size.height, size.width) else size) }
            preview = Surface(texture)
            reader = ImageReader.newInstance(size.width, size.height, ImageFormat.YUV_420_888, MAX_FRAMES).apply {
                setOnImageAvailableListener(::available, handler)
            }
            manager.openCamera(id, this, handler)
        }

        private fun shut() {
            device?.close()
            device = null
            synchronized(reading) {
                reader?.close()
                reader = null
            }
            preview?.release()
            preview = null
        }

        private fun available(from: ImageReader) {
            val image = try {
                from.acquireLatestImage()
            } catch (_: IllegalStateException) { // all are at work
                null
            } ?: return
            if (ended) return image.close()
            onFrame(CameraFrame({ classify ->
                synchronized(reading) { if (reader == null) null else classify(frame.useImage(image, turn)) }
            }, image::close))
        }

        override fun onOpened(camera: CameraDevice) {
            // Stopped, or failed, before it was open.
            val targets = listOfNotNull(preview, reader?.surface)
            if (ended || targets.size < 2) return camera.close()
            device = camera
            try {
                @Suppress("DEPRECATION") // its successor is there from API 28 on
                camera.createCaptureSession(targets, Configured(camera, targets), handler)
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

        private fun failed(error: Exception) {
            shut()
            told(context.getString(R.string.camera_failed, error.message ?: error.javaClass.simpleName))
        }

        private fun told(problem: String) = onScreen {
            current = null
            ended = true
            onProblem(problem)
        }

        /** Unless it was stopped, or another has begun, in the meantime. */
        private fun onScreen(action: () -> Unit) {
            screen.post { if (current === this) action() }
        }

        private inner class Configured(
            private val camera: CameraDevice,
            private val targets: List<Surface>,
        ) : CameraCaptureSession.StateCallback() {
            override fun onConfigured(session: CameraCaptureSession) {
                if (ended) return
                try {
                    val request = camera.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW)
                    targets.forEach(request::addTarget)
                    session.setRepeatingRequest(request.build(), null, handler)
                } catch (error: CameraAccessException) {
                    failed(error)
                } catch (error: IllegalStateException) { // closed meanwhile
                    failed(error)
                } catch (error: IllegalArgumentException) { // a surface went away
                    failed(error)
                }
            }

            override fun onConfigureFailed(session: CameraCaptureSession) = failed(IllegalStateException("no session"))
        }
    }

    internal companion object {
        private const val MAX_FRAMES = 3

        /** Models look at less. */
        private val WANTED = Size(640, 480)

        /**
         * One for the process: what was begun first is given back first, whichever activity asks, and a camera that
         * opens late finds somebody to close it.
         */
        val handler by lazy { Handler(HandlerThread("camera").apply { start() }.looper) }
    }
}
