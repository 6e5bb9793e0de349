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
import java.io.File
import kotlin.concurrent.thread

/**
 * Measures one model in a process of its own, for `edgekd bench --device adb:SERIAL --apk APK`.
 *
 * Only the shell may start it, with the extra `plan`: a file name in `bench/` of the app's external files. The reply
 * appears beside the plan; then the process ends, so that every launch is a fresh one.
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
        val plan = intent.getStringExtra("plan")
        worker = thread(name = "benchmark") {
            val folder = File(getExternalFilesDir(null), "bench")
            val said = Agent(folder, SystemClock, AndroidDevice(this), ::TfliteEngine).run(plan)
            Log.i("edgekd", said)
            runOnUiThread {
                line.text = said
                finishAndRemoveTask()
                Process.killProcess(Process.myPid())
            }
        }
    }
}
