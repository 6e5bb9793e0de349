package org.edgekd.demo.bench

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File

class ProcWatchTest {
    @get:Rule
    val folder = TemporaryFolder()

    private fun write(path: String, text: String) = File(folder.root, path).apply { parentFile!!.mkdirs() }.writeText(text)

    private fun stat(cpu: Int) = "77 (odd ) 7) R " + List(36) { if (it == 35) cpu else it }.joinToString(" ") + " 0 0\n"

    @Test
    fun whatTheThreadsOfAnInferenceWaitedIsAddedUp() {
        write("thread-self/schedstat", "5000 1200 7\n")
        write("self/task/8/schedstat", "900000 34 7\n")
        write("thread-self/stat", stat(6))
        ProcWatch.open(folder.root, setOf("8", "gone"))!!.use { watch ->
            assertEquals(1234L, watch.waitedNanos())
            write("thread-self/schedstat", "5100 12345678901234 8\n")
            assertEquals(12345678901234L + 34, watch.waitedNanos())
            watch.noteCpu()
            write("thread-self/stat", stat(7))
            repeat(2) { watch.noteCpu() }
            write("thread-self/stat", "no stat")
            watch.noteCpu()
            assertEquals(mapOf("6" to 1, "7" to 2), watch.cpus())
        }
    }

    @Test
    fun aKernelThatDoesNotCountIsUnknownAndNotZero() {
        assertNull(ProcWatch.open(folder.root, emptySet()))
        write("thread-self/schedstat", "0 0 0\n")
        assertNull(ProcWatch.open(folder.root, emptySet()))
    }

    @Test
    fun thisMachinesOwnFilesAreRead() {
        ProcWatch.open(File("/proc"), emptySet())!!.use { watch ->
            watch.noteCpu()
            assertTrue(watch.waitedNanos() >= 0)
            assertEquals(1, watch.cpus().size)
        }
    }
}
