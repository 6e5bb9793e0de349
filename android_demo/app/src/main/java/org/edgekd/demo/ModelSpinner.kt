package org.edgekd.demo

import android.view.View
import android.widget.AdapterView
import android.widget.ArrayAdapter
import android.widget.Spinner

/** Tells what the user chose, and nothing that was set by the program. */
fun Spinner.show(titles: List<String>, selected: Int, choose: (Int) -> Unit) {
    onItemSelectedListener = null
    if (tag != titles) {
        tag = titles
        adapter = ArrayAdapter(context, R.layout.choice, titles).apply { setDropDownViewResource(R.layout.choice_open) }
    }
    setSelection(selected.coerceAtLeast(0), false)
    onItemSelectedListener = object : AdapterView.OnItemSelectedListener {
        override fun onItemSelected(parent: AdapterView<*>?, view: View?, position: Int, id: Long) {
            if (position != selected) choose(position)
        }

        override fun onNothingSelected(parent: AdapterView<*>?) = Unit
    }
}

/** The models, and after them the way to one in the storage. */
fun Spinner.showModels(models: List<ModelChoice>?, chosen: ModelChoice?, choose: (ModelChoice) -> Unit, pick: () -> Unit) {
    val all = models.orEmpty()
    val none = if (chosen == null) listOf(context.getString(R.string.model_none_chosen)) else emptyList()
    val titles = none + all.map { it.title } + context.getString(R.string.model_from_storage)
    val selected = if (chosen == null) 0 else all.indexOf(chosen)
    show(titles, selected) { position ->
        val at = position - none.size
        setSelection(selected, false)
        if (at in all.indices) choose(all[at]) else if (at == all.size) pick()
    }
}
