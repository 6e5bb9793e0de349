package org.edgekd.demo.bench

import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.io.OutputStream

/**
 * Answers a plan with a reply in [folder], written under a temporary name and renamed.
 *
 * [engine] makes the runtime for a model's file, [open] the stream that a reply is written to; [inputs] is where the
 * plan and its files lie, and throws PlanException where that can't be.
 */
class Agent(
    private val folder: File,
    private val clock: Clock,
    private val device: DeviceFacts,
    private val engine: (File) -> Engine,
    private val open: (File) -> OutputStream = ::FileOutputStream,
    private val inputs: () -> File = { folder },
) {
    /**
     * Run the plan of that name; returns one line on how it ended. Never throws: a refusal is a reply.
     *
     * [outName] names the reply where the plan itself can't be read.
     */
    fun run(planName: String?, outName: String? = null): String {
        var out = DEFAULT_OUT
        val reply = try {
            out = plainName(outName ?: DEFAULT_OUT, "out")
            val name = plainName(planName ?: throw PlanException("no plan was named: give its file name as the extra 'plan'"), "plan")
            // What an earlier launch left is no answer to this one.
            File(folder, out).delete()
            val text = read(name)
            out = outOf(text, out)
            File(folder, out).delete()
            greetingOf(text)?.let(::greet) ?: measure(readPlan(text))
        } catch (error: Throwable) { // whatever it was, the one who waits wants the reason
            refusal(reason(error))
        }
        val said = reply.optString("error").ifEmpty { "done" }
        return write(out, reply.toString()) ?: "$out: $said"
    }

    private fun measure(plan: Plan): org.json.JSONObject {
        val from = inputs()
        val model = File(from, plan.model)
        if (!model.isFile) throw PlanException("${plan.model} is not in ${from.path}")
        val images = readNpy(File(from, plan.inputs))
        val check = plan.checkInputs?.let { readNpy(File(from, it)) }
        val raw = plan.endToEnd?.let { readRawPhotos(it, from) }
        return Runner(engine(model), clock, device).measure(plan.settings, images, check, raw).toJson()
    }

    /** Nothing is measured: who asks wants to know whether plans can be read and replies arrive. */
    private fun greet(greeting: String) =
        org.json.JSONObject().put("schema", SCHEMA).put("hello", greeting).put("device", org.json.JSONObject(device.now()))

    private fun read(name: String): String {
        val file = File(inputs(), name)
        if (file.length() > MAX_PLAN_BYTES) throw PlanException("$name has ${file.length()} bytes, more than any plan")
        return try {
            file.readText()
        } catch (error: IOException) {
            throw PlanException("the plan $name can't be read from ${file.parent}: ${error.message}", error)
        }
    }

    /** Null if the reply is in its place; else why it isn't. A refusal is tried where a whole reply didn't fit. */
    private fun write(out: String, content: String): String? {
        val failed = tryWrite(out, content) ?: return null
        val reason = "$out can't be written: $failed"
        tryWrite(out, refusal(reason).toString())
        return reason
    }

    private fun tryWrite(out: String, content: String): String? {
        val temporary = File(folder, "$out.part")
        try {
            open(temporary).use {
                it.write(content.toByteArray())
                it.flush()
                (it as? FileOutputStream)?.fd?.sync()
            }
            if (temporary.renameTo(File(folder, out))) return null
            temporary.delete()
            return "it couldn't be renamed from ${temporary.name}"
        } catch (error: IOException) {
            temporary.delete()
            return error.message ?: error.javaClass.simpleName
        }
    }

    private fun reason(error: Throwable): String =
        if (error is PlanException) error.message.orEmpty() else "${error.javaClass.simpleName}: ${error.message}"

    private companion object {
        const val MAX_PLAN_BYTES = 1L shl 20
    }
}
