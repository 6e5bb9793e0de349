package org.edgekd.demo

import android.graphics.Bitmap
import org.edgekd.classifier.Score

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
    val answer: List<Score> = emptyList(),
    val inference: RecentTimes = RecentTimes(),
    val total: RecentTimes = RecentTimes(),
    /** Pieces of work that are under way; frames are none. */
    val work: Int = 0,
    val camera: CameraState = CameraState.OFF,
    val cameraProblem: Said? = null,
    val pace: Pace = Pace.TWO_A_SECOND,
) {
    val busy: Boolean get() = work > 0

    fun withoutAnswers() = copy(ranked = emptyList(), answer = emptyList(), inference = RecentTimes(), total = RecentTimes())
}
