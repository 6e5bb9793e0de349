package org.edgekd.demo

import android.net.Uri
import org.edgekd.classifier.Classification
import org.edgekd.classifier.ImageClassifier
import java.util.concurrent.atomic.AtomicBoolean

/** The first screen without its views: opens the model, classifies photos and frames, keeps the last times. */
class ClassifyHolder(private val background: Background, private val models: Models, private val previewSide: Int) {
    val store = Store(ClassifyState())

    // A model, a photo: an answer counts only while both are still those that are shown.
    private var modelToken = Any()
    private var photoToken = Any()
    private var content: ByteArray? = null
    private var open: Open? = null // only the background touches it
    private val frameAtWork = AtomicBoolean()
    private val pacer = Pacer()

    private class Open(val token: Any, val model: ImageClassifier)

    private class Answer(val modelToken: Any, val classification: Classification)

    /** Show these models, and open the one that was [wanted] or the first. */
    fun offer(all: List<ModelChoice>, wanted: String? = null) {
        store.update { it.copy(models = all) }
        if (store.state.chosen == null) (all.find { it.file == wanted } ?: all.firstOrNull())?.let(::choose)
    }

    /** A model behind a document's address. */
    fun pick(document: Uri) {
        var name = ""
        busily({
            name = models.name(document)
            models.keep(document, name)
        }) { result ->
            result.fold(::choose) { error -> store.update { it.copy(modelProblem = modelProblem(name, error)) } }
        }
    }

    fun choose(choice: ModelChoice) {
        if (choice == store.state.chosen && store.state.modelProblem == null) return
        val mine = Any().also { modelToken = it }
        store.update {
            val models = it.models.orEmpty()
            val known = if (choice in models) models else models + choice
            it.withoutAnswers().copy(models = known, chosen = choice, facts = null, modelProblem = null)
        }
        busily({
            open?.model?.close()
            open = null
            models.open(choice).also { open = Open(mine, it) }.facts()
        }) { result ->
            if (mine === modelToken) opened(choice, result)
        }
    }

    private fun opened(choice: ModelChoice, result: Result<ModelFacts>) {
        store.update { state -> result.fold({ state.copy(facts = it) }, { state.copy(modelProblem = modelProblem(choice.title, it)) }) }
        if (result.isSuccess && store.state.camera != CameraState.RUNNING) classifyAgain(1)
    }

    fun show(photo: Photo) {
        val mine = Any().also { photoToken = it }
        content = null
        store.update {
            it.withoutAnswers().copy(photo = null, photoName = null, photoProblem = null, camera = CameraState.OFF, cameraProblem = null)
        }
        busily({
            val bytes = photo.read()
            Triple(bytes, preview(bytes, previewSide), photo.name())
        }) { result ->
            if (mine !== photoToken) return@busily
            content = result.getOrNull()?.first
            store.update { state ->
                result.fold({ state.copy(photo = it.second, photoName = it.third) }, { state.copy(photoProblem = photoProblem(it)) })
            }
            classifyAgain(1)
        }
    }

    /** Classify the photo so many times: each adds to the times. */
    fun classifyAgain(times: Int) {
        val bytes = content ?: return
        if (store.state.facts == null || store.state.photo == null || times <= 0) return
        val mine = photoToken
        busily({ open?.let { Answer(it.token, it.model.classify(bytes)) } }) { result ->
            val answer = result.getOrNull()
            when {
                mine !== photoToken -> Unit
                result.isFailure -> store.update { it.copy(photoProblem = photoProblem(result.exceptionOrNull()!!)) }
                answer != null && answer.modelToken === modelToken -> {
                    answered(answer.classification)
                    store.update { it.copy(photoProblem = null) }
                    classifyAgain(times - 1)
                }
            }
        }
    }

    fun setPace(pace: Pace) {
        pacer.reset()
        store.update { it.copy(pace = pace, inference = RecentTimes(), total = RecentTimes()) }
    }

    fun setCamera(camera: CameraState, problem: Said? = null) {
        val started = camera == CameraState.RUNNING && store.state.camera != CameraState.RUNNING
        if (started) {
            pacer.reset()
            photoToken = Any()
            content = null
        }
        store.update {
            val before = if (started) it.withoutAnswers().copy(photo = null, photoName = null, photoProblem = null) else it
            before.copy(camera = camera, cameraProblem = problem)
        }
    }

    /** A frame from the camera's thread. Dropped when it has no turn, while another is at work, and once the camera is off. */
    fun frame(frame: CameraFrame) {
        val turn = isLive() && pacer.due(System.nanoTime(), store.state.pace)
        if (!turn || !frameAtWork.compareAndSet(false, true)) return frame.drop()
        fun done() {
            frame.drop()
            frameAtWork.set(false)
        }
        val taken = background.run({
            try {
                if (isLive()) classify(frame) else null
            } finally {
                done()
            }
        }) { result -> if (isLive()) told(result) }
        if (!taken) done()
    }

    private fun isLive() = store.state.camera == CameraState.RUNNING

    /** Null of a frame that went with its camera, or without a model. */
    private fun classify(frame: CameraFrame): Answer? {
        val start = System.nanoTime()
        val model = open ?: return null
        val answer = frame.read { model.model.classify(it) } ?: return null
        return Answer(model.token, answer.copy(totalMs = (System.nanoTime() - start) / 1e6))
    }

    private fun told(frame: Result<Answer?>) = frame.fold({ answer ->
        if (answer != null && answer.modelToken === modelToken) {
            store.update { it.copy(cameraProblem = null) }
            answered(answer.classification)
        }
    }, { error -> store.update { it.copy(cameraProblem = photoProblem(error)) } })

    private fun answered(answer: Classification) = store.update {
        it.copy(ranked = answer.ranked, answer = answer.answer, inference = it.inference.plus(answer.inferenceMs), total = it.total.plus(answer.totalMs))
    }

    private fun <T> busily(work: () -> T, then: (Result<T>) -> Unit) {
        store.update { it.copy(work = it.work + 1) }
        background.run(work) { result ->
            store.update { it.copy(work = it.work - 1) }
            then(result)
        }
    }

    fun close() {
        background.run({ open?.model?.close() }) {}
    }
}
