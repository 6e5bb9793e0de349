package org.edgekd.demo

import java.util.concurrent.Executor
import java.util.concurrent.RejectedExecutionException

/** What a screen shows: one value, told to whoever watches. Only the screen's thread may change it. */
class Store<S>(initial: S) {
    @Volatile
    var state: S = initial
        private set
    private var watcher: ((S) -> Unit)? = null

    /** Be told now and at every change, in place of whoever watched before; null ends it. */
    fun watch(watcher: ((S) -> Unit)?) {
        this.watcher = watcher
        watcher?.invoke(state)
    }

    fun update(change: (S) -> S) {
        state = change(state)
        watcher?.invoke(state)
    }
}

/** Work off the screen's thread, one piece after the other, and back to it with what came out. */
class Background(private val worker: Executor, private val screen: Executor) {
    /** False where nothing will come of it, since the app is closing. */
    fun <T> run(work: () -> T, then: (Result<T>) -> Unit): Boolean =
        try {
            worker.execute {
                val result = runCatching(work)
                screen.execute { then(result) }
            }
            true
        } catch (_: RejectedExecutionException) {
            false
        }

    fun onScreen(action: () -> Unit) = screen.execute(action)
}
