package org.edgekd.demo

import android.Manifest
import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.ClipData
import android.content.Context
import android.content.Intent
import android.content.pm.PackageManager
import android.graphics.Matrix
import android.graphics.SurfaceTexture
import android.hardware.display.DisplayManager
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.provider.Settings
import android.util.Size
import android.view.Surface
import android.view.TextureView
import android.view.View
import android.view.ViewGroup
import android.view.WindowManager
import android.widget.Toast

/** The three screens under their tabs, and what only an activity can do for them: pick, ask, share, turn. */
class MainActivity : Activity(), Host {
    lateinit var state: DemoState
        private set
    private lateinit var screens: List<Screen>
    private lateinit var classify: ClassifyScreen
    private var pictured: Size? = null
    private var resumed = false
    private var filming = false
    private var measuring = false
    private val displays by lazy { getSystemService(Context.DISPLAY_SERVICE) as DisplayManager }
    private val turning = Turning()

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        @Suppress("DEPRECATION") // AndroidX's ViewModel does no more, for a hundred times the code
        state = lastNonConfigurationInstance as? DemoState ?: DemoState(applicationContext, savedInstanceState)
        setContentView(R.layout.activity_main)
        classify = ClassifyScreen(this, state.classify, this)
        screens = listOf(classify, CompareScreen(this, state.compare, this), BenchmarkScreen(this, state.benchmark, this))
        classify.cameraView.surfaceTextureListener = Surfaces()
        TABS.forEachIndexed { k, id -> findViewById<View>(id).setOnClickListener { showTab(k) } }
        screens.forEach(Screen::start)
        showTab(state.tab)
        displays.registerDisplayListener(turning, null)
    }

    private fun showTab(tab: Int) {
        if (tab != 0 && state.classify.store.state.camera == CameraState.RUNNING) state.classify.setCamera(CameraState.OFF)
        state.tab = tab
        TABS.forEachIndexed { k, id -> findViewById<View>(id).isSelected = k == tab }
        val page = findViewById<ViewGroup>(R.id.page)
        page.removeAllViews()
        page.addView(screens[tab].view)
        showMeasuring()
    }

    @Deprecated("Deprecated in Java")
    override fun onRetainNonConfigurationInstance(): Any = state

    override fun onSaveInstanceState(outState: Bundle) {
        super.onSaveInstanceState(outState)
        state.save(outState)
    }

    override fun onPause() {
        resumed = false
        cameraChanged()
        super.onPause()
    }

    override fun onStop() {
        // What is not seen is slowed down by Android.
        if (!isChangingConfigurations) state.benchmark.leave()
        super.onStop()
    }

    override fun onResume() {
        super.onResume()
        // The permission may have been given in the settings meanwhile, or taken away.
        if (state.classify.store.state.camera == CameraState.REFUSED && mayUseCamera()) state.classify.setCamera(CameraState.OFF)
        resumed = true
        cameraChanged()
    }

    override fun onDestroy() {
        displays.unregisterDisplayListener(turning)
        screens.forEach(Screen::stop)
        if (!isChangingConfigurations) state.close()
        super.onDestroy()
    }

    override fun pickPhoto() = pick("image/*", PHOTO)

    override fun pickPhotos(forBenchmark: Boolean) = pick("image/*", if (forBenchmark) BENCH_PHOTOS else PHOTOS)

    // No provider knows a type for .tflite.
    override fun pickModel(side: Int?) = pick("*/*", if (side == null) MODEL else SIDES + side)

    private fun pick(type: String, request: Int) {
        val intent = Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType(type)
        intent.putExtra(Intent.EXTRA_ALLOW_MULTIPLE, request == PHOTOS || request == BENCH_PHOTOS)
        try {
            @Suppress("DEPRECATION") // its successor is AndroidX's
            startActivityForResult(intent, request)
        } catch (_: ActivityNotFoundException) {
            Toast.makeText(this, R.string.no_picker, Toast.LENGTH_LONG).show()
        }
    }

    @Deprecated("Deprecated in Java")
    override fun onActivityResult(requestCode: Int, resultCode: Int, data: Intent?) {
        val picked = picked(data).ifEmpty { return }
        when (requestCode) {
            PHOTO -> state.classify.show(photoAt(this, picked[0]))
            PHOTOS -> state.compare.show(picked.map { photoAt(this, it) })
            BENCH_PHOTOS -> state.benchmark.choose { choices -> choices.copy(photos = picked.take(BenchmarkHolder.MAX_INPUTS).map { photoAt(this, it) }) }
            MODEL -> state.classify.pick(picked[0])
            else -> state.compare.pick(requestCode - SIDES, picked[0])
        }
    }

    private fun picked(data: Intent?): List<Uri> {
        val several = data?.clipData ?: return listOfNotNull(data?.data)
        return List(several.itemCount) { several.getItemAt(it).uri }
    }

    override fun wantCamera() {
        if (measuring) return // as the line above says
        if (mayUseCamera()) {
            state.classify.setCamera(CameraState.RUNNING)
        } else if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.M) {
            requestPermissions(arrayOf(Manifest.permission.CAMERA), CAMERA)
        }
    }

    override fun onRequestPermissionsResult(requestCode: Int, permissions: Array<String>, grantResults: IntArray) {
        if (requestCode != CAMERA || grantResults.isEmpty()) return
        if (mayUseCamera()) wantCamera() else state.classify.setCamera(CameraState.REFUSED)
    }

    // Before Android 6 whoever installs an app grants what it asks for.
    private fun mayUseCamera() =
        Build.VERSION.SDK_INT < Build.VERSION_CODES.M || checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED

    override fun openSettings() =
        startActivity(Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, Uri.fromParts("package", packageName, null)))

    override fun measuring(on: Boolean) {
        measuring = on
        val flag = WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON
        if (on) window.addFlags(flag) else window.clearFlags(flag)
        showMeasuring()
    }

    private fun showMeasuring() = findViewById<View>(R.id.measuring).visibleIf(measuring && state.tab != TABS.indexOf(R.id.tab_benchmark))

    override fun share(result: Uri) {
        val send = Intent(Intent.ACTION_SEND).setType(SharedResults.TYPE).putExtra(Intent.EXTRA_SUBJECT, getString(R.string.share_subject))
            .putExtra(Intent.EXTRA_STREAM, result).addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
        // The grant goes with what is in here.
        send.clipData = ClipData.newRawUri(null, result)
        startActivity(Intent.createChooser(send, null))
    }

    override fun cameraChanged() {
        val texture = classify.cameraView.surfaceTexture
        val wanted = resumed && texture != null && state.classify.store.state.camera == CameraState.RUNNING
        if (wanted == filming) return
        filming = wanted
        if (wanted) state.camera.start(texture!!, displayDegrees(), ::fitPreview) else state.camera.stop()
    }

    @Suppress("DEPRECATION") // Context.display is there from API 30 on
    private fun displayDegrees() = when (windowManager.defaultDisplay.rotation) {
        Surface.ROTATION_90 -> 90
        Surface.ROTATION_180 -> 180
        Surface.ROTATION_270 -> 270
        else -> 0
    }

    /** The whole picture in the middle of the view, upright: a texture stays as on a device held its [natural] way. */
    private fun fitPreview(natural: Size) {
        pictured = natural
        val view = classify.cameraView
        val (width, height) = view.width.toFloat() to view.height.toFloat()
        val turned = displayDegrees() % 180 != 0
        val scale = if (turned) {
            minOf(width / natural.height, height / natural.width)
        } else {
            minOf(width / natural.width, height / natural.height)
        }
        val matrix = Matrix()
        matrix.setScale(natural.width * scale / width, natural.height * scale / height, width / 2, height / 2)
        matrix.postRotate(-displayDegrees().toFloat(), width / 2, height / 2)
        view.setTransform(matrix)
    }

    private inner class Surfaces : TextureView.SurfaceTextureListener {
        override fun onSurfaceTextureAvailable(surface: SurfaceTexture, width: Int, height: Int) = cameraChanged()

        override fun onSurfaceTextureSizeChanged(surface: SurfaceTexture, width: Int, height: Int) {
            pictured?.let(::fitPreview)
        }

        override fun onSurfaceTextureDestroyed(surface: SurfaceTexture): Boolean {
            if (filming) state.camera.stop()
            filming = false
            state.camera.release(surface)
            return false
        }

        override fun onSurfaceTextureUpdated(surface: SurfaceTexture) = Unit
    }

    /** A screen that turns by a half keeps its size, and the activity is told nothing. */
    private inner class Turning : DisplayManager.DisplayListener {
        override fun onDisplayChanged(displayId: Int) {
            if (!filming) return
            state.camera.turn(displayDegrees())
            pictured?.let(::fitPreview)
        }

        override fun onDisplayAdded(displayId: Int) = Unit

        override fun onDisplayRemoved(displayId: Int) = Unit
    }

    companion object {
        private val TABS = listOf(R.id.tab_classify, R.id.tab_compare, R.id.tab_benchmark)
        private const val PHOTO = 1
        private const val PHOTOS = 2
        private const val BENCH_PHOTOS = 3
        private const val MODEL = 4
        private const val CAMERA = 5
        private const val SIDES = 10
    }
}
