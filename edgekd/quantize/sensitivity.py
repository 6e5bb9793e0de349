"""Sensitivity of each op to int8: it alone is quantized, the others stay float, over calibration images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.progress import Progress
from edgekd.quantize import converter
from edgekd.quantize.calibration import CalibratedModel
from edgekd.quantize.op_names import NamedOp, OpNames
from edgekd.quantize.run_tflite import run_tflite

_IMAGES = 32
# Ops that only move values, or that must be integers for integer probabilities.
_NEVER_FLOAT = ("SOFTMAX", "RESHAPE", "SQUEEZE", "PAD", "TRANSPOSE", "QUANTIZE", "DEQUANTIZE", "EXPAND_DIMS")
_SMALLEST = 1e-7


@dataclass(frozen=True)
class Sensitivity:
    """``divergence`` is the mean over images of KL(float ‖ this op alone in int8) of the probabilities, in nats."""

    op: NamedOp
    divergence: float


def measure_sensitivities(calibrated: CalibratedModel, progress: Progress | None = None) -> tuple[Sensitivity, ...]:
    """Measure every op that could stay float; the most sensitive first. Raises ExportError."""
    images = np.concatenate(list(calibrated.inputs())[:_IMAGES])
    ops = OpNames.read(calibrated.content).ops
    expected = run_tflite(calibrated.content, images)
    candidates = [op for op in ops if op.kind not in _NEVER_FLOAT]
    measured = []
    for number, op in enumerate(candidates):
        others = tuple(other.tensor for other in ops if other is not op)
        alone = run_tflite(converter.quantize(calibrated.content, others, per_channel=calibrated.per_channel), images)
        measured.append(Sensitivity(op, compute_divergence(expected, alone)))
        if progress is not None:
            progress(number + 1, len(candidates))
    return tuple(sorted(measured, key=lambda entry: -entry.divergence))


def compute_divergence(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> float:
    """Mean over rows of KL(expected ‖ actual) of probabilities [N, C], in nats."""
    expected_rows, actual_rows = (np.clip(rows.astype(np.float64), _SMALLEST, 1) for rows in (expected, actual))
    return float((expected_rows * (np.log(expected_rows) - np.log(actual_rows))).sum(axis=1).mean())
