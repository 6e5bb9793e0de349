package org.edgekd.classifier

import org.json.JSONException
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner

/** How an answer follows from probabilities, by rules as records have them. Needs no model. */
@RunWith(RobolectricTestRunner::class)
class DecisionTest {
    private val labels = listOf("dry", "wet", "none of these")

    private fun decide(rule: String?, vararg probabilities: Float): List<String> =
        Decision.read(rule?.let(::JSONObject), labels).decide(probabilities, labels).map(labels::get)

    @Test
    fun theMostProbableLabelIsTheAnswerOfAFileThatSaysNothing() {
        assertEquals(listOf("wet"), decide(null, 0.2f, 0.7f, 0.1f))
        assertEquals("the first of equals", listOf("dry"), decide(null, 0.4f, 0.4f, 0.2f))
        assertEquals(listOf("dry"), decide("""{"task":"single-label"}""", 0.4f, 0.4f, 0.2f))
    }

    @Test
    fun everyTagThatReachesItsThresholdIsInTheAnswer() {
        val rule = """{"task":"multi-label","thresholds":[0.5,0.25,0.75],"calibration":{"method":"any"}}"""
        assertEquals(listOf("dry", "wet"), decide(rule, 0.5f, 0.25f, 0.74f))
        assertEquals(labels, decide(rule, 1f, 1f, 1f))
        assertEquals(emptyList<String>(), decide(rule, 0.4f, 0.2f, 0.7f))
        // 0.3f is above 0.3, and just so in Python; 0.7f is below 0.7.
        val fine = """{"task":"multi-label","thresholds":[0.3,0.7,0.5]}"""
        assertEquals(listOf("dry"), decide(fine, 0.3f, 0.7f, 0f))
    }

    @Test
    fun aPhotoMayShowNoneOfTheClasses() {
        val rule = """{"task":"single-label","reject_below":0.6,"none_label":"none of these"}"""
        assertEquals(listOf("wet"), decide(rule, 0.2f, 0.75f, 0.05f))
        assertEquals(emptyList<String>(), decide(rule, 0.2f, 0.5f, 0.3f))
        assertEquals(emptyList<String>(), decide(rule, 0.1f, 0f, 0.9f))
    }

    @Test
    fun aRuleThatIsNoneSaysWhatIsWrong() {
        val bad = mapOf(
            """{"task":"both"}""" to "decision.task is both",
            """{"task":"multi-label","thresholds":[0.5]}""" to "decision.thresholds has 1 entries for 3 labels",
            """{"task":"single-label","thresholds":[0.5,0.5,0.5]}""" to "decision.thresholds has 3 entries",
            """{"task":"multi-label","thresholds":[0.5,1e999,0.5]}""" to "not finite",
            """{"task":"single-label","none_label":"snow"}""" to "decision.none_label is snow",
            """{"task":"single-label","reject_below":"low"}""" to "reject_below",
            "{}" to "task",
        )
        for ((rule, wanted) in bad) {
            val said = assertThrows(rule, JSONException::class.java) { decide(rule, 1f, 0f, 0f) }.message!!
            assertTrue("$rule: $said", wanted in said)
        }
    }
}
