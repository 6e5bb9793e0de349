package org.edgekd.classifier

import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.Environment
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer
import java.nio.ByteBuffer

/**
 * CompiledModel of com.google.ai.edge.litert:litert 2 (Android 7 and later): the first of [accelerators] that takes the
 * model, which [RuntimeSession.accelerator] then names.
 *
 * GPU and NPU may leave ops to the CPU where the list names it too; an NPU always may. What they compute differs from the
 * CPU's answers by more than rounding (GPUs compute in half precision), so an app that wants Python's answers leaves the
 * list as it is. An NPU's libraries come with an [environment] that names them:
 *
 *     Environment.create(context, BuiltinNpuAcceleratorProvider(context))
 *
 * It must stay open as long as the classifier. LiteRT reads the model by itself: open it with openAsset or openFile.
 */
class CompiledModelRuntime(
    private val accelerators: List<Accelerator> = listOf(Accelerator.CPU),
    private val threads: Int = 1,
    private val environment: Environment? = null,
) : ModelRuntime {
    init {
        require(accelerators.isNotEmpty()) { "accelerators must name at least one, such as Accelerator.CPU" }
        require(threads >= 1) { "threads must be 1 or more, got $threads" }
    }

    override fun open(model: ModelFile): RuntimeSession {
        val refusals = mutableListOf<String>()
        var last: Throwable? = null
        for (accelerator in accelerators) {
            try {
                return session(model, accelerator)
            } catch (error: LiteRtException) {
                last = error
            } catch (error: LinkageError) { // a native library for another processor, or none
                last = error
            }
            refusals += "$accelerator: ${last.message ?: last}"
        }
        throw ModelException(ModelError.RUNTIME, "LiteRT does not run this model here. ${refusals.joinToString("; ")}", last)
    }

    private fun session(model: ModelFile, accelerator: Accelerator): Session {
        val compiled = compile(model.source, options(accelerator))
        val session = Session(compiled, model.record, accelerator.name)
        try {
            session.prepare()
            return session
        } catch (error: Throwable) {
            session.close()
            throw error
        }
    }

    private fun compile(source: ModelSource, options: CompiledModel.Options): CompiledModel = when (source) {
        is ModelSource.Asset -> CompiledModel.create(source.assets, source.name, options, environment)
        is ModelSource.OnDisk -> CompiledModel.create(source.file.path, options, environment)
        is ModelSource.Memory -> throw ModelException(ModelError.RUNTIME, "LiteRT 2 reads a model from an asset or a file. Use openAsset or openFile.")
    }

    private fun options(accelerator: Accelerator): CompiledModel.Options {
        val withCpu = accelerator != Accelerator.CPU && Accelerator.CPU in accelerators
        val options = if (withCpu) CompiledModel.Options(accelerator, Accelerator.CPU) else CompiledModel.Options(accelerator)
        if (accelerator == Accelerator.CPU || withCpu) options.cpuOptions = CompiledModel.CpuOptions(numThreads = threads)
        return options
    }

    private class Session(
        private val compiled: CompiledModel,
        private val record: ModelRecord,
        override val accelerator: String,
    ) : RuntimeSession {
        private var inputs: List<TensorBuffer> = emptyList()
        private var outputs: List<TensorBuffer> = emptyList()

        /** Runs once: what cannot run says so now, so that the next of the list can take over. */
        fun prepare() {
            inputs = compiled.createInputBuffers()
            outputs = compiled.createOutputBuffers()
            run(ByteArray(record.preprocessing.inputBytes), ByteBuffer.allocate(record.labels.size * Float.SIZE_BYTES))
        }

        override fun run(input: ByteArray, output: ByteBuffer): Long {
            inputs[0].writeInt8(input)
            val start = System.nanoTime()
            compiled.run(inputs, outputs)
            // A GPU may still compute when run returns; reading waits for it.
            if (record.hasFloatOutput) outputs[0].readFloat().forEach(output::putFloat) else output.put(outputs[0].readInt8())
            return System.nanoTime() - start
        }

        override fun close() {
            inputs.forEach(TensorBuffer::close)
            outputs.forEach(TensorBuffer::close)
            compiled.close()
        }
    }
}
