package org.edgekd.demo.bench

import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.File
import java.io.FileOutputStream
import java.io.FilterOutputStream
import java.io.IOException
import java.io.OutputStream

@RunWith(RobolectricTestRunner::class) // for Android's own JSON
class AgentTest {
    @get:Rule
    val folder = TemporaryFolder()
    private val clock = HandClock()

    private fun file(name: String) = File(folder.root, name)

    private fun agent(open: (File) -> OutputStream = ::FileOutputStream, engine: (File) -> Engine = { HandEngine(clock) { 1000 } }) =
        Agent(folder.root, clock, NoFacts, engine, open)

    private fun reply(name: String = DEFAULT_OUT) = JSONObject(file(name).readText())

    @Before
    fun aPlanAndItsFiles() {
        file("plan.json").writeText(planJson().toString())
        file("0.tflite").writeText("a model")
        file("0.npy").writeBytes(npy(2, 1, 1, byteArrayOf(4, 0, 0, 5, 0, 0)))
    }

    @Test
    fun aReplyLiesBesideThePlan() {
        assertEquals("reply.json: done", agent().run("plan.json"))
        assertEquals(2, reply().getInt("schema"))
        assertEquals(3, reply().getJSONArray("timings_ns").length())
        assertEquals("[4,5]", reply().getJSONArray("answers").toString())
        assertEquals(50, reply().getJSONObject("device").getJSONObject("before").getInt("battery_percent"))
        assertFalse(file("reply.json.part").exists())
    }

    @Test
    fun aWrongPlanIsAnsweredWithTheReason() {
        file("plan.json").writeText(planJson().put("threads", -1).put("out", "mine.json").toString())
        agent().run("plan.json")
        assertTrue(reply("mine.json").getString("error").startsWith("threads must be"))
        for (name in listOf(null, "none.json", "../plan.json", "")) {
            file(DEFAULT_OUT).delete()
            agent().run(name)
            assertEquals(2, reply().getInt("schema"))
            assertTrue("$name", reply().getString("error").isNotEmpty())
        }
    }

    @Test
    fun aPlanIsReadWhereItWasPushedAndAnsweredInTheAppsOwnFolder() {
        val pushed = folder.newFolder("pushed")
        for (name in listOf("0.tflite", "0.npy", "plan.json")) file(name).renameTo(File(pushed, name))
        val agent = Agent(folder.root, clock, NoFacts, { HandEngine(clock) { 1000 } }, inputs = { pushed })
        assertEquals("other.json: done", agent.run("plan.json", "other.json"))
        assertEquals(listOf("other.json", "pushed"), folder.root.list()!!.sorted())
    }

    @Test
    fun onlyFoldersThatEdgekdMadeAreRead() {
        assertEquals(File("/data/local/tmp/edgekd-AbCdEf12"), pushedFolder("/data/local/tmp/edgekd-AbCdEf12", folder.root))
        assertEquals(folder.root, pushedFolder(null, folder.root))
        for (path in listOf("", "/", "/data/local/tmp", "/data/local/tmp/edgekd-AbCdEf12/..", "/data/local/tmp/../edgekd-AbCdEf12", "/sdcard")) {
            org.junit.Assert.assertThrows(path, PlanException::class.java) { pushedFolder(path, folder.root) }
        }
    }

    @Test
    fun missingFilesAreNamed() {
        for (name in listOf("0.tflite", "0.npy")) {
            aPlanAndItsFiles()
            file(name).delete()
            agent().run("plan.json")
            assertTrue(reply().getString("error"), reply().getString("error").contains(name))
        }
    }

    @Test
    fun whateverTheRuntimeThrowsIsAReply() {
        agent(engine = { throw UnsatisfiedLinkError("no such library") }).run("plan.json")
        assertEquals("UnsatisfiedLinkError: no such library", reply().getString("error"))
        agent(engine = { throw OutOfMemoryError("heap") }).run("plan.json")
        assertEquals("OutOfMemoryError: heap", reply().getString("error"))
    }

    @Test
    fun aFullDiskLeavesNoHalfReplyAndAReasonWhereOneFits() {
        val room = { bytes: Int -> { to: File -> Full(FileOutputStream(to), bytes) } }
        val said = agent(open = room(200)).run("plan.json")
        assertTrue(said, said.contains("No space left"))
        assertTrue(reply().getString("error").contains("No space left"))
        agent(open = room(0)).run("plan.json")
        assertFalse("an older launch's reply is no reply", file(DEFAULT_OUT).exists())
        assertFalse(file("reply.json.part").exists())
    }

    @Test
    fun anOlderReplyDoesNotOutliveALaunch() {
        file(DEFAULT_OUT).writeText("{}")
        val engine = { _: File -> assertFalse(file(DEFAULT_OUT).exists()); HandEngine(clock) { 1000 } }
        agent(engine = engine).run("plan.json")
        assertTrue(reply().has("timings_ns"))
    }

    private class Full(under: OutputStream, private var room: Int) : FilterOutputStream(under) {
        override fun write(bytes: ByteArray) {
            if (bytes.size > room) throw IOException("write failed: ENOSPC (No space left on device)")
            room -= bytes.size
            super.write(bytes)
        }
    }
}
