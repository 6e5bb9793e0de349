package org.edgekd.classifier

import org.junit.Assume.assumeTrue
import org.junit.Before
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment

/** The instrumented test that `edgekd android` writes, over the vectors and models of this build. */
@RunWith(RobolectricTestRunner::class)
class GoldenOnRobolectricTest : GoldenTest() {
    @Before
    fun thereAreVectors() {
        given.models
        assumeTrue("no golden vectors: give -Dvectors=DIR", RuntimeEnvironment.getApplication().assets.list("golden")!!.isNotEmpty())
    }

    // The others are compared by GoldenCheckTest.
    override fun models() = super.models().take(1)
}
