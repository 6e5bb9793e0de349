package org.edgekd.demo

import android.content.Context
import android.os.Build
import android.os.Bundle
import android.os.Handler
import android.os.Looper
import org.edgekd.demo.bench.AndroidDevice
import org.edgekd.demo.bench.SystemClock
import java.io.FileNotFoundException
import java.util.concurrent.ExecutorService
import java.util.concurrent.Executors

/** Everything that outlives a rotation: the three screens' holders, and the one thread that works for them. [context] is the application's. */
class DemoState(context: Context, saved: Bundle?) {
    private val worker: ExecutorService = Executors.newSingleThreadExecutor { Thread(it, "models") }
    private val screen = Handler(Looper.getMainLooper())
    private val background = Background(worker) { screen.post(it) }
    private val models = Models(context)
    private val thumbnail = context.resources.getDimensionPixelSize(R.dimen.thumbnail)
    private val bench = Bench(SystemClock, AndroidDevice(context), "${Build.MANUFACTURER} ${Build.MODEL}", { golden(context, it) }) {
        SharedResults.write(context, it)
    }

    val classify = ClassifyHolder(background, models, context.resources.displayMetrics.let { maxOf(it.widthPixels, it.heightPixels) })
    val compare = CompareHolder(background, models, thumbnail)
    val benchmark = BenchmarkHolder(background, models, bench)
    val camera = Camera(context, classify::frame) { classify.setCamera(CameraState.OFF, Said(R.string.as_is, it)) }
    var tab = saved?.getInt(TAB) ?: 0

    init {
        saved?.getString(PACE)?.let { classify.setPace(Pace.valueOf(it)) }
        background.run({
            models.forgetKept()
            val all = models.packaged()
            all to all.sortedBy { models.content(it).remaining() }
        }) { result ->
            val (all, bySize) = result.getOrThrow()
            // The smallest is the student, which is what one ships.
            classify.offer(all, saved?.getString(MODEL) ?: bySize.firstOrNull()?.file)
            compare.offer(all, bySize, listOf(saved?.getString(LEFT), saved?.getString(RIGHT)))
            benchmark.offer(all)
        }
    }

    /** What a process that is started anew begins with. */
    fun save(into: Bundle) {
        into.putInt(TAB, tab)
        into.putString(PACE, classify.store.state.pace.name)
        into.putString(MODEL, classify.store.state.chosen?.file)
        into.putString(LEFT, compare.store.state.sides[0].choice?.file)
        into.putString(RIGHT, compare.store.state.sides[1].choice?.file)
    }

    fun close() {
        camera.stop()
        benchmark.cancel()
        classify.close()
        compare.close()
        worker.shutdown()
    }

    companion object {
        private const val TAB = "tab"
        private const val PACE = "pace"
        private const val MODEL = "model"
        private const val LEFT = "left"
        private const val RIGHT = "right"

        /** Null where none are packaged for the model. */
        private fun golden(context: Context, choice: ModelChoice): GoldenManifest? =
            try {
                GoldenManifest.open { file -> context.assets.open("golden/${choice.title}/$file").use { it.readBytes() } }
            } catch (_: FileNotFoundException) {
                null
            }
    }
}
