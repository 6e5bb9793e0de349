package org.edgekd.demo

import org.edgekd.classifier.Frame
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment

/** What comes late: the work is done by hand, piece by piece, so that anything may come between. */
@RunWith(RobolectricTestRunner::class)
class HoldersTest {
    private val work = ArrayDeque<Runnable>()
    private val background = Background(work::addLast, Runnable::run)
    private val models = Models(RuntimeEnvironment.getApplication())
    private val holder = ClassifyHolder(background, models, 320)
    private val state get() = holder.store.state
    private lateinit var choices: List<ModelChoice>

    @Before
    fun twoModels() {
        org.edgekd.classifier.given.models
        choices = models.packaged()
        assumeTrue("the assets hold fewer than 2 models: build with -Dassets=DIR", choices.size >= 2)
    }

    private fun step() = work.removeFirst().run()

    private fun finish() {
        while (work.isNotEmpty()) step()
    }

    private fun photo(name: String = "a.jpg") = photos(1)[0].let { (_, bytes) -> Photo({ name }, { bytes }) }

    private fun frame(count: IntArray, take: () -> Frame? = ::blackFrame) =
        CameraFrame({ classify -> take()?.let(classify) }) { count[0]++ }

    private fun open() {
        holder.offer(choices)
        finish()
        assertEquals(choices[0], state.chosen)
        assertNotNull(state.facts)
    }

    @Test
    fun anAnswerOfTheModelBeforeIsNotShownUnderTheNext() {
        open()
        holder.show(photo())
        step() // the photo is read; its classification waits
        holder.choose(choices[1])
        step() // the old model answers
        assertTrue(state.ranked.isEmpty())
        assertEquals(0, state.inference.count)
        finish()
        assertEquals(state.facts!!.labels.toSet(), state.ranked.map { it.label }.toSet())
        assertEquals(1, state.inference.count)
        assertFalse(state.busy)
    }

    @Test
    fun aFrameThatTheModelBeforeClassifiedIsNotShownUnderTheNext() {
        open()
        holder.setCamera(CameraState.RUNNING)
        val dropped = IntArray(1)
        holder.frame(frame(dropped))
        holder.choose(choices[1])
        step()
        assertTrue(state.ranked.isEmpty())
        assertEquals(1, dropped[0])
    }

    @Test
    fun busyEndsWhenTheCameraStartsMeanwhile() {
        open()
        holder.show(photo())
        step()
        assertTrue(state.busy)
        holder.setCamera(CameraState.RUNNING)
        finish()
        assertFalse(state.busy)
        assertTrue(state.ranked.isEmpty())
        assertNull(state.photo)
    }

    @Test
    fun aPhotoThatIsReadLateIsNotShownInTheCamerasPlace() {
        open()
        holder.show(photo())
        holder.setCamera(CameraState.RUNNING)
        finish()
        assertNull(state.photo)
        holder.show(photo("first.jpg"))
        holder.show(photo("second.jpg"))
        step()
        assertNull(state.photo)
        finish()
        assertEquals("second.jpg", state.photoName)
        assertFalse(state.busy)
    }

    @Test
    fun aPhotosNameAndBytesAreAskedForByTheWorker() {
        open()
        val asked = mutableListOf<String>()
        val one = Photo({ "a.jpg".also { asked += "name" } }, { photos(1)[0].second.also { asked += "bytes" } })
        val compare = CompareHolder(background, models, 64).apply { offer(choices, choices) }
        finish()
        holder.show(one)
        compare.show(listOf(one))
        assertEquals(emptyList<String>(), asked)
        finish()
        assertEquals(listOf("bytes", "bytes", "name", "name"), asked.sorted())
        assertEquals("a.jpg", state.photoName)
        assertEquals("a.jpg", compare.store.state.rows.single().name)
    }

    @Test
    fun framesThatComeAfterTheStopAreLetGo() {
        open()
        val dropped = IntArray(1)
        holder.setCamera(CameraState.RUNNING)
        holder.frame(frame(dropped) { throw AssertionError("it was stopped") })
        assertEquals(1, work.size)
        holder.setCamera(CameraState.OFF)
        finish()
        assertEquals(1, dropped[0])
        holder.frame(frame(dropped) { throw AssertionError("it was stopped") })
        assertEquals(2, dropped[0])
        assertEquals(0, work.size)
        assertTrue(state.ranked.isEmpty())
        assertNull(state.cameraProblem)
    }

    @Test
    fun aFrameThatWentWithItsCameraIsNoProblemAndOneThatWorksEndsAProblem() {
        open()
        val dropped = IntArray(1)
        holder.setPace(Pace.EVERY_FRAME)
        holder.setCamera(CameraState.RUNNING)
        holder.frame(frame(dropped) { null })
        finish()
        assertNull(state.cameraProblem)
        holder.frame(frame(dropped) { throw IllegalStateException("a plane is gone") })
        finish()
        assertNotNull(state.cameraProblem)
        holder.frame(frame(dropped))
        finish()
        assertNull(state.cameraProblem)
        assertEquals(1, state.inference.count)
        assertEquals(3, dropped[0])
    }

    @Test
    fun rowsOfTheModelBeforeAreNotShownUnderTheNext() {
        val compare = CompareHolder(background, models, 64)
        compare.offer(choices, choices)
        finish()
        compare.show(List(3) { photo("$it.jpg") })
        step()
        assertEquals(1, compare.store.state.rows.size)
        compare.choose(0, choices[0].takeIf { it != compare.store.state.sides[0].choice } ?: choices[1])
        assertEquals("the rows go with the model", 0, compare.store.state.rows.size)
        step() // the old pair answers once more
        assertEquals(0, compare.store.state.rows.size)
        assertEquals(0, compare.store.state.sides[0].inference.count)
        finish()
        assertEquals(listOf("0.jpg", "1.jpg", "2.jpg"), compare.store.state.rows.map { it.name })
        assertEquals(listOf(3, 3), compare.store.state.sides.map { it.inference.count })
    }
}
