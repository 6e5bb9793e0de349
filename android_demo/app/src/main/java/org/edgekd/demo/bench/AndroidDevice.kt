package org.edgekd.demo.bench

import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager
import android.os.Process
import java.io.File
import java.io.IOException

/** Time of the device. */
object SystemClock : Clock {
    override fun nanos(): Long = System.nanoTime()

    override fun sleep(nanos: Long) = Thread.sleep(nanos / NANOS_A_MS, (nanos % NANOS_A_MS).toInt())

    private const val NANOS_A_MS = 1_000_000L
}

/** The facts that an app may read without any permission. */
class AndroidDevice(private val context: Context) : DeviceFacts {
    override fun now(): Map<String, Any> = buildMap {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            put("thermal_status", context.getSystemService(PowerManager::class.java).currentThermalStatus)
        }
        clockMhz()?.let { put("frequency_mhz", it) }
        putAll(battery())
    }

    override fun ownCpuS(): Double = Process.getElapsedCpuTime() / MS_A_SECOND

    override fun memoryBytes(key: String): Long? {
        val line = read("/proc/self/status")?.lineSequence()?.firstOrNull { it.startsWith("$key:") }
        return line?.split(Regex("\\s+"))?.getOrNull(1)?.toLongOrNull()?.times(BYTES_A_KIB)
    }

    private fun clockMhz(): Int? =
        read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")?.trim()?.toIntOrNull()?.div(KHZ_A_MHZ)

    private fun battery(): Map<String, Any> {
        val state = context.registerReceiver(null, IntentFilter(Intent.ACTION_BATTERY_CHANGED)) ?: return emptyMap()
        return buildMap {
            val level = state.getIntExtra(BatteryManager.EXTRA_LEVEL, -1)
            val scale = state.getIntExtra(BatteryManager.EXTRA_SCALE, -1)
            if (level >= 0 && scale > 0) put("battery_percent", PERCENT * level / scale)
            put("charging", state.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0) != 0)
            val tenths = state.getIntExtra(BatteryManager.EXTRA_TEMPERATURE, Int.MIN_VALUE)
            if (tenths != Int.MIN_VALUE) put("battery_temperature_c", tenths / TENTHS)
        }
    }

    private fun read(path: String): String? =
        try {
            File(path).readText()
        } catch (_: IOException) {
            null
        }

    private companion object {
        const val MS_A_SECOND = 1000.0
        const val BYTES_A_KIB = 1024L
        const val KHZ_A_MHZ = 1000
        const val PERCENT = 100
        const val TENTHS = 10.0
    }
}
