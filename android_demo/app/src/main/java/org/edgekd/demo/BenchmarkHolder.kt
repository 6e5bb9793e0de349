package org.edgekd.demo

import android.net.Uri
import org.edgekd.classifier.Delegate
import org.edgekd.classifier.ImageClassifier
import org.edgekd.classifier.InterpreterRuntime
import org.edgekd.classifier.ModelException
import org.edgekd.classifier.PhotoException
import org.edgekd.demo.bench.Clock
import org.edgekd.demo.bench.DeviceFacts
import org.edgekd.demo.bench.Images
import org.edgekd.demo.bench.PlanException
import org.edgekd.demo.bench.Reply
import org.edgekd.demo.bench.Runner
import org.edgekd.demo.bench.Settings
import org.edgekd.demo.bench.TfliteEngine
import java.io.ByteArrayOutputStream
import java.io.IOException
import kotlin.random.Random

/** What the measurement needs of the phone. */
class Bench(
    val clock: Clock,
    val device: DeviceFacts,
    val deviceName: String,
    val golden: (ModelChoice) -> GoldenManifest?,
    /** Puts a result where others may be let at it. Throws IOException. */
    val keep: (String) -> Uri,
)

/** The third screen without its views: measures the chosen models in turn, and checks their golden vectors. */
class BenchmarkHolder(
    private val background: Background,
    private val models: Models,
    private val bench: Bench,
) {
    val store = Store(BenchmarkState())

    /** Why the measurement that runs is to end. */
    @Volatile
    private var stop: Said? = null

    fun offer(all: List<ModelChoice>) = store.update {
        val chosen = it.choices.chosen.ifEmpty { all.toSet() }
        it.copy(models = all, choices = it.choices.copy(chosen = chosen))
    }

    fun choose(change: (BenchmarkChoices) -> BenchmarkChoices) = store.update { it.copy(choices = change(it.choices)) }

    fun cancel() {
        stop = Said(R.string.bench_cancelled)
    }

    /** The app is not seen any more. */
    fun leave() {
        stop = Said(R.string.bench_left)
    }

    /** Write the result to a file, and [then] hand on its address. */
    fun share(then: (Uri) -> Unit) {
        val json = store.state.json ?: return
        background.run({ bench.keep(json) }) { result ->
            result.fold(then) { error -> store.update { it.copy(problem = Said(R.string.share_failed, error.message.orEmpty())) } }
        }
    }

    fun run() {
        val state = store.state
        if (state.progress != null || state.choices.chosen.isEmpty()) return
        stop = null
        val wanted = state.models.orEmpty().filter { it in state.choices.chosen }
        val first = Progress(0, wanted.size * (state.choices.rounds + 1), Said(R.string.bench_preparing))
        store.update { it.copy(progress = first, problem = null, measured = emptyList(), golden = emptyList(), json = null) }
        background.run({ measure(wanted, state.choices) }) { result ->
            store.update { now ->
                result.fold(
                    { now.copy(progress = null, measured = it.measured, golden = it.golden, json = it.json) },
                    { now.copy(progress = null, problem = problem(it)) },
                )
            }
        }
    }

    private class Subject(val choice: ModelChoice, val facts: ModelFacts, val images: Images, val sha256: String)

    private class Outcome(val measured: List<Measured>, val golden: List<GoldenRow>, val json: String)

    private fun measure(wanted: List<ModelChoice>, choices: BenchmarkChoices): Outcome {
        val subjects = wanted.map { subject(it, choices.photos) }
        val steps = wanted.size * (choices.rounds + 1)
        val before = bench.device.now()
        val launches = subjects.associateWith { mutableListOf<Reply>() }
        val random = Random(0)
        val order = List(choices.rounds) { subjects.shuffled(random) }
        var step = 0
        order.forEachIndexed { round, turn ->
            for (subject in turn) {
                tell(Progress(step++, steps, Said(R.string.bench_measuring, subject.choice.title, "${round + 1}", "${choices.rounds}")))
                launches.getValue(subject) += launch(subject, choices.settings.copy(answers = round == 0))
            }
        }
        val measured = subjects.map { Measured(it.choice, it.facts, it.images.count, it.sha256, launches.getValue(it)) }
        val golden = subjects.map {
            tell(Progress(step++, steps, Said(R.string.bench_checking, it.choice.title)))
            goldenRow(it.choice, choices.settings)
        }
        val result = InAppResult(bench.deviceName, choices, measured, order.map { turn -> turn.map { it.choice } }, golden, before, bench.device.now())
        return Outcome(measured, golden, result.toJson())
    }

    /** A fresh interpreter each time. */
    private fun launch(subject: Subject, settings: Settings): Reply {
        val runner = Runner(TfliteEngine { models.content(subject.choice) }, bench.clock, bench.device)
        return runner.measure(settings, subject.images) { goOn() }
    }

    private fun subject(choice: ModelChoice, photos: List<Photo>): Subject = models.open(choice).use { model ->
        goOn()
        val inputs = if (photos.isEmpty()) goldenInputs(choice) else photos.map { model.preprocess(it.read()) }
        val together = ByteArrayOutputStream().also { all -> inputs.forEach(all::write) }.toByteArray()
        val images = Images.of(model.record.inputHeight, model.record.inputWidth, inputs)
        Subject(choice, model.facts(), images, sha256(together))
    }

    private fun goldenInputs(choice: ModelChoice): List<ByteArray> {
        val golden = bench.golden(choice) ?: throw NoInputsException(choice)
        return golden.vectors.take(MAX_INPUTS).map { golden.bytes(it.input) }
    }

    /** By the kernels that were measured. */
    private fun goldenRow(choice: ModelChoice, settings: Settings): GoldenRow =
        try {
            val golden = bench.golden(choice)
            if (golden == null) {
                GoldenRow(choice, problem = Said(R.string.golden_none))
            } else {
                val delegate = if (settings.delegate == "none") Delegate.NONE else Delegate.XNNPACK
                models.open(choice, InterpreterRuntime(settings.threads, delegate)).use { model: ImageClassifier ->
                    GoldenRow(choice, checkGolden(model, golden) { goOn() })
                }
            }
        } catch (error: GoldenException) {
            GoldenRow(choice, problem = Said(R.string.golden_bad, error.message.orEmpty()))
        }

    private fun tell(progress: Progress) {
        goOn()
        background.onScreen { store.update { if (it.progress == null) it else it.copy(progress = progress) } }
    }

    private fun goOn() {
        stop?.let { throw StoppedException(it) }
    }

    private class StoppedException(val why: Said) : Exception()

    private class NoInputsException(val choice: ModelChoice) : Exception()

    private fun problem(error: Throwable): Said = when (error) {
        is StoppedException -> error.why
        is NoInputsException -> Said(R.string.bench_no_inputs, error.choice.title)
        is PlanException -> Said(R.string.bench_failed, error.message.orEmpty())
        is GoldenException -> Said(R.string.golden_bad, error.message.orEmpty())
        is ModelException -> Said(R.string.bench_failed, error.message.orEmpty())
        is PhotoException, is IOException, is SecurityException -> photoProblem(error)
        else -> otherProblem(error)
    }

    companion object {
        /** More images don't make a median better, and each takes memory as the model's own type. */
        const val MAX_INPUTS = 32
    }
}
