package org.edgekd.demo

import android.graphics.Bitmap
import org.edgekd.classifier.Classification
import org.edgekd.classifier.ImageClassifier
import org.edgekd.classifier.PhotoException
import org.edgekd.classifier.Score
import java.util.concurrent.atomic.AtomicBoolean

enum class CameraState { OFF, RUNNING, REFUSED }

data class ClassifyState(
    val models: List<ModelChoice>? = null,
    val chosen: ModelChoice? = null,
    val facts: ModelFacts? = null,
    val modelProblem: Said? = null,
    val photo: Bitmap? = null,
    val photoName: String? = null,
    val photoProblem: Said? = null,
    val ranked: List<Score> = emptyList(),
    val inference: RecentTimes = RecentTimes(),
    val total: RecentTimes = RecentTimes(),
    val busy: Boolean = false,
    val camera: CameraState = CameraState.OFF,
    val cameraProblem: Said? = null,
    val pace: Pace = Pace.TWO_A_SECOND,
)

/** The first screen without its views: opens the model, classifies photos and frames, keeps the last times. */
class ClassifyHolder(private val background: Background, private val models: Models, private val previewSide: Int) {
    val store = Store(ClassifyState())
    private var model: ImageClassifier? = null // only the background touches it
    private var content: ByteArray? = null
    private val frameAtWork = AtomicBoolean()

    /** Show these models, and open the one that was [wanted] or the first. */
    fun offer(all: List<ModelChoice>, wanted: String? = null) {
        store.update { it.copy(models = all) }
        if (store.state.chosen == null) (all.find { it.file == wanted } ?: all.firstOrNull())?.let(::choose)
    }

    fun choose(choice: ModelChoice) {
        if (choice == store.state.chosen && store.state.modelProblem == null) return
        store.update {
            val models = it.models.orEmpty()
            val known = if (choice in models) models else models + choice
            ClassifyState(known, choice, busy = true, photo = it.photo, photoName = it.photoName, photoProblem = it.photoProblem,
                camera = it.camera, cameraProblem = it.cameraProblem, pace = it.pace)
        }
        background.run({
            model?.close()
            model = null
            models.open(choice).also { model = it }.facts()
        }) { result ->
            if (store.state.chosen == choice) opened(choice, result)
        }
    }

    private fun opened(choice: ModelChoice, result: Result<ModelFacts>) {
        store.update { state ->
            result.fold(
                { state.copy(facts = it, busy = false) },
                { state.copy(modelProblem = modelProblem(choice, it), busy = false) },
            )
        }
        if (result.isSuccess && store.state.camera != CameraState.RUNNING) classifyAgain(1)
    }

    fun show(photo: Photo) {
        store.update {
            it.copy(photo = null, photoName = photo.name, photoProblem = null, ranked = emptyList(), busy = true,
                inference = RecentTimes(), total = RecentTimes(), camera = CameraState.OFF, cameraProblem = null)
        }
        background.run({
            val bytes = photo.read()
            val small = preview(bytes, previewSide) ?: throw PhotoException("it is damaged, or of a kind that this device doesn't know")
            bytes to small
        }) { result ->
            content = result.getOrNull()?.first
            store.update { state ->
                result.fold({ state.copy(photo = it.second) }, { state.copy(photoProblem = photoProblem(it)) }).copy(busy = false)
            }
            classifyAgain(1)
        }
    }

    /** Classify the photo so many times: each adds to the times. */
    fun classifyAgain(times: Int) {
        val bytes = content ?: return
        if (store.state.facts == null || store.state.photo == null || times <= 0) return
        store.update { it.copy(busy = true) }
        background.run({ model?.classify(bytes) }) { result ->
            // Another model or photo may have come meanwhile.
            if (content === bytes && store.state.camera != CameraState.RUNNING) {
                result.fold({ it?.let(::answered) }, { error -> store.update { it.copy(photoProblem = photoProblem(error)) } })
                store.update { it.copy(busy = false) }
                if (result.isSuccess) classifyAgain(times - 1)
            }
        }
    }

    fun setPace(pace: Pace) = store.update { it.copy(pace = pace, inference = RecentTimes(), total = RecentTimes()) }

    fun setCamera(camera: CameraState, problem: Said? = null) {
        val started = camera == CameraState.RUNNING && store.state.camera != CameraState.RUNNING
        store.update { it.copy(camera = camera, cameraProblem = problem) }
        if (started) {
            content = null
            store.update {
                it.copy(photo = null, photoName = null, photoProblem = null, ranked = emptyList(), inference = RecentTimes(), total = RecentTimes())
            }
        }
    }

    /** A frame from the camera's thread: [take] makes its picture, [drop] lets it go. Dropped while one is at work. */
    fun frame(take: () -> Bitmap, drop: () -> Unit) {
        if (!frameAtWork.compareAndSet(false, true)) return drop()
        background.run({
            try {
                val start = System.nanoTime()
                val answer = model?.classify(take())
                answer?.copy(totalMs = (System.nanoTime() - start) / 1e6)
            } finally {
                drop()
                frameAtWork.set(false)
            }
        }) { result ->
            if (store.state.camera == CameraState.RUNNING) {
                result.fold({ it?.let(::answered) }, { error -> store.update { it.copy(cameraProblem = photoProblem(error)) } })
            }
        }
    }

    private fun answered(answer: Classification) = store.update {
        it.copy(ranked = answer.ranked, inference = it.inference.plus(answer.inferenceMs), total = it.total.plus(answer.totalMs))
    }

    fun close() = background.run({ model?.close() }) {}
}
