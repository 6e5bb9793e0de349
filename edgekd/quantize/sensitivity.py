"""Which ops an int8 model loses most by: each one quantized alone, the others in float, over calibration images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.progress import Progress
from edgekd.quantize import converter
from edgekd.quantize.calibration import Calibrated
from edgekd.quantize.op_names import NamedOp, OpNames
from edgekd.quantize.run_tflite import probabilities_of

_IMAGES = 32
# What only moves values, or has to be integers for the probabilities to be.
_NEVER_FLOAT = ("SOFTMAX", "RESHAPE", "SQUEEZE", "PAD", "TRANSPOSE", "QUANTIZE", "DEQUANTIZE", "EXPAND_DIMS")
_SMALLEST = 1e-7


@dataclass(frozen=True)
class Sensitivity:
    """``divergence`` is the mean over images of KL(float ‖ this op alone in int8) of the probabilities, in nats."""

    op: NamedOp
    divergence: float


def sensitivities(calibrated: Calibrated, progress: Progress | None = None) -> tuple[Sensitivity, ...]:
    """Every op that could stay float, the one that costs most first. Raises ExportError."""
    images = np.concatenate(list(calibrated.inputs())[:_IMAGES])
    ops = OpNames.of(calibrated.content).ops
    wanted = probabilities_of(calibrated.content, images)
    candidates = [op for op in ops if op.kind not in _NEVER_FLOAT]
    found = []
    for number, op in enumerate(candidates):
        others = tuple(other.tensor for other in ops if other is not op)
        alone = probabilities_of(converter.quantize(calibrated.content, others), images)
        found.append(Sensitivity(op, mean_divergence(wanted, alone)))
        if progress is not None:
            progress(number + 1, len(candidates))
    return tuple(sorted(found, key=lambda one: -one.divergence))


def mean_divergence(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Mean over rows of KL(wanted ‖ found) of probabilities [N, C], in nats."""
    one, other = (np.clip(rows.astype(np.float64), _SMALLEST, 1) for rows in (wanted, found))
    return float((one * (np.log(one) - np.log(other))).sum(axis=1).mean())
