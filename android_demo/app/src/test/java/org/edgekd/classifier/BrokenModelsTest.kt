package org.edgekd.classifier

import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertTrue
import org.junit.Assert.fail
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest
import kotlin.random.Random

/** Models spoilt in every way that was thought of: each must say what is wrong, and none may reach the native code. */
@RunWith(RobolectricTestRunner::class)
class BrokenModelsTest {
    private lateinit var good: ByteArray

    @Before
    fun read() {
        good = given.models.first { "int8" in it.name }.readBytes()
    }

    @Test
    fun eachSaysWhatIsWrong() {
        val said = JSONObject()
        for ((name, broken) in broken()) {
            val (bytes, wanted) = broken
            val message = refusal(bytes) ?: throw AssertionError("$name was opened")
            said.put(name, message)
            assertTrue("$name: $message", wanted in message)
        }
        val codes = broken().mapValues { (_, broken) -> refusalCode(broken.first) }
        assertEquals(
            listOf(ModelError.NOT_TFLITE, ModelError.DAMAGED, ModelError.NO_RECORD, ModelError.OTHER_VERSION, ModelError.UNUSABLE_RECORD, ModelError.SEVERAL_PHOTOS),
            listOf("a photo", "a changed weight", "another tool's model", "unknown crop", "a label too few", "input of four photos").map(codes::get),
        )
        assertTrue("${said.length()} broken models", said.length() >= 20)
        File(given.build, "broken_models.json").writeText(said.toString(1))
    }

    @Test
    fun noChangedByteIsOverlooked() {
        val random = Random(8)
        repeat(300) {
            val at = random.nextInt(good.size)
            val bytes = good.clone().also { it[at] = (it[at] + 1 + random.nextInt(255)).toByte() }
            assertNotNull("byte $at was changed and nothing said so", refusal(bytes))
        }
        repeat(100) { assertNotNull(refusal(good.copyOf(random.nextInt(good.size)))) }
    }

    @Test
    fun theGoodOneOpensFromMemoryToo() {
        ImageClassifier.open(ByteBuffer.wrap(good), InterpreterRuntime(threads = 2, delegate = Delegate.NONE)).use { model ->
            assertEquals(good.size.toLong(), model.sizeBytes)
            assertEquals(model.record.labels.size, model.run(ByteArray(model.record.inputWidth * model.record.inputHeight * 3)).size)
        }
    }

    @Test
    fun aDelegateThatIsNotThereSaysSo() {
        try {
            ImageClassifier.open(ByteBuffer.wrap(good), InterpreterRuntime(delegate = Delegate.GPU)).close()
            fail("there is no GPU here")
        } catch (error: ModelException) {
            assertTrue(error.message!!, "GPU is not available here" in error.message!!)
        }
    }

    private fun refusal(bytes: ByteArray): String? = refusedBy(bytes)?.message

    private fun refusalCode(bytes: ByteArray): ModelError? = refusedBy(bytes)?.code

    private fun refusedBy(bytes: ByteArray): ModelException? = try {
        ImageClassifier.open(ByteBuffer.wrap(bytes), InterpreterRuntime()).close()
        null
    } catch (error: ModelException) {
        error
    }

