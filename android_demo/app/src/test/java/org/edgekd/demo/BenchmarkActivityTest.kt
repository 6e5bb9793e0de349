package org.edgekd.demo

import android.content.Intent
import android.content.pm.PackageManager
import android.os.Looper
import android.os.PowerManager
import org.edgekd.demo.bench.npy
import org.edgekd.demo.bench.planJson
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import java.io.File

/** The activity that the shell starts, with a real model. */
@RunWith(RobolectricTestRunner::class)
class BenchmarkActivityTest {
    private val app = RuntimeEnvironment.getApplication()
    private val folder = BenchFiles.folder(app)

    private fun launch(plan: String?, vararg others: Pair<String, String>): BenchmarkActivity {
        val intent = Intent(app, BenchmarkActivity::class.java)
        plan?.let { intent.putExtra("plan", it) }
        others.forEach { (name, value) -> intent.putExtra(name, value) }
        val activity = Robolectric.buildActivity(BenchmarkActivity::class.java, intent).create().get()
        activity.worker.join()
        shadowOf(Looper.getMainLooper()).idle()
        assertTrue(activity.isFinishing)
        return activity
    }

    private fun reply(name: String) = JSONObject(File(folder, name).readText())

    private fun givenModel(): Int {
        val models = app.assets.list("")!!.filter { it.endsWith(".tflite") }
        assumeTrue("no model in the assets: build with -Dassets=DIR", models.isNotEmpty())
        val smallest = models.map { app.assets.open(it).use { stream -> stream.readBytes() } }.minBy { it.size }
        File(folder, "0.tflite").writeBytes(smallest)
        val side = org.edgekd.classifier.ImageClassifier.open(java.nio.ByteBuffer.wrap(smallest), org.edgekd.classifier.InterpreterRuntime()).use { it.record.inputWidth to it.record.inputHeight }
        val (width, height) = side
        File(folder, "0.npy").writeBytes(npy(2, height, width, ByteArray(2 * height * width * 3) { (it * 31 % 251).toByte() }))
        return 2
    }

    @Test
    fun aModelIsMeasured() {
        val count = givenModel()
        File(folder, "plan.json").writeText(planJson().put("delegate", "xnnpack").put("check_inputs", "0.npy").put("out", "measured.json").put("curve", true).toString())
        launch("plan.json")
        val reply = reply("measured.json")
        assertEquals(reply.toString(), "", reply.optString("error"))
        assertEquals(3, reply.getJSONArray("timings_ns").length())
        assertEquals(count, reply.getJSONArray("answers").length())
        assertEquals(reply.getJSONArray("answers").toString(), reply.getJSONArray("check_answers").toString())
        assertTrue(reply.getString("runtime"), reply.getString("runtime").startsWith("TensorFlow Lite 2."))
        assertTrue(reply.getString("delegate") in listOf("xnnpack", "none"))
        assertTrue(reply.getLong("peak_memory_bytes") > 0)
        // Of the JVM on this Linux, whose files are Android's.
        assertTrue(reply.getJSONArray("switched_out").length() <= 3)
        assertTrue(reply.getJSONObject("cpu").getDouble("wait_s") >= 0)
        assertTrue(reply.getJSONObject("device").getJSONObject("after").getJSONObject("cpus").length() > 0)
        keepReply("measured.json", reply.toString())
    }

    /** Those in the folder of the system property "plans", each in the activity that the shell would start. */
    @Test
    fun everyPlanThatWasGivenIsAnswered() {
        val given = System.getProperty("plans").orEmpty()
        assumeTrue("no plans: give -Dplans=DIR", given.isNotEmpty())
        File(given).copyRecursively(folder, overwrite = true)
        val plans = folder.list()!!.filter { it.startsWith("plan-") }
        assertTrue(plans.isNotEmpty())
        val power = app.getSystemService(PowerManager::class.java)
        for (plan in plans.sorted()) {
            // The last launch is a hot one.
            shadowOf(power).setCurrentThermalStatus(if (plan == plans.max()) PowerManager.THERMAL_STATUS_SEVERE else PowerManager.THERMAL_STATUS_NONE)
            launch(plan)
            val out = JSONObject(File(folder, plan).readText()).getString("out")
            keepReply(out, File(folder, out).readText())
        }
    }

    @Test
    fun whatCannotBeDoneIsAReasonInTheReply() {
        givenModel()
        val wrong = mapOf(
            planJson().put("delegate", "gpu") to "gpu",
            planJson().put("delegate", "nnapi") to "nnapi",
            planJson().put("model", "0.npy") to "model",
            planJson().put("threads", "many") to "threads",
        )
        for ((plan, word) in wrong) {
            File(folder, "plan.json").writeText(plan.toString())
            launch("plan.json")
            assertTrue(reply("reply.json").toString(), reply("reply.json").getString("error").contains(word))
        }
    }

    @Test
    fun noPlanAtAllIsAReasonToo() {
        launch(null)
        assertTrue(reply("reply.json").getString("error").contains("plan"))
    }

    @Test
    fun aPlanThatCannotBeReadIsAnsweredUnderTheNameThatTheShellWaitsFor() {
        launch("plan.json", "folder" to "/data/local/tmp/edgekd-AbCdEf12", "out" to "reply-0-1.json")
        assertTrue(reply("reply-0-1.json").getString("error").contains("can't be read from /data/local/tmp/edgekd-AbCdEf12"))
        launch("plan.json", "folder" to "/data/data/another.app", "out" to "reply-0-2.json")
        assertTrue(reply("reply-0-2.json").getString("error").startsWith("folder must be one that edgekd made"))
    }

    @Test
    fun aGreetingComesBackWithWhatThePhoneIs() {
        File(folder, "hello.json").writeText("{\"hello\": \"word-1\"}")
        launch("hello.json", "out" to "hello-back.json")
        assertEquals("word-1", reply("hello-back.json").getString("hello"))
        assertTrue(reply("hello-back.json").getJSONObject("device").has("power_save"))
    }

    @Test
    fun onlyTheShellMayStartIt() {
        val info = app.packageManager.getActivityInfo(
            android.content.ComponentName(app, BenchmarkActivity::class.java), PackageManager.MATCH_DEFAULT_ONLY,
        )
        assertTrue(info.exported)
        assertEquals("android.permission.DUMP", info.permission)
        assertEquals("org.edgekd.demo:benchmark", info.processName)
    }
}
