"""Which range of an activation the 256 values of int8 are spread over.

``min-max`` covers everything that was seen. ``percentile`` leaves the outermost 0.01 % out. ``mse`` takes the range of
the least mean squared error of the quantized values; both give most values finer steps and cut outliers off.

Source: Krishnamoorthi, arXiv:1806.08342 (min-max); Wu et al., arXiv:2004.09602 (percentile);
Nagel et al., arXiv:2106.08295, section 3.1 (mean squared error).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np

from edgekd.errors import UsageError
from edgekd.formats import tflite_file
from edgekd.quantize.calibration import Calibrated, range_of
from edgekd.quantize.histogram import Histogram, histograms
from edgekd.quantize.io_types import packed

RangeMethod = Literal["min-max", "percentile", "mse"]
RANGE_METHODS: tuple[RangeMethod, ...] = get_args(RangeMethod)
PERCENTILE = 99.99
# Shares of the whole range that are tried at either end.
_SHARES = np.linspace(1.0, 0.3, 36)
_STEPS = 255
# What hands the logits on unchanged: clipped, the likeliest classes would tie.
_AFTER_LOGITS = ("SOFTMAX", "RESHAPE", "SQUEEZE")


def with_ranges(calibrated: Calibrated, method: RangeMethod) -> Calibrated:
    """The same calibration with ranges by ``method``. The input, the logits and the probabilities keep theirs.

    Raises UsageError for an unknown method.
    """
    if method not in RANGE_METHODS:
        raise UsageError(f"ranges are found by {', '.join(RANGE_METHODS)}; got {method!r}")
    if method == "min-max":
        return calibrated
    best = percentile_range if method == "percentile" else least_squares_range
    model = tflite_file.parse(calibrated.content, "the calibrated model")
    kept = _logits_on(calibrated.content)
    for index, found in histograms(calibrated).items():
        tensor = model.subgraphs[0].tensors[index]
        if index in kept or range_of(tensor) is None:
            continue
        low, high = best(found)
        tensor.quantization.min = np.array([low], np.float32)
        tensor.quantization.max = np.array([high], np.float32)
    record = {**calibrated.record, "calibration_method": method}
    if method == "percentile":
        record["percentile"] = PERCENTILE
    return replace(calibrated, content=packed(model, len(calibrated.content)), record=record)


def percentile_range(found: Histogram) -> tuple[float, float]:
    """From the 0.01st to the 99.99th percentile of what was seen, zero included."""
    shares = np.cumsum(found.counts) / found.counts.sum()
    edges = np.linspace(found.low, found.high, len(found.counts) + 1)
    tail = 1 - PERCENTILE / 100
    first, last = int(np.searchsorted(shares, tail, side="right")), int(np.searchsorted(shares, 1 - tail))
    return min(float(edges[first]), 0.0), max(float(edges[min(last + 1, len(edges) - 1)]), 0.0)


def least_squares_range(found: Histogram) -> tuple[float, float]:
    """The range, zero included, whose int8 values are nearest to those seen, by their mean squared error."""
    low, high = min(found.low, 0.0), max(found.high, 0.0)
    seen = found.counts > 0
    values, counts = found.centers[seen], found.counts[seen]
    ends = [(a * low, b * high) for a in (_SHARES if low else (0.0,)) for b in (_SHARES if high else (0.0,))]
    # The widest comes first and so wins where nothing is gained.
    errors = [squared_error(values, counts, *end) for end in ends if end[0] < end[1]]
    return ends[int(np.argmin(errors))]


def squared_error(values: Any, counts: Any, low: float, high: float) -> float:
    """Sum over values [M], each seen ``counts`` times, of the squared difference to what int8 makes of them."""
    step = (high - low) / _STEPS
    zero = np.clip(np.round(-low / step), 0, _STEPS)
    shown = (np.clip(np.round(values / step) + zero, 0, _STEPS) - zero) * step
    return float(counts @ (values - shown) ** 2)


def _logits_on(content: bytes) -> set[int]:
    """The logits, the probabilities and what lies between them."""
    graph = tflite_file.read(content, "the calibrated model")
    found, ahead = set(), list(graph.outputs)
    makers = {output: op for op in graph.ops for output in op.outputs}
    while ahead:
        index = ahead.pop()
        found.add(index)
        if index in makers and makers[index].name in _AFTER_LOGITS:
            ahead.append(makers[index].inputs[0])
    return found
