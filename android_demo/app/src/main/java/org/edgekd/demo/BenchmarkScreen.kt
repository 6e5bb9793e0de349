package org.edgekd.demo

import android.app.Activity
import android.content.Context
import android.view.View
import android.view.ViewGroup
import android.widget.CheckBox
import android.widget.ProgressBar
import android.widget.Spinner
import android.widget.Switch
import android.widget.TextView
import java.util.Locale

/** A measurement of the packaged models, with a table, the golden vectors' verdict and a JSON to share. */
class BenchmarkScreen(activity: Activity, private val holder: BenchmarkHolder, private val host: Host) : Screen {
    private val inflater = activity.layoutInflater
    override val view: View = inflater.inflate(R.layout.screen_benchmark, null)
    private val models: ViewGroup = view.findViewById(R.id.bench_models)
    private val threads: Spinner = view.findViewById(R.id.threads)
    private val rounds: Spinner = view.findViewById(R.id.rounds)
    private val xnnpack: Switch = view.findViewById(R.id.xnnpack)
    private val run: TextView = view.findViewById(R.id.run)
    private val photos: TextView = view.findViewById(R.id.bench_photos)
    private val table: ViewGroup = view.findViewById(R.id.bench_rows)
    private val golden: ViewGroup = view.findViewById(R.id.golden_rows)

    init {
        run.setOnClickListener { if (holder.store.state.progress == null) holder.run() else holder.cancel() }
        photos.setOnClickListener {
            val chosen = holder.store.state.choices.photos.isNotEmpty()
            if (chosen) holder.choose { it.copy(photos = emptyList()) } else host.pickPhotos(forBenchmark = true)
        }
        view.findViewById<View>(R.id.share).setOnClickListener { holder.share(host::share) }
    }

    override fun start() = holder.store.watch(::render)

    override fun stop() = holder.store.watch(null)

    private fun render(state: BenchmarkState) {
        showChoices(state)
        val none = if (state.models?.isEmpty() == true) Said(R.string.model_none) else null
        view.findViewById<TextView>(R.id.bench_problem).showOrHide(state.problem ?: none)
        showProgress(state)
        host.measuring(state.progress != null)
        view.findViewById<View>(R.id.bench_result).visibleIf(state.measured.isNotEmpty())
        fill(table, R.layout.row_bench, state.measured) { row, one -> showRow(row, one, state.baseline) }
        view.findViewById<View>(R.id.golden_card).visibleIf(state.golden.isNotEmpty())
        fill(golden, R.layout.row_golden, state.golden, ::showGolden)
        view.findViewById<View>(R.id.share).visibleIf(state.json != null)
    }

    private fun showChoices(state: BenchmarkState) {
        val choices = state.choices
        val idle = state.progress == null
        fill(models, R.layout.row_model, state.models.orEmpty()) { row, model ->
            val box = row as CheckBox
            box.text = model.title
            box.setOnCheckedChangeListener(null)
            box.isChecked = model in choices.chosen
            box.isEnabled = idle
            box.setOnCheckedChangeListener { _, on ->
                holder.choose { it.copy(chosen = if (on) it.chosen + model else it.chosen - model) }
            }
        }
        threads.show(THREADS.map { plural(R.plurals.threads, it) }, THREADS.indexOf(choices.settings.threads)) { at ->
            holder.choose { it.copy(settings = it.settings.copy(threads = THREADS[at])) }
        }
        rounds.show(ROUNDS.map { plural(R.plurals.rounds, it) }, ROUNDS.indexOf(choices.rounds)) { at ->
            holder.choose { it.copy(rounds = ROUNDS[at]) }
        }
        threads.isEnabled = idle
        rounds.isEnabled = idle
        xnnpack.setOnCheckedChangeListener(null)
        xnnpack.isChecked = choices.settings.delegate == "xnnpack"
        xnnpack.isEnabled = idle
        xnnpack.setOnCheckedChangeListener { _, on -> holder.choose { it.copy(settings = it.settings.copy(delegate = if (on) "xnnpack" else "none")) } }
        val inputs = view.findViewById<TextView>(R.id.bench_inputs)
        inputs.text = if (choices.photos.isEmpty()) view.context.getString(R.string.bench_inputs_golden) else plural(R.plurals.bench_inputs_photos, choices.photos.size)
        photos.setText(if (choices.photos.isEmpty()) R.string.photos_pick else R.string.bench_use_golden)
        photos.isEnabled = idle
        run.isEnabled = choices.chosen.isNotEmpty()
    }

