package org.edgekd.demo

import android.app.Activity
import android.view.TextureView
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.ImageView
import android.widget.ProgressBar
import android.widget.Spinner
import android.widget.TextView
import org.edgekd.classifier.Decision

/** One model: a photo or live frames, its answer, its most probable labels and its times. */
class ClassifyScreen(activity: Activity, private val holder: ClassifyHolder, private val host: Host) : Screen {
    override val view: View = activity.layoutInflater.inflate(R.layout.screen_classify, null)
    val cameraView: TextureView = view.findViewById(R.id.camera_view)
    private val inflater = activity.layoutInflater
    private val model: Spinner = view.findViewById(R.id.model)
    private val facts: TextView = view.findViewById(R.id.model_facts)
    private val modelProblem: TextView = view.findViewById(R.id.model_problem)
    private val photo: ImageView = view.findViewById(R.id.photo)
    private val hint: TextView = view.findViewById(R.id.preview_hint)
    private val photoProblem: TextView = view.findViewById(R.id.photo_problem)
    private val refused: View = view.findViewById(R.id.camera_refused)
    private val camera: Button = view.findViewById(R.id.camera_button)
    private val again: Button = view.findViewById(R.id.again_button)
    private val pace: Spinner = view.findViewById(R.id.pace)
    private val answers: ViewGroup = view.findViewById(R.id.answers)
    private val busy: View = view.findViewById(R.id.busy)

    init {
        view.findViewById<View>(R.id.photo_button).setOnClickListener { host.pickPhoto() }
        view.findViewById<View>(R.id.ask_again).setOnClickListener { host.wantCamera() }
        view.findViewById<View>(R.id.settings).setOnClickListener { host.openSettings() }
        again.setOnClickListener { holder.classifyAgain(AGAIN) }
        camera.setOnClickListener {
            if (holder.store.state.camera == CameraState.RUNNING) holder.setCamera(CameraState.OFF) else host.wantCamera()
        }
    }

    override fun start() = holder.store.watch(::render)

    override fun stop() = holder.store.watch(null)

    private fun render(state: ClassifyState) {
        model.showModels(state.models, state.chosen, holder::choose) { host.pickModel(null) }
        model.visibleIf(state.models != null)
        facts.text = state.facts?.line(view.context)
        view.findViewById<View>(R.id.model_row).visibleIf(state.facts != null || state.busy)
        val none = if (state.models?.isEmpty() == true) Said(R.string.model_none) else null
        modelProblem.showOrHide(state.modelProblem ?: none)
        showPreview(state)
        showCamera(state)
        showAnswers(state)
        showTimes(state)
        busy.visibility = if (state.busy) View.VISIBLE else View.INVISIBLE
    }

    private fun showPreview(state: ClassifyState) {
        val live = state.camera == CameraState.RUNNING
        photo.setImageBitmap(state.photo)
        photo.contentDescription = view.context.getString(R.string.photo_description, state.photoName.orEmpty())
        photo.visibleIf(!live && state.photo != null)
        cameraView.visibleIf(live)
        hint.visibleIf(!live && state.photo == null)
        photoProblem.showOrHide(state.photoProblem ?: state.cameraProblem)
        again.visibleIf(!live && state.photo != null && state.facts != null)
    }

    private fun showCamera(state: ClassifyState) {
        val live = state.camera == CameraState.RUNNING
        camera.setText(if (live) R.string.camera_stop else R.string.camera_start)
        host.cameraChanged()
        refused.visibleIf(state.camera == CameraState.REFUSED)
        pace.visibleIf(live)
        pace.show(Pace.entries.map { view.context.getString(it.title) }, state.pace.ordinal) { holder.setPace(Pace.entries[it]) }
    }

    private fun showAnswers(state: ClassifyState) {
        view.findViewById<View>(R.id.answers_card).visibleIf(state.ranked.isNotEmpty())
        val shown = state.ranked.take(TOP)
        while (answers.childCount > shown.size) answers.removeViewAt(answers.childCount - 1)
        while (answers.childCount < shown.size) inflater.inflate(R.layout.row_answer, answers)
        shown.forEachIndexed { k, score ->
            val row = answers.getChildAt(k)
            val percent = formatPercent(score.probability)
            row.findViewById<TextView>(R.id.label).text = score.label
            row.findViewById<TextView>(R.id.percent).text = percent
            row.findViewById<ProgressBar>(R.id.bar).progress = (score.probability * BAR_MAX).toInt()
            row.contentDescription = view.context.getString(R.string.answer_description, score.label, percent)
        }
        val said = if (shown.isEmpty()) "" else view.context.answer(state.answer)
        val answer = view.findViewById<TextView>(R.id.answer)
        // Where the most probable label is always the answer, its row says so.
        answer.visibleIf(state.facts?.decision != Decision())
        if (answer.text.toString() != said) answer.text = said
        // Only a new answer is worth being read out, not every frame's percents.
        val description = if (shown.isEmpty()) "" else view.context.getString(R.string.answer_is, said)
        val title = view.findViewById<TextView>(R.id.answers_title)
        if (title.contentDescription != description) title.contentDescription = description
    }

    private fun showTimes(state: ClassifyState) {
        view.findViewById<View>(R.id.times_card).visibleIf(state.inference.count > 0)
        row(state.inference, R.id.inference_last, R.id.inference_median, R.id.inference_p90)
        row(state.total, R.id.total_last, R.id.total_median, R.id.total_p90)
        val count = state.inference.count
        view.findViewById<TextView>(R.id.times_count).text = view.context.resources.getQuantityString(R.plurals.of_last, count, count)
    }

    private fun row(times: RecentTimes, vararg cells: Int) =
        cells.zip(listOf(times.lastMs, times.medianMs, times.p90Ms)).forEach { (cell, ms) ->
            view.findViewById<TextView>(cell).text = view.context.ms(ms)
        }

    private companion object {
        const val TOP = 5
        const val AGAIN = 10
        const val BAR_MAX = 1000
    }
}
