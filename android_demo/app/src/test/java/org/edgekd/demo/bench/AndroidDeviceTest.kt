package org.edgekd.demo.bench

import android.content.Intent
import android.os.BatteryManager
import android.os.PowerManager
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import java.io.File

@RunWith(RobolectricTestRunner::class)
class AndroidDeviceTest {
    @get:Rule
    val folder = TemporaryFolder()
    private val app = RuntimeEnvironment.getApplication()
    private val device by lazy { AndroidDevice(app, folder.root) }

    private fun write(path: String, text: String) = File(folder.root, path).apply { parentFile!!.mkdirs() }.writeText(text)

    @Test
    fun everyClustersClockIsTold() {
        write("sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "1803000\n")
        write("sys/devices/system/cpu/cpufreq/policy10/scaling_cur_freq", "500000\n")
        write("sys/devices/system/cpu/cpufreq/policy4/scaling_cur_freq", "2850000\n")
        write("sys/devices/system/cpu/cpufreq/policy6/other", "")
        write("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1\n")
        assertEquals(listOf(1803, 2850, 500), device.now()["cluster_frequencies_mhz"])
        assertEquals(2850, device.now()["frequency_mhz"])
    }

    @Test
    fun anOlderKernelTellsThemByCore() {
        write("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "300000\n")
        write("sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "1900000\n")
        write("sys/devices/system/cpu/cpuidle/cpufreq/scaling_cur_freq", "5\n")
        assertEquals(listOf(300, 1900), device.now()["cluster_frequencies_mhz"])
        assertEquals(1900, device.now()["frequency_mhz"])
    }

    @Test
    fun whatIsNotToldIsLeftOut() {
        assertFalse("frequency_mhz" in device.now())
        assertFalse("cluster_frequencies_mhz" in device.now())
    }

    @Test
    fun heatIsToldAsEdgekdReadsIt() {
        val power = app.getSystemService(PowerManager::class.java)
        shadowOf(power).setCurrentThermalStatus(PowerManager.THERMAL_STATUS_LIGHT)
        assertEquals(listOf(1, false, emptyList<String>()), listOf("thermal_status", "throttled_now", "throttling").map { device.now()[it] })
        shadowOf(power).setCurrentThermalStatus(PowerManager.THERMAL_STATUS_SEVERE)
        assertEquals(listOf(3, true, listOf("thermal status severe")), listOf("thermal_status", "throttled_now", "throttling").map { device.now()[it] })
    }

    @Test
    fun whereTheSystemPutsTheAppIsTold() {
        assertFalse("cpuset" in device.now())
        write("proc/self/cpuset", "/top-app\n")
        assertEquals("/top-app", device.now()["cpuset"])
        write("proc/self/cpuset", "/\u0007 odd\n")
        assertFalse("cpuset" in device.now())
    }

    @Test
    fun headroomIsLeftOutWhereThePhoneDoesNotKnowIt() {
        fun told(headroom: Float) = AndroidDevice(app, folder.root) { headroom }.now()["thermal_headroom"]
        assertEquals(0.712, told(0.71234f))
        assertEquals("throttling began", 1.2, told(1.2f))
        assertEquals(listOf(null, null), listOf(told(Float.NaN), told(-1f)))
    }

    @Test
    fun theBatteryIsToldWithWhatItDoes() {
        val state = Intent(Intent.ACTION_BATTERY_CHANGED).putExtra(BatteryManager.EXTRA_LEVEL, 42).putExtra(BatteryManager.EXTRA_SCALE, 50)
            .putExtra(BatteryManager.EXTRA_PLUGGED, BatteryManager.BATTERY_PLUGGED_USB).putExtra(BatteryManager.EXTRA_TEMPERATURE, 315)
            .putExtra(BatteryManager.EXTRA_STATUS, BatteryManager.BATTERY_STATUS_CHARGING)
        @Suppress("DEPRECATION")
        app.sendStickyBroadcast(state)
        val wanted = mapOf("battery_percent" to 84, "charging" to true, "battery_status" to "charging", "battery_temperature_c" to 31.5, "power_save" to false)
        assertEquals(wanted, device.now().filterKeys { it in wanted })
    }
}
