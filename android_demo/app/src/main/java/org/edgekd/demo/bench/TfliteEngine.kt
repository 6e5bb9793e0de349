package org.edgekd.demo.bench

import org.tensorflow.lite.DataType
import org.tensorflow.lite.Delegate
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.InterpreterApi
import org.tensorflow.lite.TensorFlowLite
import java.io.File
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel

/** TensorFlow Lite as it is packed into the app; [content] gives the model's bytes, mapped or in a direct buffer. */
class TfliteEngine(private val content: () -> ByteBuffer) : Engine {
    constructor(file: File) : this({
        RandomAccessFile(file, "r").use { it.channel.map(FileChannel.MapMode.READ_ONLY, 0, it.length()) }
    })

    override fun start(): String {
        try {
            TensorFlowLite.init()
        } catch (error: LinkageError) {
            throw PlanException("TensorFlow Lite's native library doesn't load: ${error.message}", error)
        }
        return "TensorFlow Lite ${TensorFlowLite.runtimeVersion()}"
    }

    override fun load(settings: Settings): LoadedModel {
        val delegate = DELEGATES[settings.delegate]?.let { delegateOf(settings.delegate, it) }
        var interpreter: Interpreter? = null
        try {
            val model = content()
            interpreter = Interpreter(model, options(settings, delegate))
            interpreter.allocateTensors()
            return TfliteModel(interpreter, settings, model, delegate)
        } catch (error: Throwable) {
            interpreter?.close()
            (delegate as? AutoCloseable)?.close()
            // What TensorFlow Lite throws where it does not take a model.
            if (error !is IllegalArgumentException && error !is IllegalStateException) throw error
            throw PlanException("the model can't be loaded with delegate ${settings.delegate}: ${error.message}", error)
        }
    }

    private fun delegateOf(name: String, className: String): Delegate =
        try {
            Class.forName(className).getDeclaredConstructor().newInstance() as Delegate
        } catch (error: ReflectiveOperationException) {
            throw PlanException("no $name delegate in this app: ${error.cause ?: error}", error)
        } catch (error: LinkageError) {
            throw PlanException("the $name delegate doesn't load here: $error", error)
        } catch (error: RuntimeException) {
            throw PlanException("the $name delegate doesn't start here: $error", error)
        }

    private companion object {
        // By name: an app has the libraries that hold them, or not.
        val DELEGATES = mapOf("gpu" to "org.tensorflow.lite.gpu.GpuDelegate")
    }
}

private fun options(settings: Settings, delegate: Delegate?): Interpreter.Options {
    val options = Interpreter.Options().setNumThreads(settings.threads).setUseXNNPACK(settings.delegate == "xnnpack")
    return if (delegate == null) options else options.addDelegate(delegate)
}

private class TfliteModel(
    private val interpreter: Interpreter,
    private val settings: Settings,
    private val model: ByteBuffer,
    private val delegate: Delegate?,
) : LoadedModel {
    private val input = interpreter.getInputTensor(0)
    private val type = interpreter.getOutputTensor(0).dataType()
    private val output = ByteBuffer.allocateDirect(interpreter.getOutputTensor(0).numBytes()).order(ByteOrder.nativeOrder())

    init {
        val inputs = interpreter.inputTensorCount
        if (inputs != 1) throw PlanException("the model must have one input, it has $inputs")
        if (input.dataType() !in listOf(DataType.UINT8, DataType.INT8, DataType.FLOAT32)) {
            throw PlanException("the model's input must be uint8, int8 or float32, got ${input.dataType()}")
        }
    }

    override fun prepare(images: Images, index: Int): ByteBuffer {
        val wanted = listOf(1, images.height, images.width, Images.CHANNELS)
        if (input.shape().toList() != wanted) {
            throw PlanException("the model takes ${input.shape().toList()}, the images are $wanted")
        }
        val image = images[index]
        val prepared = ByteBuffer.allocateDirect(input.numBytes()).order(ByteOrder.nativeOrder())
        when (input.dataType()) {
            DataType.UINT8 -> prepared.put(image)
            // A pixel less 128, as files that other tools quantize take it.
            DataType.INT8 -> while (image.hasRemaining()) prepared.put((image.get().toInt() xor 0x80).toByte())
            else -> while (image.hasRemaining()) prepared.putFloat((image.get().toInt() and 0xFF).toFloat())
        }
        prepared.flip()
        return prepared
    }

    override fun infer(input: ByteBuffer) {
        input.rewind()
        output.rewind()
        interpreter.run(input, output)
    }

    override fun answer(): Int {
        val values: (Int) -> Float = when (type) {
            DataType.FLOAT32 -> { k -> output.getFloat(k * Float.SIZE_BYTES) }
            DataType.UINT8 -> { k -> (output.get(k).toInt() and 0xFF).toFloat() }
            DataType.INT8 -> { k -> output.get(k).toFloat() }
            else -> throw PlanException("the model's output must be float32, uint8 or int8, got $type")
        }
        val count = output.capacity() / type.byteSize()
        var best = 0
        for (k in 1 until count) if (values(k) > values(best)) best = k
        return best
    }

    /**
     * The delegate asked for, where it took ops: the plan is then shorter than without it. "none" where XNNPACK took
     * no op, "unknown" where this build of the runtime doesn't tell.
     */
    override fun delegate(): String {
        if (settings.delegate == "none") return "none"
        val ours = planLength(interpreter) ?: return "unknown"
        val plain = Interpreter(model, options(settings.copy(delegate = "none"), null)).use {
            it.allocateTensors()
            planLength(it)
        }
        if (ours != plain) return settings.delegate
        // XNNPACK is what TensorFlow Lite itself does without in some builds; the others were meant.
        if (settings.delegate == "xnnpack") return "none"
        throw PlanException("the ${settings.delegate} delegate took no op of this model: the CPU would have been measured")
    }

    /** Null where a shrunk app has the method no more. */
    private fun planLength(of: InterpreterApi): Int? =
        try {
            val method = of.javaClass.superclass?.getDeclaredMethod("getExecutionPlanLength")
            method?.isAccessible = true
            method?.invoke(of) as? Int
        } catch (_: ReflectiveOperationException) {
            null
        }

    override fun close() {
        interpreter.close()
        (delegate as? AutoCloseable)?.close()
    }
}
