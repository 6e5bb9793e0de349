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

    override fun bootNanos(): Long = android.os.SystemClock.elapsedRealtimeNanos()

    override fun sleep(nanos: Long) = Thread.sleep(nanos / NANOS_A_MS, (nanos % NANOS_A_MS).toInt())

    private const val NANOS_A_MS = 1_000_000L
}

/** Not known to every phone, nor more often than once a second. */
private fun thermalHeadroom(power: PowerManager): Float =
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.R) power.getThermalHeadroom(0) else Float.NaN

/**
 * The facts that an app may read without any permission, under the keys that `edgekd bench` has for them. [files] is "/",
 * [headroom] what Android 11 and later know of the heat, NaN where they don't.
 */
class AndroidDevice(
    private val context: Context,
    private val files: File = File("/"),
    private val headroom: (PowerManager) -> Float = ::thermalHeadroom,
) : DeviceFacts {
    private val power = context.getSystemService(Context.POWER_SERVICE) as PowerManager

    override fun now(): Map<String, Any> = buildMap {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) putAll(thermal(power.currentThermalStatus))
        val clocks = clocksMhz()
        // Of the fastest cluster, as on other devices; and of each.
        clocks.maxOrNull()?.let { put("frequency_mhz", it) }
        if (clocks.isNotEmpty()) put("cluster_frequencies_mhz", clocks)
        roundedHeadroom()?.let { put("thermal_headroom", it) }
        put("power_save", power.isPowerSaveMode)
        // Apps in the background get the slow cores alone.
        read(File(files, "proc/self/cpuset"))?.trim()?.takeIf(CPUSET::matches)?.let { put("cpuset", it) }
        putAll(battery())
    }

    override fun ownCpuS(): Double = Process.getElapsedCpuTime() / MS_A_SECOND

    override fun memoryBytes(key: String): Long? {
        val line = read(File(files, "proc/self/status"))?.lineSequence()?.firstOrNull { it.startsWith("$key:") }
        return line?.split(Regex("\\s+"))?.getOrNull(1)?.toLongOrNull()?.times(BYTES_A_KIB)
    }

    override fun threads(): Set<String> = File(files, "proc/self/task").list().orEmpty().toSet()

    override fun watch(others: Set<String>): CpuWatch? = ProcWatch.open(File(files, "proc"), others)

    /** How near throttling is: 1 is where it begins. */
    private fun roundedHeadroom(): Double? {
        val now = headroom(power)
        return if (now.isNaN() || now < 0) null else Math.round(now * HEADROOM_DIGITS) / HEADROOM_DIGITS
    }

    /** From moderate on, clocks are lowered. Source: PowerManager.THERMAL_STATUS_MODERATE. */
    private fun thermal(status: Int): Map<String, Any> {
        val throttled = status >= PowerManager.THERMAL_STATUS_MODERATE
        val words = if (throttled) listOf("thermal status ${THERMAL_STATUS.getOrElse(status) { "$status" }}") else emptyList()
        return mapOf("thermal_status" to status, "throttled_now" to throttled, "throttling" to words)
    }

    /** One clock a cluster of like cores, in the kernel's order. */
    private fun clocksMhz(): List<Int> {
        val cpus = File(files, "sys/devices/system/cpu")
        val policies = numbered(File(cpus, "cpufreq"), "policy").ifEmpty { numbered(cpus, "cpu").map { File(it, "cpufreq") } }
        return policies.mapNotNull { read(File(it, "scaling_cur_freq"))?.trim()?.toIntOrNull()?.div(KHZ_A_MHZ) }
    }

    private fun numbered(folder: File, prefix: String): List<File> {
        fun number(file: File) = file.name.removePrefix(prefix).toIntOrNull()
        return folder.listFiles { file -> file.name.startsWith(prefix) && number(file) != null }.orEmpty().sortedBy(::number)
    }

    private fun battery(): Map<String, Any> {
        val state = context.registerReceiver(null, IntentFilter(Intent.ACTION_BATTERY_CHANGED)) ?: return emptyMap()
        return buildMap {
            val level = state.getIntExtra(BatteryManager.EXTRA_LEVEL, -1)
            val scale = state.getIntExtra(BatteryManager.EXTRA_SCALE, -1)
            if (level >= 0 && scale > 0) put("battery_percent", PERCENT * level / scale)
            put("charging", state.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0) != 0)
            BATTERY_STATUS[state.getIntExtra(BatteryManager.EXTRA_STATUS, 0)]?.let { put("battery_status", it) }
            val tenths = state.getIntExtra(BatteryManager.EXTRA_TEMPERATURE, Int.MIN_VALUE)
            if (tenths != Int.MIN_VALUE) put("battery_temperature_c", tenths / TENTHS)
        }
    }

    private fun read(file: File): String? =
        try {
            file.readText()
        } catch (_: IOException) {
            null
        }

    private companion object {
        const val MS_A_SECOND = 1000.0
        const val BYTES_A_KIB = 1024L
        const val KHZ_A_MHZ = 1000
        const val PERCENT = 100
        const val TENTHS = 10.0
        const val HEADROOM_DIGITS = 1000.0
        val CPUSET = Regex("[A-Za-z0-9/_.-]{1,80}")
        val THERMAL_STATUS = listOf("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
        val BATTERY_STATUS = mapOf(
            BatteryManager.BATTERY_STATUS_CHARGING to "charging", BatteryManager.BATTERY_STATUS_DISCHARGING to "discharging",
            BatteryManager.BATTERY_STATUS_NOT_CHARGING to "not charging", BatteryManager.BATTERY_STATUS_FULL to "full",
        )
    }
}
