package org.edgekd.classifier

import android.graphics.Bitmap
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotSame
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import java.io.ByteArrayOutputStream
import java.nio.ByteBuffer
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ExecutionException
import java.util.concurrent.TimeUnit
import kotlin.coroutines.Continuation
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.coroutines.startCoroutine

/** The suspend functions, by coroutines of the standard library: what they give and throw is what the plain calls do. */
@RunWith(RobolectricTestRunner::class)
class SuspendingTest {
    private fun <T> start(work: suspend () -> T): CompletableFuture<T> {
        val future = CompletableFuture<T>()
        work.startCoroutine(Continuation(EmptyCoroutineContext) { result ->
            result.fold(future::complete, future::completeExceptionally)
        })
        return future
    }

    private fun <T> await(work: suspend () -> T): T = start(work).get(30, TimeUnit.SECONDS)

    @Test
    fun eachGivesWhatThePlainCallGives() {
        val photo = Bitmap.createBitmap(40, 30, Bitmap.Config.ARGB_8888).apply { eraseColor(0xff306090.toInt()) }
        val file = ByteArrayOutputStream().also { photo.compress(Bitmap.CompressFormat.PNG, 100, it) }.toByteArray()
        val pixels = ByteBuffer.allocateDirect(4 * 40 * 30).apply { while (hasRemaining()) putInt(0x306090ff) }
        ImageClassifier.openFile(given.models.first(), InterpreterRuntime()).use { model ->
            val frame = Frame().useRgba(pixels, 40, 30, 160, 90)
            val wanted = model.classify(file)
            for (answer in listOf(
                await { model.awaitClassify(file) }, await { model.awaitClassify(photo, 180) }, await { model.awaitClassify(frame) },
                model.classify(frame), model.classify(photo, 270), await { model.awaitClassify(file, exact = false) },
            )) {
                assertEquals(wanted.ranked, answer.ranked)
                assertEquals(wanted.answer, answer.answer)
            }
        }
    }

    @Test
    fun anotherThreadWorksAndWhatItThrowsArrives() {
        var thread: Thread? = null
        val opening = start {
            ImageClassifier.awaitOpenAsset(RuntimeEnvironment.getApplication().assets, "none.tflite", InterpreterRuntime(), executor = {
                Thread { thread = Thread.currentThread(); it.run() }.start()
            })
        }
        try {
            opening.get(30, TimeUnit.SECONDS)
            throw AssertionError("there is no such model")
        } catch (error: ExecutionException) {
            assertEquals(ModelError.MISSING, (error.cause as ModelException).code)
        }
        assertNotSame(Thread.currentThread(), thread)
    }
}
