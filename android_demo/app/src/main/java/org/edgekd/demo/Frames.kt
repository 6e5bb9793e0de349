package org.edgekd.demo

import org.edgekd.classifier.Classification
import org.edgekd.classifier.Frame

/**
 * A frame that waits: [read] gives it, where the camera has it in memory, to what classifies it, and null when the camera
 * has stopped; [drop] must be called once.
 */
class CameraFrame(val read: (classify: (Frame) -> Classification) -> Classification?, val drop: () -> Unit)

/** Degrees clockwise that turn a sensor's picture upright on a screen turned by [displayDegrees] from its natural way. */
fun turnOf(sensorDegrees: Int, displayDegrees: Int, front: Boolean): Int =
    if (front) (sensorDegrees + displayDegrees) % 360 else (sensorDegrees - displayDegrees + 360) % 360