    private fun broken(): Map<String, Pair<ByteArray, String>> {
        val flat = Flatbuffer(ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN))
        val model = flat.root(0)
        val graph = flat.tables(model, 2).single()
        val tensors = flat.tables(graph, 0)
        val (inputShape, _) = flat.vector(tensors[flat.ints(graph, 1).single()], 0, 4)!!
        val (outputShape, _) = flat.vector(tensors[flat.ints(graph, 2).single()], 0, 4)!!
        val labels = ImageClassifier.open(ByteBuffer.wrap(good), InterpreterRuntime()).use { it.record.labels }
        val first = JSONObject.quote(labels[0])
        val second = JSONObject.quote(labels[1])
        val width = ImageClassifier.open(ByteBuffer.wrap(good), InterpreterRuntime()).use { it.record.inputWidth }
        val crop = ImageClassifier.open(ByteBuffer.wrap(good), InterpreterRuntime()).use { it.record.preprocessing.crop.name.lowercase() }
        return mapOf(
            "empty" to (ByteArray(0) to "empty"),
            "a text" to ("Not found".toByteArray() to "not a .tflite"),
            "a photo" to (byteArrayOf(-1, -40, -1, -32) + good to "not a .tflite"),
            "seven bytes" to (good.copyOf(7) to "not a .tflite"),
            "eight bytes" to (good.copyOf(8) to "cut short"),
            "half" to (good.copyOf(good.size / 2) to "cut short"),
            "last byte missing" to (good.copyOf(good.size - 1) to "cut short"),
            "one byte too many" to (good + 0 to "do not match the hash"),
            "a changed weight" to (put(good.size / 2, 1 + good[good.size / 2]) to "damaged"),
            "a changed label" to (text(first, first.replaceRange(1, 2, "#"), sealed = false) to "do not match the hash"),
            "labels.txt removed" to (good.copyOf(good.size - 80) to "do not match the hash"),
            "another identifier" to (put(7, '2'.code) to "not a .tflite"),
            "root out of the file" to (int(0, Int.MAX_VALUE, sealed = false) to "damaged"),
            "root before the file" to (int(0, -9, sealed = false) to "damaged"),
            "zeros" to (good.copyOf(8) + ByteArray(good.size - 8) to "carries no record"),
            "another tool's model" to (text("EDGEKD", "NOBODY", sealed = false) to "another tool's model"),
            "no seal" to (text("\"seal\":", "\"sael\":", sealed = false) to "do not match the hash"),
            "record is no JSON" to (text("{\"labels\"", "<\"labels\"") to "record cannot be used"),
            "record without labels" to (text("\"labels\":", "\"babels\":") to "record cannot be used"),
            "record of another schema" to (text("\"schema\":1", "\"schema\":2") to "another version"),
            "a label too few" to (text("$first,$second", first.dropLast(1) + "___" + second.drop(1)) to "${labels.size - 1} labels"),
            "a label too many" to (int(outputShape + 4, labels.size - 1) to "${labels.size} labels"),
            "unknown resize" to (text("pillow-bilinear-antialias", "pillow-nearest--antialias") to "does not know"),
            "unknown crop" to (text("\"crop\":\"$crop\"", "\"crop\":\"${crop.reversed()}\"") to "does not know"),
            "another width" to (text("\"width\":$width", "\"width\":${width + 1}") to "its record says"),
            "input of rank 3" to (int(inputShape - 4, 3) to "its record says"),
            "input of four photos" to (int(inputShape, 4) to "4 photos at a time"),
            "float input" to (field(tensors[flat.ints(graph, 1).single()], 1) to "not uint8"),
            "output of rank 1" to (int(outputShape - 4, 1) to "not one row"),
            "no input" to (int(flat.vector(graph, 1, 4)!!.first - 4, 0) to "one input and one output"),
            "one tensor only" to (int(flat.vector(graph, 0, 4)!!.first - 4, 1) to "damaged"),
        )
    }

    private fun put(at: Int, value: Int): ByteArray = good.clone().also { it[at] = value.toByte() }

    private fun int(at: Int, value: Int, sealed: Boolean = true): ByteArray {
        val bytes = good.clone()
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(at, value)
        return if (sealed) seal(bytes) else bytes
    }

    /** A one-byte field of a table set to zero. */
    private fun field(table: Int, slot: Int): ByteArray {
        val bytes = ByteBuffer.wrap(good.clone()).order(ByteOrder.LITTLE_ENDIAN)
        val vtable = table - bytes.getInt(table)
        bytes.put(table + bytes.getShort(vtable + 4 + 2 * slot), 0)
        return seal(bytes.array())
    }

    private fun text(old: String, new: String, sealed: Boolean = true): ByteArray {
        val all = String(good, Charsets.ISO_8859_1)
        val (from, to) = listOf(old, new).map { String(it.toByteArray(), Charsets.ISO_8859_1) }
        assertEquals(from.length, to.length)
        assertTrue("$old is not in the file", from in all)
        val bytes = all.replaceFirst(from, to).toByteArray(Charsets.ISO_8859_1)
        return if (sealed) seal(bytes) else bytes
    }

    private fun seal(bytes: ByteArray): ByteArray {
        val all = String(bytes, Charsets.ISO_8859_1)
        val at = all.indexOf("\"seal\":\"") + 8
        val blank = all.replaceRange(at, at + 64, "0".repeat(64)).toByteArray(Charsets.ISO_8859_1)
        val hash = MessageDigest.getInstance("SHA-256").digest(blank).joinToString("") { "%02x".format(it) }
        return all.replaceRange(at, at + 64, hash).toByteArray(Charsets.ISO_8859_1)
    }
}
