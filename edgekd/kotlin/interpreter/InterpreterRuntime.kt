package org.edgekd.classifier

import org.tensorflow.lite.Interpreter
import java.io.Closeable
import java.nio.ByteBuffer

/** Kernels: TensorFlow Lite's plain ones, XNNPACK's, or the delegate for GPUs, whose library the app must ship. */
enum class Delegate { NONE, XNNPACK, GPU }

/** The interpreter of com.google.ai.edge.litert:litert 1.4 (Android 5 and later), on the CPU unless asked otherwise. */
data class InterpreterRuntime(val threads: Int = 1, val delegate: Delegate = Delegate.XNNPACK) : ModelRuntime {
    init {
        require(threads >= 1) { "threads must be 1 or more, got $threads" }
    }

    override fun open(model: ModelFile): RuntimeSession {
        var gpu: Closeable? = null
        var interpreter: Interpreter? = null
        try {
            val options = Interpreter.Options().setNumThreads(threads).setUseXNNPACK(delegate == Delegate.XNNPACK)
            if (delegate == Delegate.GPU) {
                val made = Class.forName(GPU_DELEGATE).getDeclaredConstructor().newInstance() as org.tensorflow.lite.Delegate
                gpu = made as Closeable
                options.addDelegate(made)
            }
            interpreter = Interpreter(model.bytes, options)
            interpreter.allocateTensors()
            return Session(interpreter, gpu, model.record, if (delegate == Delegate.NONE) "CPU" else delegate.name)
        } catch (error: Throwable) {
            interpreter?.close()
            gpu?.close()
            // A LinkageError is a native library for another processor, or none.
            throw if (error is Exception || error is LinkageError) refusal(error) else error
        }
    }

    private fun refusal(error: Throwable): ModelException {
        val reason = (error.cause ?: error).let { it.message ?: it.toString() }
        return ModelException(
            if (delegate == Delegate.GPU) ModelError.ACCELERATOR else ModelError.RUNTIME,
            if (delegate != Delegate.GPU) "TensorFlow Lite does not run this model: $reason"
            else "$delegate is not available here: $reason. Use XNNPACK, or add its library to the app.",
            error,
        )
    }

    private class Session(
        private val interpreter: Interpreter,
        private val gpu: Closeable?,
        record: ModelRecord,
        override val accelerator: String,
    ) : RuntimeSession {
        private val tensor = ByteBuffer.allocateDirect(record.preprocessing.inputBytes)

        override fun run(input: ByteArray, output: ByteBuffer): Long {
            tensor.rewind()
            tensor.put(input).rewind()
            interpreter.run(tensor, output)
            return interpreter.lastNativeInferenceDurationNanoseconds
        }

        override fun close() {
            interpreter.close()
            gpu?.close()
        }
    }

    private companion object {
        // By name: an app has the library that holds it, or not.
        const val GPU_DELEGATE = "org.tensorflow.lite.gpu.GpuDelegate"
    }
}
