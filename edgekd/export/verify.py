"""Checks a new file against the Keras model, with the runtime that ships."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from edgekd.decisions.fit import FileDecision
from edgekd.decisions.temperature import with_temperature
from edgekd.errors import ExportError
from edgekd.formats.artifact import Artifact
from edgekd.metrics import OUTPUT_STEP, Agreement, agreement
from edgekd.runtime.open import open_runner
from edgekd.runtime.runner import Runner
from edgekd.tag_metrics import same_tags

# Largest difference in a probability between two float computations of one graph.
FLOAT_TOLERANCE = 1e-4
# Core ML programs of float16: a wrong translation is off by more, on every image.
_FLOAT16_TOLERANCE = 0.05
# With integer or palettized weights: the least share of images with Keras' answer, as `--max-drop` has it by default.
_MIN_AGREEMENT = 0.98
# Two runtimes sometimes round a tie differently (the mean of 4 pixels ends in .5 every fourth time), and a steep head
# amplifies that to whole steps; a wrong translation differs everywhere, and by more.
_SAME_INTEGERS_MEAN_QUANTA = 8.0
_SAME_INTEGERS_FLIPS = 0.05
_PHOTOS = 64
_BATCH_PHOTOS = 3

Probabilities = NDArray[np.float32]


class Comparison(TypedDict):
    """Two sets of probabilities in JSON: the share and number of (un)equal predictions, and the largest difference."""

    agreement: float
    differing: int
    largest_difference: float


class IntegerComparison(Comparison):
    """A comparison of two int8 files; differences are also in steps of the output."""

    largest_quanta: float
    mean_quanta: float


class ParityRecord(TypedDict, total=False):
    """What a file's check measured, in JSON, as its sidecar stores it."""

    photos: int
    keras: Comparison
    batch_difference: float
    int8_tflite: IntegerComparison


@dataclass(frozen=True)
class ExpectedOutputs:
    """Images uint8 [N, H, W, 3] and Keras' float32 probabilities [N, C]."""

    images: NDArray[np.uint8]
    keras: Probabilities

    def with_decision(self, decision: FileDecision) -> ExpectedOutputs:
        """What is expected of a file whose logits are divided by the temperature that was fitted for it."""
        if decision.temperature == 1.0:
            return self
        tags = decision.decision.task == "multi-label"
        return ExpectedOutputs(self.images, with_temperature(self.keras, decision.temperature, tags=tags))


