"""Sensitivity of each op to int8: it alone is quantized, the others stay float, over calibration images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.progress import Progress
from edgekd.quantize import converter
from edgekd.quantize.calibration import CalibratedModel
from edgekd.quantize.op_names import NamedOp, OpNames
from edgekd.quantize.run_tflite import find_task, run_tflite
from edgekd.task import Task

_IMAGES = 32
# Ops that only move values, or that must be integers for integer probabilities.
_NEVER_FLOAT = ("SOFTMAX", "RESHAPE", "SQUEEZE", "PAD", "TRANSPOSE", "QUANTIZE", "DEQUANTIZE", "EXPAND_DIMS")
_SMALLEST = 1e-7


@dataclass(frozen=True)
class Sensitivity:
    """``divergence`` is the mean over images of KL(float ‖ this op alone in int8) of the probabilities, in nats.

    Of tags it is the sum over the tags.
    """

    op: NamedOp
    divergence: float


def measure_sensitivities(calibrated: CalibratedModel, progress: Progress | None = None) -> tuple[Sensitivity, ...]:
    """Measure every op that could stay float; the most sensitive first. Raises ExportError."""
    images = np.concatenate(list(calibrated.inputs())[:_IMAGES])
    ops = OpNames.read(calibrated.content).ops
    expected = run_tflite(calibrated.content, images)
    task = find_task(calibrated.content)
    # The sigmoids of tags are as a softmax is; inside a network they are an activation.
    last = ops[-1:] if task == "multi-label" else ()
    candidates = [op for op in ops if op.kind not in _NEVER_FLOAT and op not in last]
    measured = []
    for number, op in enumerate(candidates):
        others = tuple(other.tensor for other in ops if other is not op)
        alone = run_tflite(converter.quantize(calibrated.content, others, per_channel=calibrated.per_channel), images)
        measured.append(Sensitivity(op, compute_divergence(expected, alone, task)))
        if progress is not None:
            progress(number + 1, len(candidates))
    return tuple(sorted(measured, key=lambda entry: -entry.divergence))


def compute_divergence(
    expected: NDArray[np.float32], actual: NDArray[np.float32], task: Task = "single-label"
) -> float:  # fmt: skip
    """Mean over rows of KL(expected ‖ actual) of probabilities [N, C], in nats; of tags the sum over the tags."""
    if task == "multi-label":
        return _divergence(expected, actual) + _divergence(1 - expected, 1 - actual)
    return _divergence(expected, actual)


def _divergence(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> float:
    expected_rows, actual_rows = (np.clip(rows.astype(np.float64), _SMALLEST, 1) for rows in (expected, actual))
    return float((expected_rows * (np.log(expected_rows) - np.log(actual_rows))).sum(axis=1).mean())
