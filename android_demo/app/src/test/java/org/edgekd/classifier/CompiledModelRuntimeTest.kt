package org.edgekd.classifier

import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.Accelerator.CPU
import com.google.ai.edge.litert.Accelerator.GPU
import com.google.ai.edge.litert.Accelerator.NPU
import com.google.ai.edge.litert.simulated
import org.junit.After
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Assert.fail
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import java.nio.ByteBuffer

/** LiteRT 2's adapter over a stand-in of its API: which accelerator takes over, and that the answers are the interpreter's. */
@RunWith(RobolectricTestRunner::class)
class CompiledModelRuntimeTest {
    private val assets = RuntimeEnvironment.getApplication().assets
    private val file by lazy { given.models.first() }

    @Before
    fun aDeviceWithAll() = simulated.run {
        missing = emptySet()
        failing = emptySet()
        open = 0
        compiled.clear()
    }

    @After
    fun allIsClosed() = assertEquals(0, simulated.open)

    private fun accelerator(vararg wanted: Accelerator): String =
        ImageClassifier.openFile(file, CompiledModelRuntime(wanted.toList())).use { it.accelerator }

    @Test
    fun itsAnswersAreTheInterpreters() {
        for (model in given.models) {
            val plain = ImageClassifier.openFile(model, InterpreterRuntime(delegate = Delegate.NONE)).use { answers(it) }
            ImageClassifier.openAsset(assets, model.name, CompiledModelRuntime(threads = 2)).use {
                assertArrayEquals(model.name, plain, answers(it), 0f)
                assertEquals("CPU", it.accelerator)
            }
        }
        assertEquals(setOf(2), simulated.compiled.map { it.cpuOptions?.numThreads }.toSet())
    }

    private fun answers(model: ImageClassifier): FloatArray {
        val size = model.record.inputWidth * model.record.inputHeight * 3
        return (1..3).flatMap { seed -> model.run(ByteArray(size) { (it * seed).toByte() }).toList() }.toFloatArray()
    }

    @Test
    fun theFirstThatCanTakesTheModelAndIsNamed() {
        assertEquals("NPU", accelerator(NPU, GPU, CPU))
        simulated.missing = setOf(NPU)
        assertEquals("GPU", accelerator(NPU, GPU, CPU))
        // One that compiles and does not run is none.
        simulated.failing = setOf(GPU)
        assertEquals("CPU", accelerator(NPU, GPU, CPU))
    }

    @Test
    fun opsAreLeftToTheCpuOnlyWhereTheListHasIt() {
        accelerator(GPU)
        accelerator(GPU, CPU)
        assertEquals(listOf(setOf(GPU), setOf(GPU, CPU)), simulated.compiled.map { it.accelerators })
    }

    @Test
    fun whereNoneCanEachSaysWhy() {
        simulated.missing = setOf(NPU)
        simulated.failing = setOf(GPU)
        try {
            accelerator(NPU, GPU)
            fail("neither can")
        } catch (error: ModelException) {
            assertEquals("LiteRT does not run this model here. NPU: no NPU accelerator is registered; GPU: the kernel failed", error.message)
        }
    }

    @Test
    fun aModelInMemoryIsRefusedWithWhatToDo() {
        try {
            ImageClassifier.open(ByteBuffer.wrap(file.readBytes()), CompiledModelRuntime()).close()
            fail("LiteRT 2 takes no bytes")
        } catch (error: ModelException) {
            assertTrue(error.message!!, "Use openAsset or openFile" in error.message!!)
        }
    }
}