def compute_expected(model: Any, images: NDArray[np.uint8]) -> ExpectedOutputs:
    """Run the Keras model, which takes pixel values 0..255, on at most 64 of the images."""
    import keras

    sample = images[:_PHOTOS]
    rows = [
        keras.ops.convert_to_numpy(model(part.astype(np.float32), training=False))
        for part in np.array_split(sample, -(-len(sample) // 16))
    ]
    return ExpectedOutputs(sample, np.concatenate(rows).astype(np.float32))


def stand_in_images(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth seeded images uint8 [8, H, W, 3], for a float export without photos."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [
        np.stack([np.sin(a * x + b * y + c) for a, b, c in generator.uniform(-9, 9, (3, 3))], axis=-1) for _ in range(8)
    ]
    return np.asarray((np.stack(waves) + 1) * 127.5).round().astype(np.uint8)


def verify(artifact: Artifact, expected: ExpectedOutputs, twin: Artifact | None = None) -> ParityRecord:
    """Run a file and compare it with Keras, and an int8 .onnx with its int8 .tflite ``twin``.

    Returns the parity record. Raises: ExportError if a difference is larger than rounding.
    """
    runner = open_runner(artifact, threads=2)
    probabilities = runner.run(expected.images)
    if not np.isfinite(probabilities).all():
        raise ExportError(f"{artifact.path.name} gives NaN or infinity. Report this with the model")
    record: ParityRecord = {"photos": len(probabilities), "keras": compare(probabilities, expected.keras, artifact)}
    if artifact.precision == "float32" and record["keras"]["largest_difference"] > FLOAT_TOLERANCE:
        raise ExportError(
            f"{artifact.path.name} differs from Keras by {record['keras']['largest_difference']:.3g} in a probability "
            f"(allowed {FLOAT_TOLERANCE:g}). A layer is converted wrongly: remove layers one at a time to find it"
        )
    if artifact.format == "mlpackage":
        _judge_coreml(artifact, record["keras"], len(probabilities))
    if artifact.inputs[0].shape[0] != 1:
        record["batch_difference"] = _batch_difference(artifact, runner, expected.images[:_BATCH_PHOTOS])
    if twin is not None:
        record["int8_tflite"] = _same_integers(
            artifact, probabilities, open_runner(twin, threads=2).run(expected.images)
        )
    return record


def _judge_coreml(artifact: Artifact, found: Comparison, count: int) -> None:
    name, difference = artifact.path.name, found["largest_difference"]
    if artifact.precision == "float16" and difference > _FLOAT16_TOLERANCE:
        raise ExportError(
            f"{name} differs from Keras by {difference:.3g} in a probability (allowed {_FLOAT16_TOLERANCE:g}) where "
            "its program is computed op by op. Values may be too large for float16: leave out coreml"
        )
    if artifact.precision != "float16" and found["agreement"] < _MIN_AGREEMENT:
        raise ExportError(
            f"{name} predicts what Keras does on {found['agreement']:.1%} of {count} images (allowed "
            f"{_MIN_AGREEMENT:.0%}). Ask for finer weights, such as int8 or float16, by coreml_weights"
        )


def _batch_difference(artifact: Artifact, runner: Runner, images: NDArray[np.uint8]) -> float:
    # An image's output must not depend on the other images of its batch.
    together = runner.run(images)
    alone = np.concatenate([runner.run(images[i : i + 1]) for i in range(len(images))])
    difference = float(np.abs(together - alone).max())
    if difference > (FLOAT_TOLERANCE if artifact.precision == "float32" else OUTPUT_STEP):
        raise ExportError(
            f"{artifact.path.name} gives other outputs for {len(images)} images at once than one by one: a "
            f"probability differs by {difference:.3g}. Export it with batch 1, or replace the layer that mixes images"
        )
    return difference


def compare(actual: Probabilities, expected: Probabilities, artifact: Artifact) -> Comparison:
    """Agreement and largest difference of probabilities [N, C] that a file gives and those ``expected`` of it.

    Of a file of tags, photos agree where all of their tags do; a tag does too within an int8 step of its threshold.
    """
    decision = artifact.decision
    if decision.task == "multi-label":
        same = _agreement_on_tags(actual, expected, decision.thresholds)
    else:
        same = agreement(actual.argmax(axis=1), expected.argmax(axis=1))
    return {
        "agreement": same.value,
        "differing": same.differing,
        "largest_difference": float(np.abs(actual - expected).max()),
    }


def _agreement_on_tags(actual: Probabilities, expected: Probabilities, thresholds: tuple[float, ...]) -> Agreement:
    same = np.asarray(same_tags(actual, expected, OUTPUT_STEP, thresholds).all(axis=1))
    return Agreement(float(same.mean()), int((~same).sum()), len(same))


def _same_integers(artifact: Artifact, actual: Probabilities, expected: Probabilities) -> IntegerComparison:
    quanta = np.abs(actual - expected) / OUTPUT_STEP
    record: IntegerComparison = {
        **compare(actual, expected, artifact),
        "largest_quanta": float(quanta.max()), "mean_quanta": float(quanta.mean()),
    }  # fmt: skip
    flips_allowed = max(2, round(_SAME_INTEGERS_FLIPS * len(actual)))
    if record["differing"] > flips_allowed or quanta.max(axis=1).mean() > _SAME_INTEGERS_MEAN_QUANTA:
        raise ExportError(
            f"{artifact.path.name} does not match the int8 .tflite: {record['differing']} of {len(actual)} predictions "
            f"differ, by up to {quanta.max():.0f}/256. Use --format tflite, and report this with the model"
        )
    return record
