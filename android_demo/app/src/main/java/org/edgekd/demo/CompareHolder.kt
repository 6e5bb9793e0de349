package org.edgekd.demo

import android.graphics.Bitmap
import android.net.Uri
import org.edgekd.classifier.Classification
import org.edgekd.classifier.ImageClassifier

/** One of the two models. */
data class Side(
    val choice: ModelChoice? = null,
    val facts: ModelFacts? = null,
    val problem: Said? = null,
    val inference: RecentTimes = RecentTimes(),
    val total: RecentTimes = RecentTimes(),
)

/** What both said of one photo. */
data class Compared(val name: String, val preview: Bitmap?, val answers: List<Classification>, val problem: Said? = null) {
    val agree: Boolean? get() = if (answers.size == 2) said(0) == said(1) else null

    private fun said(index: Int) = answers[index].answer.map { it.label }.toSet()
}

data class CompareState(
    val models: List<ModelChoice>? = null,
    val sides: List<Side> = listOf(Side(), Side()),
    val rows: List<Compared> = emptyList(),
    val photos: Int = 0,
) {
    val done: Boolean get() = rows.size == photos
    val problem: Said? get() = sides.firstNotNullOfOrNull { it.problem }
    val compared: Int get() = rows.count { it.agree != null }
    val agreed: Int get() = rows.count { it.agree == true }

    fun with(index: Int, side: Side) = copy(sides = sides.mapIndexed { k, old -> if (k == index) side else old })
}

/** The second screen without its views: two models, the same photos, who says what. */
class CompareHolder(private val background: Background, private val models: Models, private val previewSide: Int) {
    val store = Store(CompareState())
    private val open = arrayOfNulls<ImageClassifier>(2) // only the background touches it
    private var photos = emptyList<Photo>()
    private var turn = 0
    private val tokens = arrayOf(Any(), Any())

    /** Show these models; at first the largest file against the smallest. */
    fun offer(all: List<ModelChoice>, bySize: List<ModelChoice>, wanted: List<String?> = emptyList()) {
        store.update { it.copy(models = all) }
        val first = listOf(bySize.lastOrNull(), bySize.firstOrNull())
        for (index in 0..1) {
            val choice = all.find { it.file == wanted.getOrNull(index) } ?: first[index]
            if (store.state.sides[index].choice == null && choice != null) choose(index, choice)
        }
    }

    /** A model behind a document's address, for that side. */
    fun pick(index: Int, document: Uri) {
        var name = ""
        background.run({
            name = models.name(document)
            models.keep(document, name)
        }) { result ->
            result.fold({ choose(index, it) }) { error ->
                store.update { it.with(index, it.sides[index].copy(problem = modelProblem(name, error))) }
            }
        }
    }

    fun choose(index: Int, choice: ModelChoice) {
        if (store.state.sides[index].let { it.choice == choice && it.problem == null }) return
        val mine = Any().also { tokens[index] = it }
        store.update {
            val known = it.models.orEmpty()
            it.copy(models = if (choice in known) known else known + choice).with(index, Side(choice))
        }
        again() // what the model before said is no more
        background.run({
            open[index]?.close()
            open[index] = null
            models.open(choice).also { open[index] = it }.facts()
        }) { result ->
            if (tokens[index] === mine) {
                val side = store.state.sides[index]
                val told = result.fold({ side.copy(facts = it) }, { side.copy(problem = modelProblem(choice.title, it)) })
                store.update { it.with(index, told) }
                again()
            }
        }
    }

    fun show(chosen: List<Photo>) {
        photos = chosen.take(MAX_PHOTOS)
        again()
    }

    /** From the first photo on, if both models are there. */
    private fun again() {
        turn++
        store.update { state ->
            val fresh = state.sides.map { it.copy(inference = RecentTimes(), total = RecentTimes()) }
            state.copy(rows = emptyList(), photos = photos.size, sides = fresh)
        }
        if (store.state.sides.all { it.facts != null }) next(turn)
    }

    private fun next(mine: Int) {
        val photo = photos.getOrNull(store.state.rows.size) ?: return
        background.run({ compare(photo) }) { result ->
            if (mine == turn) {
                add(result.getOrElse { Compared("", null, emptyList(), otherProblem(it)) })
                next(mine)
            }
        }
    }

    private fun compare(photo: Photo): Compared {
        val name = photo.name()
        return try {
            val bytes = photo.read()
            val small = preview(bytes, previewSide)
            Compared(name, small, open.map { checkNotNull(it).classify(bytes) })
        } catch (error: Exception) {
            Compared(name, null, emptyList(), photoProblem(error))
        } catch (error: OutOfMemoryError) {
            Compared(name, null, emptyList(), photoProblem(error))
        }
    }

    private fun add(row: Compared) = store.update { state ->
        val sides = state.sides.mapIndexed { k, side ->
            val answer = row.answers.getOrNull(k)
            if (answer == null) side else side.copy(inference = side.inference.plus(answer.inferenceMs), total = side.total.plus(answer.totalMs))
        }
        state.copy(rows = state.rows + row, sides = sides)
    }

    fun close() {
        turn++
        background.run({ open.forEach { it?.close() } }) {}
    }

    companion object {
        const val MAX_PHOTOS = 200
    }
}
