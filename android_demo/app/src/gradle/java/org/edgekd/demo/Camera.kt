package org.edgekd.demo

import android.content.Context
import android.graphics.SurfaceTexture
import android.os.Handler
import android.util.Size
import android.view.Surface
import androidx.camera.core.CameraInfoUnavailableException
import androidx.camera.core.CameraSelector
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import androidx.camera.core.Preview
import androidx.camera.core.SurfaceRequest
import androidx.camera.core.resolutionselector.ResolutionSelector
import androidx.camera.core.resolutionselector.ResolutionStrategy
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.lifecycle.Lifecycle
import androidx.lifecycle.LifecycleOwner
import androidx.lifecycle.LifecycleRegistry
import org.edgekd.classifier.Frame
import java.util.concurrent.ExecutionException
import java.util.concurrent.Executor
import java.util.concurrent.Executors

/**
 * The back camera by CameraX, for builds that have Google's Maven; src/maven has the same by Camera2: a preview on a
 * surface, and every frame handed to [onFrame] on the camera's thread.
 *
 * It outlives a rotation. [start], [turn] and [stop] are for the screen's thread, where [onProblem] is told as well;
 * nothing is told, and no frame handed on, of a camera that was stopped.
 */
class Camera(
    private val context: Context,
    private val onFrame: (CameraFrame) -> Unit,
    private val onProblem: (String) -> Unit,
) {
    private val screen = Handler(context.mainLooper)
    private val onScreen = Executor { screen.post(it) }
    private val frames = Executors.newSingleThreadExecutor { Thread(it, "camera").apply { isDaemon = true } }
    private var current: Session? = null // only the screen's thread touches it

    /** Degrees clockwise that turn a frame upright now; null where no camera runs. */
    val frameTurn: Int? get() = current?.frameTurn

    /**
     * Open it, in place of what runs; the permission must be there. [displayDegrees] is how the screen is turned;
     * [onSize] is told the picture's shape on a device held its natural way.
     */
    fun start(texture: SurfaceTexture, displayDegrees: Int, onSize: (Size) -> Unit) {
        stop()
        current = Session(texture, displayDegrees, onSize).apply { open() }
    }

    /** The screen is turned otherwise now, without a new start. */
    fun turn(displayDegrees: Int) {
        current?.turn(displayDegrees)
    }

    fun stop() {
        current?.end()
        current = null
    }

    /** Let go of a view's texture, once the camera has. */
    fun release(texture: SurfaceTexture) {
        screen.post(texture::release)
    }

    /** From one start to its stop, on the screen's thread, but [available] and reading a frame. */
    private inner class Session(
        private val texture: SurfaceTexture,
        displayDegrees: Int,
        private val onSize: (Size) -> Unit,
    ) : LifecycleOwner {
        override val lifecycle = LifecycleRegistry(this)
        private val frame = Frame()
        private val preview = Preview.Builder().setTargetRotation(rotation(displayDegrees)).build()
        private val analysis = ImageAnalysis.Builder()
            .setTargetRotation(rotation(displayDegrees))
            .setResolutionSelector(ResolutionSelector.Builder().setResolutionStrategy(WANTED).build())
            .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
            .build()

        @Volatile
        private var ended = false

        @Volatile
        var frameTurn = 0
            private set

        fun open() {
            val opening = ProcessCameraProvider.getInstance(context)
            opening.addListener({
                if (!ended) {
                    try {
                        bind(opening.get())
                    } catch (error: ExecutionException) { // no camera service
                        failed(error.cause ?: error)
                    } catch (error: CameraInfoUnavailableException) {
                        failed(error)
                    } catch (error: IllegalArgumentException) { // no such camera, or sizes that it lacks
                        failed(error)
                    } catch (error: IllegalStateException) {
                        failed(error)
                    }
                }
            }, onScreen)
        }

        private fun bind(provider: ProcessCameraProvider) {
            val selector = listOf(CameraSelector.DEFAULT_BACK_CAMERA, CameraSelector.DEFAULT_FRONT_CAMERA).firstOrNull(provider::hasCamera)
                ?: return told(context.getString(R.string.camera_none))
            lifecycle.currentState = Lifecycle.State.RESUMED
            analysis.setAnalyzer(frames, ::available)
            preview.setSurfaceProvider(onScreen, ::show)
            val camera = provider.bindToLifecycle(this, selector, preview, analysis)
            camera.cameraInfo.cameraState.observe(this) { state ->
                state.error?.let { failed(IllegalStateException("error ${it.code}")) }
            }
        }

        private fun show(request: SurfaceRequest) {
            val size = request.resolution
            if (ended) {
                request.willNotProvideSurface()
                return
            }
            texture.setDefaultBufferSize(size.width, size.height)
            val surface = Surface(texture)
            request.provideSurface(surface, onScreen) { surface.release() }
            val isTurned = request.camera.cameraInfo.sensorRotationDegrees % 180 != 0
            onSize(if (isTurned) Size(size.height, size.width) else size)
        }

        private fun available(image: ImageProxy) {
            frameTurn = image.imageInfo.rotationDegrees
            if (ended) return image.close()
            onFrame(CameraFrame({ classify -> if (ended) null else classify(frameOf(image)) }, image::close))
        }

        private fun frameOf(image: ImageProxy): Frame {
            val (y, u, v) = image.planes
            return frame.useYuv(
                y.buffer, y.rowStride, y.pixelStride, u.buffer, v.buffer, u.rowStride, u.pixelStride,
                image.width, image.height, image.imageInfo.rotationDegrees,
            )
        }

        fun turn(displayDegrees: Int) {
            preview.targetRotation = rotation(displayDegrees)
            analysis.targetRotation = rotation(displayDegrees)
        }

        fun end() {
            ended = true
            analysis.clearAnalyzer()
            // Its owner's end unbinds the camera; one that was never bound has none.
            if (lifecycle.currentState != Lifecycle.State.INITIALIZED) lifecycle.currentState = Lifecycle.State.DESTROYED
        }

        private fun failed(error: Throwable) = told(context.getString(R.string.camera_failed, error.message ?: error.javaClass.simpleName))

        private fun told(problem: String) {
            if (current !== this) return
            stop()
            onProblem(problem)
        }
    }

    private companion object {
        /** Models look at less. */
        val WANTED = ResolutionStrategy(Size(640, 480), ResolutionStrategy.FALLBACK_RULE_CLOSEST_HIGHER_THEN_LOWER)

        fun rotation(displayDegrees: Int) = when (displayDegrees) {
            90 -> Surface.ROTATION_90
            180 -> Surface.ROTATION_180
            270 -> Surface.ROTATION_270
            else -> Surface.ROTATION_0
        }
    }
}
