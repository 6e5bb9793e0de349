package org.edgekd.demo

import android.app.Activity
import android.view.View
import android.view.ViewGroup
import android.widget.BaseAdapter
import android.widget.ImageView
import android.widget.ListView
import android.widget.Spinner
import android.widget.TextView
import org.edgekd.classifier.Classification
import java.util.Locale

/** Two models on the same photos, side by side. */
class CompareScreen(activity: Activity, private val holder: CompareHolder, private val host: Host) : Screen {
    private val inflater = activity.layoutInflater
    override val view: View = inflater.inflate(R.layout.screen_compare, null)
    private val list: ListView = view.findViewById(R.id.compared)
    private val head: View = inflater.inflate(R.layout.part_compare_head, list, false)
    private val models = listOf<Spinner>(head.findViewById(R.id.left_model), head.findViewById(R.id.right_model))
    private val rows = Rows()

    init {
        list.addHeaderView(head, null, false)
        list.adapter = rows
        head.findViewById<View>(R.id.photos_button).setOnClickListener { host.pickPhotos(forBenchmark = false) }
    }

    override fun start() = holder.store.watch(::render)

    override fun stop() = holder.store.watch(null)

    private fun render(state: CompareState) {
        models.forEachIndexed { k, spinner ->
            spinner.showModels(state.models, state.sides[k].choice, { holder.choose(k, it) }) { host.pickModel(k) }
        }
        val none = if (state.models?.isEmpty() == true) Said(R.string.model_none) else null
        head.findViewById<TextView>(R.id.compare_problem).showOrHide(state.problem ?: none)
        showSummary(state)
        showTable(state)
        rows.show(state.rows)
    }

    private fun showSummary(state: CompareState) {
        val context = view.context
        val said = when {
            state.photos == 0 -> context.getString(R.string.compare_hint)
            state.problem != null -> ""
            !state.done -> context.getString(R.string.compare_progress, state.rows.size, state.photos)
            else -> context.getString(R.string.compare_agreement, state.agreed, state.compared, formatPercent(share(state)))
        }
        val summary = head.findViewById<TextView>(R.id.compare_summary)
        if (summary.text.toString() != said) summary.text = said
        summary.visibleIf(said.isNotEmpty())
        head.findViewById<View>(R.id.compare_labels).visibleIf(state.sides.mapNotNull { it.facts?.labels?.toSet() }.distinct().size > 1)
    }

    private fun share(state: CompareState) = if (state.compared == 0) 0f else state.agreed.toFloat() / state.compared

    private fun showTable(state: CompareState) {
        val context = view.context
        val (left, right) = state.sides
        head.findViewById<View>(R.id.compare_table).visibleIf(left.facts != null && right.facts != null)
        cells(R.id.left_title, left.choice?.title, R.id.right_title, right.choice?.title, 0, null)
        val sizes = state.sides.map { it.facts?.sizeBytes }
        cells(R.id.left_size, sizes[0]?.let(::formatSize), R.id.right_size, sizes[1]?.let(::formatSize), R.id.ratio_size, ratio(sizes[0]?.toDouble(), sizes[1]?.toDouble()))
        cells(R.id.left_precision, left.facts?.precision, R.id.right_precision, right.facts?.precision, 0, null)
        val inference = state.sides.map { it.inference.medianMs }
        cells(R.id.left_ms, context.ms(inference[0]), R.id.right_ms, context.ms(inference[1]), R.id.ratio_ms, ratio(inference[0], inference[1]))
        val p90 = state.sides.map { it.inference.p90Ms }
        cells(R.id.left_p90, context.ms(p90[0]), R.id.right_p90, context.ms(p90[1]), R.id.ratio_p90, ratio(p90[0], p90[1]))
        val total = state.sides.map { it.total.medianMs }
        cells(R.id.left_total, context.ms(total[0]), R.id.right_total, context.ms(total[1]), R.id.ratio_total, ratio(total[0], total[1]))
    }

    private fun cells(left: Int, leftText: String?, right: Int, rightText: String?, ratio: Int, ratioText: String?) {
        head.findViewById<TextView>(left).text = leftText
        head.findViewById<TextView>(right).text = rightText
        if (ratio != 0) head.findViewById<TextView>(ratio).text = ratioText
    }

    /** How many times less the right side is. */
    private fun ratio(left: Double?, right: Double?): String? =
        if (left == null || right == null || right <= 0) null else String.format(Locale.getDefault(), if (left / right < 9.95) "%.1f×" else "%.0f×", left / right)

    private inner class Rows : BaseAdapter() {
        private var shown = emptyList<Compared>()

        fun show(rows: List<Compared>) {
            if (rows === shown) return
            shown = rows
            notifyDataSetChanged()
        }

        override fun getCount() = shown.size

        override fun getItem(position: Int) = shown[position]

        override fun getItemId(position: Int) = position.toLong()

        override fun isEnabled(position: Int) = false

        override fun getView(position: Int, old: View?, parent: ViewGroup): View {
            val view = old ?: inflater.inflate(R.layout.row_compare, parent, false)
            val row = shown[position]
            view.findViewById<ImageView>(R.id.thumbnail).setImageBitmap(row.preview)
            view.findViewById<TextView>(R.id.photo_name).text = row.name
            val answers = listOf<TextView>(view.findViewById(R.id.left_answer), view.findViewById(R.id.right_answer))
            answers.forEachIndexed { k, cell ->
                cell.visibleIf(row.problem == null)
                cell.text = row.answers.getOrNull(k)?.let(::answer)
            }
            val verdict = view.findViewById<TextView>(R.id.verdict)
            verdict.visibleIf(row.problem == null)
            verdict.text = if (row.agree == false) "≠" else "="
            verdict.setTextColor(view.context.color(if (row.agree == false) R.color.bad else R.color.good))
            view.findViewById<TextView>(R.id.row_problem).showOrHide(row.problem)
            view.contentDescription = description(row)
            return view
        }

        private fun answer(of: Classification): String {
            val context = view.context
            val top = of.ranked[0]
            val percents = of.answer.joinToString { formatPercent(it.probability) }.ifEmpty {
                // A file may have a class of none of these.
                if (top.label == context.answer(emptyList())) formatPercent(top.probability)
                else context.getString(R.string.most_probable, top.label, formatPercent(top.probability))
            }
            return "${context.answer(of.answer)}\n$percents"
        }

        private fun description(row: Compared): String {
            if (row.problem != null) return "${row.name}. ${row.problem.text(view.context)}"
            val (left, right) = row.answers.map { view.context.answer(it.answer) }
            val both = if (row.agree == true) R.string.compare_row_agree else R.string.compare_row_differ
            return view.context.getString(both, row.name, left, right)
        }
    }
}
