package org.edgekd.demo

import android.app.Activity
import android.os.Bundle
import android.os.Process
import android.util.Log
import android.view.WindowManager
import android.widget.TextView
import org.edgekd.demo.bench.Agent
import org.edgekd.demo.bench.AndroidDevice
import org.edgekd.demo.bench.SystemClock
import org.edgekd.demo.bench.TfliteEngine
import org.edgekd.demo.bench.pushedFolder
import kotlin.concurrent.thread

/**
 * Measures one model in a process of its own, for `edgekd bench --device adb:SERIAL --apk APK`.
 *
 * Only the shell may start it. Extras: `plan` and `out`, file names; `folder`, where the plan and its files lie under
 * /data/local/tmp, without it the app's own folder (see [BenchFiles]). There the reply appears; then the process ends,
 * so that every launch is a fresh one.
 */
class BenchmarkActivity : Activity() {
    internal lateinit var worker: Thread
        private set

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        val line = TextView(this).apply {
            setText(R.string.bench_agent_running)
            val padding = resources.getDimensionPixelSize(R.dimen.gap_large)
            setPadding(padding, padding, padding, padding)
            fitsSystemWindows = true
        }
        setContentView(line)
        val (plan, out, pushed) = listOf("plan", "out", "folder").map(intent::getStringExtra)
        worker = thread(name = "benchmark") {
            val folder = BenchFiles.folder(this)
            val agent = Agent(folder, SystemClock, AndroidDevice(this), ::TfliteEngine, inputs = { pushedFolder(pushed, folder) })
            val said = agent.run(plan, out)
            Log.i("edgekd", said)
            runOnUiThread {
                line.text = said
                finishAndRemoveTask()
                Process.killProcess(Process.myPid())
            }
        }
    }
}