    private fun plural(id: Int, count: Int) = view.context.resources.getQuantityString(id, count, count)

    private fun showProgress(state: BenchmarkState) {
        val progress = state.progress
        run.setText(if (progress == null) R.string.bench_run else R.string.bench_cancel)
        val bar = view.findViewById<ProgressBar>(R.id.bench_bar)
        bar.visibleIf(progress != null)
        if (progress != null) bar.progress = bar.max * progress.step / progress.steps
        view.findViewById<TextView>(R.id.bench_progress).showOrHide(progress?.what)
    }

    private fun showRow(row: View, one: Measured, baseline: Measured?) {
        val context = view.context
        val ratio = if (one === baseline || baseline == null) context.getString(R.string.bench_baseline) else ratio(one.p50Ms / baseline.p50Ms)
        row.findViewById<TextView>(R.id.bench_name).text = one.choice.title
        row.findViewById<TextView>(R.id.bench_facts).text = facts(context, one)
        row.findViewById<TextView>(R.id.bench_p50).text = formatMs(one.p50Ms)
        row.findViewById<TextView>(R.id.bench_p90).text = context.ms(one.p90Ms)
        row.findViewById<TextView>(R.id.bench_ratio).text = ratio
        row.contentDescription = context.getString(R.string.bench_row_description, one.choice.title, formatMs(one.p50Ms), context.ms(one.p90Ms), ratio)
    }

    /** Two digits that say something. */
    private fun ratio(value: Double) = String.format(Locale.getDefault(), if (value < 0.095) "%.3f×" else "%.2f×", value)

    private fun facts(context: Context, one: Measured) = listOf(
        formatSize(one.facts.sizeBytes),
        one.launches.first().delegate.let { if (it == "none") context.getString(R.string.no_delegate) else it.uppercase(Locale.ROOT) },
        context.getString(R.string.samples, one.samples),
    ).joinToString(" · ")

    private fun showGolden(row: View, one: GoldenRow) {
        val context = view.context
        val (word, color) = when (one.result?.verdict) {
            null -> R.string.golden_unknown to R.color.text_soft
            Verdict.SAME -> R.string.golden_yes to R.color.good
            Verdict.ROUNDED -> R.string.golden_rounded to R.color.text
            Verdict.SAME_CLASSES -> R.string.golden_classes to R.color.text
            Verdict.DIFFERENT -> R.string.golden_no to R.color.bad
        }
        row.findViewById<TextView>(R.id.golden_name).text = one.choice.title
        row.findViewById<TextView>(R.id.golden_verdict).apply {
            setText(word)
            setTextColor(context.color(color))
        }
        row.findViewById<TextView>(R.id.golden_details).text = one.problem?.text(context) ?: one.result?.let { details(context, it) }
    }

    private fun details(context: Context, result: GoldenResult): String = buildList {
        add(context.getString(R.string.golden_equal, result.equal, result.count))
        if (result.unread.isNotEmpty()) {
            val kinds = result.unread.groupingBy { it.kind.uppercase(Locale.ROOT) }.eachCount().map { "${it.value} ${it.key}" }
            add(context.getString(R.string.golden_unread, kinds.joinToString()))
        }
        if (result.inputDiffers.isNotEmpty()) add(context.getString(R.string.golden_inputs_differ, few(result.inputDiffers)))
        val answers = if (result.verdict == Verdict.ROUNDED) R.string.golden_near_ties else R.string.golden_other_answers
        if (result.answersDiffer.isNotEmpty()) add(context.getString(answers, few(result.answersDiffer)))
        if (!result.probabilitiesJudged) {
            add(context.getString(R.string.golden_not_judged))
        } else if (result.probabilitiesDiffer.isNotEmpty()) {
            val most = String.format(Locale.getDefault(), "%.3f", result.largestDifference)
            add(context.getString(R.string.golden_probabilities_differ, most, few(result.probabilitiesDiffer)))
        }
    }.joinToString(". ")

    private fun few(names: List<String>) = names.take(FEW).joinToString() + if (names.size > FEW) "…" else ""

    private fun <T> fill(into: ViewGroup, layout: Int, items: List<T>, show: (View, T) -> Unit) {
        while (into.childCount > items.size) into.removeViewAt(into.childCount - 1)
        while (into.childCount < items.size) inflater.inflate(layout, into)
        items.forEachIndexed { k, item -> show(into.getChildAt(k), item) }
    }

    private companion object {
        val THREADS = listOf(1, 2, 4)
        val ROUNDS = listOf(1, 3, 7)
        const val FEW = 3
    }
}
