package org.edgekd.demo

import android.Manifest
import android.content.Intent
import android.content.pm.PackageManager
import android.graphics.Color
import android.os.PowerManager
import android.view.WindowManager
import android.widget.ListView
import android.widget.TextView
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.GraphicsMode

/** Every screen, drawn. The pictures are for people to look at; what can be asserted of them is. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class ScreensTest {
    private fun Demo.classifyOne(): Demo {
        needModels()
        tap(R.id.photo_button)
        pick(photos(1)[0])
        until("an answer") { state.classify.store.state.ranked.isNotEmpty() }
        return this
    }

    @Test
    fun aPhotoIsClassifiedAndStaysWhenTheScreenTurns() = Demo().use { demo ->
        demo.draw("classify-empty")
        demo.classifyOne()
        val facts = demo.state.classify.store.state.facts!!
        assertTrue(demo.text(R.id.model_facts).startsWith(facts.precision))
        assertEquals(minOf(5, facts.labels.size), (demo.activity.findViewById(R.id.answers) as android.view.ViewGroup).childCount)
        val before = demo.state.classify.store.state.ranked
        demo.turn(dark(LANDSCAPE))
        assertTrue(demo.isShown(R.id.photo))
        assertEquals(before, demo.state.classify.store.state.ranked)
        assertEquals(before[0].label, demo.text(R.id.label))
    }

    @Test
    fun anAnswerIsWhatTheFilesRuleSays() = Demo().use { demo ->
        demo.classifyOne()
        // The models that a user may have given all decide by the most probable label.
        val choice = demo.state.classify.store.state.models!!.firstOrNull { it.file.startsWith("tags") } ?: return@use
        demo.state.classify.choose(choice)
        demo.until("an answer") { demo.state.classify.store.state.let { it.chosen == choice && it.ranked.isNotEmpty() } }
        val state = demo.state.classify.store.state
        val (labels, least) = state.facts!!.let { it.labels to it.decision.thresholds }
        assertEquals(state.ranked.filter { it.probability >= least[labels.indexOf(it.label)] }.map { it.label }.toSet(), state.answer.map { it.label }.toSet())
        assertTrue(demo.isShown(R.id.answer))
        assertEquals(state.answer.joinToString { it.label }.ifEmpty { demo.activity.getString(R.string.none_of_these) }, demo.text(R.id.answer))
        demo.draw("classify-tags")
    }

    @Test
    fun aPhotoRepeatedGivesMedianAndP90() = Demo().use { demo ->
        demo.classifyOne()
        assertEquals(demo.activity.getString(R.string.nothing), demo.text(R.id.inference_p90))
        demo.tap(R.id.again_button)
        demo.until("eleven times") { demo.state.classify.store.state.inference.count == 11 }
        val state = demo.state.classify.store.state
        assertTrue(state.inference.medianMs!! <= state.inference.p90Ms!!)
        assertTrue(state.inference.medianMs!! <= state.total.medianMs!!)
        assertNotEquals(demo.activity.getString(R.string.nothing), demo.text(R.id.inference_p90))
    }

    @Test
    fun aPhotoThatCannotBeReadSaysSo() = Demo().use { demo ->
        demo.needModels()
        demo.tap(R.id.photo_button)
        demo.pick("broken.jpg" to "this is no photo".toByteArray())
        demo.until("a problem") { demo.state.classify.store.state.photoProblem != null }
        assertTrue(demo.isShown(R.id.photo_problem))
        demo.draw("classify-bad-photo")
        demo.tap(R.id.photo_button)
        demo.pick(photos(1)[0])
        demo.until("an answer") { demo.state.classify.store.state.ranked.isNotEmpty() }
        assertFalse(demo.isShown(R.id.photo_problem))
    }

    @Test
    fun aTiffIsCalledOne() = Demo().use { demo ->
        demo.needModels()
        demo.tap(R.id.photo_button)
        demo.pick("scan.tif" to "II*\u0000........".toByteArray(Charsets.ISO_8859_1))
        demo.until("a problem") { demo.state.classify.store.state.photoProblem != null }
        assertTrue(demo.text(R.id.photo_problem), demo.text(R.id.photo_problem).contains("Convert it to PNG"))
    }

    @Test
    fun aBadModelSaysWhatIsWrongAndAGoodOneFollows() = Demo().use { demo ->
        demo.classifyOne()
        val good = demo.state.classify.store.state.chosen!!
        val whole = asset(demo.activity, good.file)
        demo.activity.pickModel(null)
        demo.pick("half.tflite" to whole.copyOf(whole.size / 2))
        demo.until("a problem") { demo.state.classify.store.state.modelProblem != null }
        assertTrue(demo.text(R.id.model_problem), demo.text(R.id.model_problem).startsWith("half "))
        assertTrue(demo.isShown(R.id.photo))
        assertFalse(demo.isShown(R.id.answers_card))
        demo.activity.pickModel(null)
        demo.pick("whole.tflite" to whole)
        demo.until("an answer") { demo.state.classify.store.state.ranked.isNotEmpty() }
        assertFalse(demo.isShown(R.id.model_problem))
    }

    @Test
    fun aRefusedCameraLeavesAMessageAndTwoWaysOn() = Demo().use { demo ->
        demo.tap(R.id.camera_button)
        demo.activity.onRequestPermissionsResult(5, arrayOf(Manifest.permission.CAMERA), intArrayOf(PackageManager.PERMISSION_DENIED))
        assertTrue(demo.isShown(R.id.camera_refused))
        demo.turn(LANDSCAPE)
        assertTrue(demo.isShown(R.id.camera_refused))
        demo.tap(R.id.settings)
        val started = generateSequence { shadowOf(demo.activity).nextStartedActivity }.map { it.action }.toList()
        assertTrue("$started", "android.settings.APPLICATION_DETAILS_SETTINGS" in started)
        shadowOf(demo.activity.application).grantPermissions(Manifest.permission.CAMERA)
        demo.tap(R.id.ask_again)
        assertFalse(demo.isShown(R.id.camera_refused))
        assertEquals(CameraState.RUNNING, demo.state.classify.store.state.camera)
        assertTrue(demo.isShown(R.id.pace))
    }

    @Test
    fun framesAreClassifiedOneAtATimeAndLetGo() = Demo().use { demo ->
        demo.needModels()
        demo.state.classify.setCamera(CameraState.RUNNING)
        demo.state.classify.setPace(Pace.EVERY_FRAME)
        var dropped = 0
        demo.state.classify.frame(CameraFrame({ classify -> classify(blackFrame()) }) { dropped++ })
        demo.state.classify.frame(CameraFrame({ throw AssertionError("the first is still at work") }) { dropped++ })
        demo.until("an answer") { demo.state.classify.store.state.ranked.isNotEmpty() }
        assertEquals(2, dropped)
        assertEquals(1, demo.state.classify.store.state.total.count)
        demo.draw("classify-live")
        demo.tap(R.id.camera_button)
        assertEquals(CameraState.OFF, demo.state.classify.store.state.camera)
    }

    @Test
    fun anAppWithoutModelsSaysHowToGetThem() = Demo().use { demo ->
        demo.state.classify.store.update { ClassifyState(models = emptyList()) }
        demo.state.compare.store.update { CompareState(models = emptyList()) }
        demo.state.benchmark.store.update { BenchmarkState(models = emptyList()) }
        demo.draw("classify-no-model")
        assertTrue(demo.text(R.id.model_problem).contains("edgekd android"))
        demo.tap(R.id.tab_compare)
        assertTrue(demo.text(R.id.compare_problem).contains("edgekd android"))
        demo.tap(R.id.tab_benchmark)
        demo.draw("benchmark-no-model")
        assertFalse(demo.activity.findViewById<TextView>(R.id.run).isEnabled)
    }

    @Test
    fun twoModelsAreComparedOnTheSamePhotos() = Demo().use { demo ->
        demo.needModels(2)
        demo.tap(R.id.tab_compare)
        demo.draw("compare-empty")
        demo.tap(R.id.photos_button)
        demo.pick(*photos(7).toTypedArray(), "broken.jpg" to "this is no photo".toByteArray())
        demo.until("all photos") { demo.state.compare.store.state.let { it.photos == 8 && it.done } }
        val state = demo.state.compare.store.state
        assertEquals(7, state.compared)
        assertEquals(listOf(7, 7), state.sides.map { it.inference.count })
        assertTrue(state.sides[0].facts!!.sizeBytes >= state.sides[1].facts!!.sizeBytes)
        val list = demo.activity.findViewById<ListView>(R.id.compared)
        assertEquals(9, list.adapter.count)
        demo.turn(dark(LANDSCAPE))
        assertEquals(state.rows, demo.state.compare.store.state.rows)
    }

    @Test
    fun theBenchmarkMeasuresChecksAndShares() = Demo().use { demo ->
        demo.needModels(2)
        demo.tap(R.id.tab_benchmark)
        demo.draw("benchmark-empty")
        val brief = demo.state.benchmark.store.state.choices.settings.copy(warmupMinIterations = 0, warmupMaxS = 0.0, seconds = 0.001, minIterations = 64)
        demo.state.benchmark.choose { it.copy(settings = brief, rounds = 1) }
        demo.tap(R.id.bench_photos)
        demo.pick(*photos(4).toTypedArray())
        demo.tap(R.id.run)
        demo.until("it runs") { demo.state.benchmark.store.state.progress.let { it == null || it.step > 0 } }
        demo.draw("benchmark-running")
        demo.until("it is done") { demo.state.benchmark.store.state.progress == null }
        val state = demo.state.benchmark.store.state
        assertEquals(state.problem?.text(demo.activity), null, state.problem)
        assertTrue(state.measured.all { it.p90Ms != null && it.p50Ms > 0 })
        demo.tap(R.id.share)
        var sent: Intent? = null
        demo.until("the chooser") { shadowOf(demo.activity).nextStartedActivity?.also { sent = it }?.action == Intent.ACTION_CHOOSER }
        val shared = demo.received(sent!!)
        keepReply("shared.json", shared)
        val json = JSONObject(shared)
        assertEquals(state.measured.size, json.getJSONArray("measurements").length())
        demo.turn(dark(LANDSCAPE))
        assertEquals(state, demo.state.benchmark.store.state)
    }

    /** A short measurement on the golden vectors, as another app receives it. */
    private fun Demo.sharedOfGoldenVectors(): String {
        val brief = state.benchmark.store.state.choices.settings.copy(warmupMinIterations = 0, warmupMaxS = 0.0, seconds = 0.001)
        state.benchmark.choose { it.copy(settings = brief, rounds = 3) }
        tap(R.id.run)
        until("it is done") { state.benchmark.store.state.progress == null }
        tap(R.id.share)
        var sent: Intent? = null
        until("the chooser") { shadowOf(activity).nextStartedActivity?.also { sent = it }?.action == Intent.ACTION_CHOOSER }
        return received(sent!!)
    }

    @Test
    fun heatIsInWhatIsShared() = Demo().use { demo ->
        demo.needModels(2)
        assumeTrue("no golden vectors in the assets", demo.activity.assets.list("golden")!!.isNotEmpty())
        demo.tap(R.id.tab_benchmark)
        keepReply("shared-golden.json", demo.sharedOfGoldenVectors())
        val power = demo.activity.getSystemService(PowerManager::class.java)
        shadowOf(power).setCurrentThermalStatus(PowerManager.THERMAL_STATUS_SEVERE)
        val hot = demo.sharedOfGoldenVectors()
        keepReply("shared-hot.json", hot)
        assertEquals("[\"thermal status severe\"]", JSONObject(hot).getJSONObject("facts_before").getJSONArray("throttling").toString())
    }

    @Test
    fun aBadModelInAComparisonSaysWhatIsWrongAndAGoodOneFollows() = Demo().use { demo ->
        demo.needModels(2)
        demo.tap(R.id.tab_compare)
        demo.tap(R.id.photos_button)
        demo.pick(*photos(3).toTypedArray())
        demo.until("all photos") { demo.state.compare.store.state.let { it.photos == 3 && it.done } }
        val whole = asset(demo.activity, demo.state.compare.store.state.sides[1].choice!!.file)
        demo.activity.pickModel(1)
        demo.pick("half.tflite" to whole.copyOf(whole.size / 2))
        demo.until("a problem") { demo.state.compare.store.state.problem != null }
        assertTrue(demo.text(R.id.compare_problem), demo.text(R.id.compare_problem).startsWith("half "))
        assertFalse("no photo is being compared", demo.isShown(R.id.compare_summary))
        assertFalse(demo.isShown(R.id.compare_table))
        demo.draw("compare-bad-model")
        demo.activity.pickModel(1)
        demo.pick("whole.tflite" to whole)
        demo.until("all photos") { demo.state.compare.store.state.let { it.compared == 3 } }
        assertFalse(demo.isShown(R.id.compare_problem))
        assertTrue(demo.isShown(R.id.compare_summary))
    }

    private fun Demo.startLongBenchmark() {
        tap(R.id.tab_benchmark)
        state.benchmark.choose { it.copy(settings = it.settings.copy(seconds = 60.0, maxIterations = 10_000_000)) }
        tap(R.id.bench_photos)
        pick(*photos(1).toTypedArray())
        tap(R.id.run)
        until("it runs") { state.benchmark.store.state.progress != null }
    }

    private val Demo.isKeptOn get() = activity.window.attributes.flags and WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON != 0

    @Test
    fun aBenchmarkEndsWhenTheAppIsLeft() = Demo().use { demo ->
        demo.needModels()
        demo.startLongBenchmark()
        demo.leave()
        demo.until("it ends") { demo.state.benchmark.store.state.progress == null }
        val state = demo.state.benchmark.store.state
        assertEquals(R.string.bench_left, state.problem?.id)
        assertTrue(state.measured.isEmpty() && state.json == null)
        assertFalse(demo.isKeptOn)
    }

    @Test
    fun aRunningBenchmarkKeepsTheScreenOnAndTheOtherScreensSaySo() = Demo().use { demo ->
        demo.needModels()
        assertFalse(demo.isKeptOn)
        demo.startLongBenchmark()
        assertTrue(demo.isKeptOn)
        assertFalse(demo.isShown(R.id.measuring))
        demo.tap(R.id.tab_classify)
        assertTrue(demo.isShown(R.id.measuring))
        demo.draw("classify-measuring")
        demo.tap(R.id.camera_button)
        assertEquals(CameraState.OFF, demo.state.classify.store.state.camera)
        demo.turn(LANDSCAPE)
        assertTrue(demo.isShown(R.id.measuring) && demo.isKeptOn)
        assertTrue("a rotation does not end it", demo.state.benchmark.store.state.progress != null)
        demo.tap(R.id.tab_benchmark)
        demo.tap(R.id.run)
        demo.until("it ends") { demo.state.benchmark.store.state.progress == null }
        assertEquals(R.string.bench_cancelled, demo.state.benchmark.store.state.problem?.id)
        assertFalse(demo.isKeptOn)
        demo.tap(R.id.tab_compare)
        assertFalse(demo.isShown(R.id.measuring))
    }

    @Test
    fun darkIsDarkAndLightIsLight() {
        val (light, dark) = listOf(PORTRAIT, dark(PORTRAIT)).map { Demo(it).use { demo -> demo.draw("mode").getPixel(2, 2) } }
        assertTrue(Color.luminance(light) > 0.8f)
        assertTrue(Color.luminance(dark) < 0.1f)
    }
}
