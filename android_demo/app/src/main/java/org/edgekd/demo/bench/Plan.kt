package org.edgekd.demo.bench

import org.json.JSONException
import org.json.JSONObject
import org.json.JSONTokener
import java.io.File

/** What was asked for can't be done; the message says why. */
class PlanException(message: String, cause: Throwable? = null) : Exception(message, cause)

/** How to measure one model: the keys of a plan that are no files. */
data class Settings(
    val threads: Int = 1,
    val delegate: String = "xnnpack",
    val warmupMinIterations: Int = 16,
    val warmupMaxS: Double = 1.0,
    val seconds: Double = 1.0,
    val minIterations: Int = 16,
    val maxIterations: Int = 1000,
    val paceMs: Double? = null,
    val curve: Boolean = false,
    val answers: Boolean = false,
)

/** A plan as `edgekd bench` writes it. The files are names in the plan's own folder; the reply's is in the app's. */
data class Plan(
    val model: String,
    val inputs: String,
    val checkInputs: String?,
    val out: String,
    val settings: Settings,
    val endToEnd: EndToEndPlan? = null,
)

const val DEFAULT_OUT = "reply.json"
private const val MAX_THREADS = 256
private const val MAX_SECONDS = 3600.0
private const val MAX_ITERATIONS = 10_000_000
private const val MAX_PACE_MS = 60_000.0
private val DELEGATES = setOf("xnnpack", "none", "gpu")
private val PUSHED_FOLDER = Regex("/data/local/tmp/edgekd-[A-Za-z0-9]{6,18}")
private val PLAIN_NAME = Regex("[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")

/** A file name with no way out of its folder. Throws PlanException. */
fun plainName(name: String, key: String): String =
    if (PLAIN_NAME.matches(name)) {
        name
    } else {
        throw PlanException("$key must be a plain file name of letters, digits, '.', '_' and '-', got '$name'")
    }

/** Read a plan strictly: every key there, of its type, within its bounds, and none besides. Throws PlanException. */
fun readPlan(text: String): Plan {
    val keys = Keys(parseObject(text))
    val format = keys.text("format")
    if (format != "tflite") throw PlanException("format must be tflite: this app runs no other, got '$format'")
    if (!keys.isNull("affinity")) {
        throw PlanException("affinity must be null: an app may not choose the CPUs of the runtime's threads")
    }
    val delegate = keys.text("delegate")
    if (delegate !in DELEGATES) throw PlanException("delegate must be one of ${DELEGATES.joinToString()}, got '$delegate'")
    val settings = Settings(
        threads = keys.int("threads", 1, MAX_THREADS),
        delegate = delegate,
        warmupMinIterations = keys.int("warmup_min_iterations", 0, MAX_ITERATIONS),
        warmupMaxS = keys.number("warmup_max_s", 0.0, MAX_SECONDS),
        seconds = keys.number("seconds", 0.0, MAX_SECONDS),
        minIterations = keys.int("min_iterations", 1, MAX_ITERATIONS),
        maxIterations = keys.int("max_iterations", 1, MAX_ITERATIONS),
        paceMs = if (keys.isNull("pace_ms")) null else keys.number("pace_ms", Double.MIN_VALUE, MAX_PACE_MS),
        curve = keys.flag("curve"),
        answers = keys.flag("answers"),
    )
    if (settings.minIterations > settings.maxIterations) {
        throw PlanException("min_iterations must be <= max_iterations, got ${settings.minIterations} and ${settings.maxIterations}")
    }
    val plan = Plan(
        model = plainName(keys.text("model"), "model"),
        inputs = plainName(keys.text("inputs"), "inputs"),
        checkInputs = if (keys.isNull("check_inputs")) null else plainName(keys.text("check_inputs"), "check_inputs"),
        out = if (keys.has("out")) plainName(keys.text("out"), "out") else DEFAULT_OUT,
        settings = settings,
        endToEnd = if (keys.has("end_to_end")) readEndToEnd(keys.part("end_to_end")) else null,
    )
    keys.refuseOthers()
    return plan
}

/** Where the reply belongs, as far as a plan that may be wrong otherwise can tell; else [otherwise]. */
fun outOf(text: String, otherwise: String = DEFAULT_OUT): String =
    try {
        val out = parseObject(text).opt("out")
        if (out is String && PLAIN_NAME.matches(out)) out else otherwise
    } catch (_: PlanException) {
        otherwise
    }

/** The word that a plan without a measurement wants back; null for any other plan. */
fun greetingOf(text: String): String? =
    try {
        (parseObject(text).opt("hello") as? String)?.takeIf(PLAIN_NAME::matches)
    } catch (_: PlanException) {
        null
    }

/** The folder that a shell has pushed files to, [own] where it names none. Throws PlanException for any other folder. */
fun pushedFolder(path: String?, own: File): File = when {
    path == null -> own
    PUSHED_FOLDER.matches(path) -> File(path)
    else -> throw PlanException("folder must be one that edgekd made under /data/local/tmp, got '${path.take(100)}'")
}

private fun parseObject(text: String): JSONObject =
    try {
        val tokens = JSONTokener(text)
        val value = tokens.nextValue() as? JSONObject ?: throw PlanException("the plan is no JSON object")
        if (tokens.nextClean().code != 0) throw PlanException("the plan goes on after its JSON object")
        value
    } catch (error: JSONException) {
        throw PlanException("the plan is not JSON: ${error.message}", error)
    } catch (error: StackOverflowError) {
        throw PlanException("the plan is nested too deep", error)
    }

/** A JSON object that remembers which keys were asked for, and converts nothing. */
private class Keys(private val source: JSONObject) {
    private val known = mutableSetOf<String>()

    fun has(key: String): Boolean {
        known += key
        return source.has(key)
    }

    fun isNull(key: String): Boolean = value(key) == JSONObject.NULL

    fun text(key: String): String = value(key) as? String ?: throw wrong(key, "text")

    fun part(key: String): JSONObject = value(key) as? JSONObject ?: throw wrong(key, "an object")

    fun flag(key: String): Boolean = value(key) as? Boolean ?: throw wrong(key, "true or false")

    fun int(key: String, from: Int, to: Int): Int {
        val number = value(key)
        return if (number is Int && number in from..to) number else throw wrong(key, "a whole number from $from to $to")
    }

    fun number(key: String, from: Double, to: Double): Double {
        val number = (value(key) as? Number)?.toDouble()
        val above = if (from == Double.MIN_VALUE) "above 0" else "from $from"
        return if (number != null && number in from..to) number else throw wrong(key, "a number $above to $to")
    }

    fun refuseOthers() {
        val others = source.keys().asSequence().filter { it !in known }.toList()
        if (others.isNotEmpty()) throw PlanException("the plan has keys that this app doesn't know: ${others.joinToString()}")
    }

    private fun value(key: String): Any {
        if (!has(key)) throw PlanException("the plan has no key '$key'")
        return source.get(key)
    }

    private fun wrong(key: String, wanted: String) =
        PlanException("$key must be $wanted, got ${source.get(key).toString().take(100)}")
}
