"""Does a file that was just written say what it should? Asked of the runtime that ships."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError
from edgekd.formats.artifact import Artifact
from edgekd.metrics import agreement
from edgekd.runtime.open import open_runner
from edgekd.runtime.runner import Runner

# Largest difference in a probability between two float computations of one graph.
FLOAT_TOLERANCE = 1e-4
# One step of an int8 softmax's output.
QUANTUM = 1 / 256
# Two runtimes round a tie differently now and then (the mean of 4 pixels ends in .5 every fourth time), and a steep
# head makes steps of it; a wrong translation differs everywhere, and by more.
_SAME_INTEGERS_MEAN_QUANTA = 8.0
_SAME_INTEGERS_FLIPS = 0.05
_PHOTOS = 64
_BATCH_PHOTOS = 3

Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class Expected:
    """Images uint8 [N, H, W, 3], and the float32 probabilities [N, C] that Keras gives for them."""

    images: NDArray[np.uint8]
    keras: Probabilities


def expected_of(model: Any, images: NDArray[np.uint8]) -> Expected:
    """Run the Keras model, which takes pixel values 0..255, on at most 64 of the images."""
    import keras

    chosen = images[:_PHOTOS]
    rows = [
        keras.ops.convert_to_numpy(model(part.astype(np.float32), training=False))
        for part in np.array_split(chosen, -(-len(chosen) // 16))
    ]
    return Expected(chosen, np.concatenate(rows).astype(np.float32))


def stand_in_images(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth seeded images uint8 [8, H, W, 3], for a float export without photos."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [
        np.stack([np.sin(a * x + b * y + c) for a, b, c in generator.uniform(-9, 9, (3, 3))], axis=-1) for _ in range(8)
    ]
    return np.asarray((np.stack(waves) + 1) * 127.5).round().astype(np.uint8)


def verify(artifact: Artifact, expected: Expected, twin: Artifact | None = None) -> dict[str, Any]:
    """Run a file and hold it against Keras, and an int8 .onnx against its int8 .tflite ``twin``.

    Returns the parity record. Raises: ExportError where a difference is more than rounding.
    """
    runner = open_runner(artifact, threads=2)
    found = runner.run(expected.images)
    if not np.isfinite(found).all():
        raise ExportError(f"{artifact.path.name} gives NaN or infinity. Report this with the model")
    record: dict[str, Any] = {"photos": len(found), "keras": compare(found, expected.keras)}
    if artifact.precision == "float32" and record["keras"]["largest_difference"] > FLOAT_TOLERANCE:
        raise ExportError(
            f"{artifact.path.name} differs from Keras by {record['keras']['largest_difference']:.3g} in a probability "
            f"(allowed {FLOAT_TOLERANCE:g}). A layer converts to something else: leave out layers until it agrees"
        )
    if artifact.inputs[0].shape[0] != 1:
        record["batch_difference"] = _batch_difference(artifact, runner, expected.images[:_BATCH_PHOTOS])
    if twin is not None:
        record["int8_tflite"] = _same_integers(artifact, found, open_runner(twin, threads=2).run(expected.images))
    return record


def _batch_difference(artifact: Artifact, runner: Runner, images: NDArray[np.uint8]) -> float:
    # An image's answer must not depend on those beside it.
    together = runner.run(images)
    alone = np.concatenate([runner.run(images[i : i + 1]) for i in range(len(images))])
    difference = float(np.abs(together - alone).max())
    if difference > (FLOAT_TOLERANCE if artifact.precision == "float32" else QUANTUM):
        raise ExportError(
            f"{artifact.path.name} answers {len(images)} images at a time otherwise than one by one, by "
            f"{difference:.3g} in a probability. Export it with batch 1, or replace the layer that mixes images"
        )
    return difference


def compare(found: Probabilities, wanted: Probabilities) -> dict[str, Any]:
    """Top-1 agreement and largest difference of two sets of probabilities [N, C]."""
    same = agreement(found.argmax(axis=1), wanted.argmax(axis=1))
    return {
        "agreement": same.value,
        "differing": same.differing,
        "largest_difference": float(np.abs(found - wanted).max()),
    }


def _same_integers(artifact: Artifact, found: Probabilities, wanted: Probabilities) -> dict[str, Any]:
    record = compare(found, wanted)
    quanta = np.abs(found - wanted) / QUANTUM
    record |= {"largest_quanta": float(quanta.max()), "mean_quanta": float(quanta.mean())}
    flips_allowed = max(2, round(_SAME_INTEGERS_FLIPS * len(found)))
    if record["differing"] > flips_allowed or quanta.max(axis=1).mean() > _SAME_INTEGERS_MEAN_QUANTA:
        raise ExportError(
            f"{artifact.path.name} does not give the int8 .tflite's answers: {record['differing']} of {len(found)} top "
            f"answers differ, by up to {quanta.max():.0f}/256. Ask for --format tflite and report this with the model"
        )
    return record
