package org.edgekd.classifier

import android.content.res.AssetManager
import android.graphics.Bitmap
import java.util.concurrent.Executor
import java.util.concurrent.Executors
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import kotlin.coroutines.suspendCoroutine

/*
 * The calls of ImageClassifier for coroutines: each suspends while another thread works, and throws what the plain call
 * throws. Optional, and without kotlinx-coroutines, which works with them as with any suspend function. A call that was
 * begun runs to its end, as it does inside withContext.
 */

/** One thread for all: a classifier runs one call at a time anyway. */
private val worker: Executor by lazy {
    Executors.newSingleThreadExecutor { Thread(it, "edgekd").apply { isDaemon = true } }
}

/** [ImageClassifier.classify] of a photo file's bytes. */
suspend fun ImageClassifier.awaitClassify(photo: ByteArray, exact: Boolean = true, executor: Executor = worker): Classification =
    awaitWork(executor) { classify(photo, exact) }

/** [ImageClassifier.classify] of a bitmap. */
suspend fun ImageClassifier.awaitClassify(bitmap: Bitmap, rotationDegrees: Int = 0, executor: Executor = worker): Classification =
    awaitWork(executor) { classify(bitmap, rotationDegrees) }

/** [ImageClassifier.classify] of a frame, which must stay as it is until this returns. */
suspend fun ImageClassifier.awaitClassify(frame: Frame, executor: Executor = worker): Classification =
    awaitWork(executor) { classify(frame) }

/** [ImageClassifier.openAsset], which reads and checks all of a file. */
suspend fun ImageClassifier.Companion.awaitOpenAsset(
    assets: AssetManager, name: String, runtime: ModelRuntime, executor: Executor = worker,
): ImageClassifier = awaitWork(executor) { openAsset(assets, name, runtime) }

private suspend fun <T> awaitWork(executor: Executor, work: () -> T): T = suspendCoroutine { continuation ->
    executor.execute {
        val result = runCatching(work)
        result.fold(continuation::resume, continuation::resumeWithException)
    }
}
