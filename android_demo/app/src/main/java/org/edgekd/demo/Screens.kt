package org.edgekd.demo

import android.content.Context
import android.net.Uri
import android.view.View
import android.widget.TextView

/** A screen's views; they come and go with the activity, what they show stays in a holder. */
interface Screen {
    val view: View

    /** Begin to show what the holder has. */
    fun start()

    /** Show no more: the views are about to go. */
    fun stop()
}

/** What a screen asks of the activity. */
interface Host {
    fun pickPhoto()

    fun pickPhotos(forBenchmark: Boolean)

    /** For the first screen (null), or a side of the second. */
    fun pickModel(side: Int?)

    fun wantCamera()

    /** The camera was started, or is off: what the activity has must follow. */
    fun cameraChanged()

    fun openSettings()

    /** A measurement begins or has ended. */
    fun measuring(on: Boolean)

    fun share(result: Uri)
}

fun TextView.showOrHide(said: Said?) {
    val sentence = said?.text(context)
    visibility = if (sentence == null) View.GONE else View.VISIBLE
    // A live region is read out at every change of its text.
    if (sentence != null && text.toString() != sentence) text = sentence
}

fun View.visibleIf(visible: Boolean) {
    visibility = if (visible) View.VISIBLE else View.GONE
}

@Suppress("DEPRECATION") // Context.getColor is there from API 23 on
fun Context.color(id: Int): Int = resources.getColor(id)

fun Context.ms(ms: Double?): String = ms?.let { formatMs(it) } ?: getString(R.string.nothing)

fun ModelFacts.line(context: Context): String =
    context.getString(R.string.model_facts, precision, inputWidth, inputHeight, context.resources.getQuantityString(R.plurals.classes, labels.size, labels.size), formatSize(sizeBytes))
