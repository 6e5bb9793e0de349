package org.edgekd.demo

import android.content.Context
import org.edgekd.classifier.ModelException
import org.edgekd.classifier.PhotoException
import org.edgekd.classifier.Score
import java.io.IOException
import java.util.Locale

/** A sentence for the user: a string resource and what is filled in. */
data class Said(val id: Int, val args: List<String> = emptyList()) {
    constructor(id: Int, vararg args: String) : this(id, args.toList())

    fun text(context: Context): String = context.getString(id, *args.toTypedArray())
}

/** Why a model can't be used. */
fun modelProblem(title: String, error: Throwable): Said = when (error) {
    is ModelException -> Said(R.string.model_bad, title, error.message.orEmpty())
    is IOException, is SecurityException -> Said(R.string.model_unreadable, title, error.message.orEmpty())
    else -> otherProblem(error)
}

/** Why a photo can't be classified. */
fun photoProblem(error: Throwable): Said = when (error) {
    is PhotoException -> Said(R.string.photo_bad, error.message.orEmpty())
    is IOException, is SecurityException -> Said(R.string.photo_unreadable, error.message.orEmpty())
    else -> otherProblem(error)
}

fun otherProblem(error: Throwable): Said =
    if (error is OutOfMemoryError) Said(R.string.out_of_memory) else Said(R.string.other_problem, error.javaClass.simpleName, error.message.orEmpty())

/** The labels of an answer, or that it has none. */
fun Context.answer(labels: List<Score>): String = labels.joinToString { it.label }.ifEmpty { getString(R.string.none_of_these) }

/** Three digits of milliseconds. */
fun formatMs(ms: Double): String {
    val digits = if (ms < 9.995) 2 else if (ms < 99.95) 1 else 0
    return String.format(Locale.getDefault(), "%.${digits}f", ms)
}

/** Decimal kB and MB, as files are listed elsewhere. */
fun formatSize(bytes: Long): String = when {
    bytes < 1_000 -> "$bytes B"
    bytes < 1_000_000 -> String.format(Locale.getDefault(), "%.0f kB", bytes / 1e3)
    else -> String.format(Locale.getDefault(), "%.1f MB", bytes / 1e6)
}

fun formatPercent(share: Float): String = String.format(Locale.getDefault(), "%.1f %%", 100 * share)
