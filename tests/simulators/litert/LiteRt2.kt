/**
 * The part of LiteRT 2.3's Kotlin API that CompiledModelRuntime.kt calls, for a JVM: names and types as in its source,
 * and TensorFlow Lite's interpreter computes. Its AAR is on Google's Maven alone.
 *
 * Source: litert/kotlin/src/main/kotlin of github.com/google-ai-edge/LiteRT.
 */
package com.google.ai.edge.litert

import android.content.res.AssetManager
import org.tensorflow.lite.Interpreter
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

enum class Accelerator { NONE, CPU, GPU, NPU }

class LiteRtException(message: String) : Exception(message)

class Environment : AutoCloseable {
    override fun close() = Unit
}

class TensorBuffer internal constructor(sizeBytes: Int) : AutoCloseable {
    internal val bytes: ByteBuffer = ByteBuffer.allocateDirect(sizeBytes).order(ByteOrder.nativeOrder())

    fun writeInt8(data: ByteArray) {
        if (data.size > bytes.capacity()) throw LiteRtException("the buffer is smaller than the data")
        bytes.rewind()
        bytes.put(data)
    }

    fun readInt8() = ByteArray(bytes.capacity()).also { bytes.rewind(); bytes.get(it) }

    fun readFloat(): FloatArray {
        bytes.rewind()
        return FloatArray(bytes.capacity() / Float.SIZE_BYTES) { bytes.getFloat() }
    }

    override fun close() {
        simulated.open--
    }
}

class CompiledModel private constructor(model: ByteBuffer, private val options: Options) : AutoCloseable {
    data class CpuOptions(val numThreads: Int? = null, val xnnPackFlags: Int? = null, val xnnPackWeightCachePath: String? = null)

    class Options(internal val accelerators: Set<Accelerator>) {
        constructor(vararg accelerators: Accelerator) : this(setOf(*accelerators))

        var cpuOptions: CpuOptions? = null
    }

    private val interpreter = Interpreter(model, Interpreter.Options().setNumThreads(options.cpuOptions?.numThreads ?: 1))

    init {
        simulated.open++
        simulated.compiled += options
    }

    fun createInputBuffers(): List<TensorBuffer> = listOf(buffer(interpreter.getInputTensor(0).numBytes()))

    fun createOutputBuffers(): List<TensorBuffer> = listOf(buffer(interpreter.getOutputTensor(0).numBytes()))

    private fun buffer(sizeBytes: Int) = TensorBuffer(sizeBytes).also { simulated.open++ }

    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>) {
        if (options.accelerators.any { it in simulated.failing }) throw LiteRtException("the kernel failed")
        (inputs + outputs).forEach { it.bytes.rewind() }
        interpreter.run(inputs.single().bytes, outputs.single().bytes)
    }

    override fun close() {
        simulated.open--
        interpreter.close()
    }

    companion object {
        fun create(assetManager: AssetManager, assetName: String, options: Options, optionalEnv: Environment? = null) =
            create(assetManager.open(assetName).use { it.readBytes() }, options)

        fun create(filePath: String, options: Options, optionalEnv: Environment? = null) = create(File(filePath).readBytes(), options)

        private fun create(model: ByteArray, options: Options): CompiledModel {
            options.accelerators.firstOrNull { it in simulated.missing }?.let { throw LiteRtException("no $it accelerator is registered") }
            return CompiledModel(ByteBuffer.allocateDirect(model.size).put(model), options)
        }
    }
}

/** A device's accelerators: those that it lacks, and those that take a model and then fail to run it. */
object simulated {
    var missing = setOf<Accelerator>()
    var failing = setOf<Accelerator>()

    /** Models and buffers that are not closed. */
    var open = 0

    /** Options of every model that was compiled. */
    val compiled = mutableListOf<CompiledModel.Options>()
}
