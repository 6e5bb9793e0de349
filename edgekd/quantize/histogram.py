"""Histograms of a calibrated model's tensors over its calibration images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.formats import tflite_file
from edgekd.quantize.calibration import CalibratedModel, read_range

BINS = 2048
# Most values of a tensor counted per image; larger tensors are sampled with an odd step, so that no channel count
# divides it.
_MOST = 1 << 16


@dataclass(frozen=True)
class Histogram:
    """``counts`` int64 [BINS] of the values from ``low`` to ``high``."""

    counts: NDArray[np.int64]
    low: float
    high: float

    @property
    def centers(self) -> NDArray[np.float64]:
        """The bins' middles [BINS]."""
        width = (self.high - self.low) / BINS
        return np.asarray(self.low + (np.arange(BINS) + 0.5) * width, np.float64)


def compute_histograms(calibrated: CalibratedModel) -> dict[int, Histogram]:
    """Run the model again and count the values of every computed tensor that has a range, by tensor index."""
    from edgekd.runtime.litert import open_interpreter

    model = tflite_file.parse(calibrated.content, "the calibrated model")
    computed = {int(i) for op in model.subgraphs[0].operators for i in op.outputs}
    spans = {i: read_range(tensor) for i, tensor in enumerate(model.subgraphs[0].tensors) if i in computed}
    ranged_tensors = {index: span for index, span in spans.items() if span is not None}
    interpreter = open_interpreter(calibrated.content, threads=2, xnnpack=False, preserve_all_tensors=True)
    image = int(interpreter.get_input_details()[0]["index"])
    counts = {index: np.zeros(BINS, np.int64) for index in ranged_tensors}
    for pixels in calibrated.inputs():
        interpreter.set_tensor(image, pixels)
        interpreter.invoke()
        for index, (low, high) in ranged_tensors.items():
            counts[index] += _count_values(interpreter.get_tensor(index), low, high)
    return {index: Histogram(counts[index], *span) for index, span in ranged_tensors.items()}


def _count_values(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.int64]:
    flat = values.ravel()
    if len(flat) > _MOST:
        flat = flat[:: -(-len(flat) // _MOST) | 1]
    places = np.clip((flat - low) * (BINS / (high - low)), 0, BINS - 1).astype(np.int64)
    return np.bincount(places, minlength=BINS)
