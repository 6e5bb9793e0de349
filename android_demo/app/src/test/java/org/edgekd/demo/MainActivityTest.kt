package org.edgekd.demo

import android.app.Activity
import org.junit.Assert.assertEquals
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner

@RunWith(RobolectricTestRunner::class)
class MainActivityTest {
    @Test
    fun itOpens() {
        val activity: Activity = Robolectric.setupActivity(MainActivity::class.java)
        assertEquals("edgekd", activity.getString(R.string.app_name))
    }
}
