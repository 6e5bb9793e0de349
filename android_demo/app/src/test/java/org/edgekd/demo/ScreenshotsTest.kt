package org.edgekd.demo

import android.Manifest
import android.content.pm.PackageManager
import android.view.View
import org.edgekd.demo.bench.Settings
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner

/** What a user has to look at, upright and on its side, by day and by night. Three of these are in the README. */
@RunWith(RobolectricTestRunner::class)
class ScreenshotsTest {
    private fun Demo.classifyOne() {
        needModels()
        tap(R.id.photo_button)
        pick(photos(1)[0])
        until("an answer") { state.classify.store.state.ranked.isNotEmpty() }
    }

    @Test
    fun aPhotoAndItsClasses() = Demo().use { demo ->
        demo.classifyOne()
        demo.tap(R.id.again_button)
        demo.until("eleven times") { demo.state.classify.store.state.let { it.inference.count == 11 && !it.busy } }
        demo.drawAll("classify-photo")
    }

    @Test
    fun aCameraThatMayNotBeUsed() = Demo().use { demo ->
        demo.tap(R.id.camera_button)
        demo.activity.onRequestPermissionsResult(5, arrayOf(Manifest.permission.CAMERA), intArrayOf(PackageManager.PERMISSION_DENIED))
        demo.drawAll("classify-camera-refused")
    }

    @Test
    fun aModelThatCannotBeUsed() = Demo().use { demo ->
        demo.classifyOne()
        val whole = asset(demo.activity, demo.state.classify.store.state.chosen!!.file)
        demo.activity.pickModel(null)
        demo.pick("downloaded.tflite" to whole.copyOf(whole.size / 2))
        demo.until("a problem") { demo.state.classify.store.state.modelProblem != null }
        demo.drawAll("classify-bad-model")
    }

    @Test
    fun twoModelsCompared() = Demo().use { demo ->
        demo.needModels(2)
        demo.tap(R.id.tab_compare)
        demo.tap(R.id.photos_button)
        demo.pick(*photos(12).toTypedArray())
        demo.until("all photos") { demo.state.compare.store.state.let { it.photos == 12 && it.done } }
        demo.drawAll("compare")
    }

    @Test
    fun aBenchmarkThatIsDone() = Demo().use { demo ->
        demo.needModels(2)
        demo.tap(R.id.tab_benchmark)
        val brief = Settings(warmupMinIterations = 8, warmupMaxS = 0.2, seconds = 0.1, minIterations = 64)
        demo.state.benchmark.choose { it.copy(settings = brief, rounds = 1) }
        demo.tap(R.id.bench_photos)
        demo.pick(*photos(4).toTypedArray())
        demo.tap(R.id.run)
        demo.until("it is done") { demo.state.benchmark.store.state.run { progress == null && measured.isNotEmpty() } }
        demo.drawAll("benchmark-done") { demo.activity.findViewById<View>(R.id.screen_scroll).scrollY = 100_000 }
    }
}
