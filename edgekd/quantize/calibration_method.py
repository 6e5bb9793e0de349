"""Calibration methods: which range of an activation the 256 values of int8 cover.

``min-max`` covers every observed value. ``percentile`` leaves the outermost 0.01 % out. ``mse`` takes the range of
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
from edgekd.quantize.calibration import CalibratedModel, read_range
from edgekd.quantize.histogram import Histogram, compute_histograms

CalibrationMethod = Literal["min-max", "percentile", "mse"]
# "best" is chosen among the methods by ``best_ranges``.
Ranges = Literal["best", "min-max", "percentile", "mse"]
CALIBRATION_METHODS: tuple[CalibrationMethod, ...] = get_args(CalibrationMethod)
PERCENTILE = 99.99
# Shares of the full range that are tried at either end.
_SHARES = np.linspace(1.0, 0.3, 36)
_STEPS = 255
# Ops between logits and output: clipping the logits would make the likeliest classes tie.
_AFTER_LOGITS = ("SOFTMAX", "RESHAPE", "SQUEEZE")


def set_ranges(
    calibrated: CalibratedModel, method: CalibrationMethod, histograms: dict[int, Histogram] | None = None
) -> CalibratedModel:
    """Set the ranges of a calibrated model by ``method``; the input, logits and probabilities keep min-max.

    ``histograms`` are those of ``compute_histograms``, where they are known already.

    Raises UsageError for an unknown method.
    """
    if method not in CALIBRATION_METHODS:
        raise UsageError(f"ranges must be one of {', '.join(CALIBRATION_METHODS)}; got {method!r}")
    if method == "min-max":
        return calibrated
    best = percentile_range if method == "percentile" else least_squares_range
    model = tflite_file.parse(calibrated.content, "the calibrated model")
    unchanged = _logits_on(calibrated.content)
    for index, histogram in (histograms or compute_histograms(calibrated)).items():
        tensor = model.subgraphs[0].tensors[index]
        if index in unchanged or read_range(tensor) is None:
            continue
        low, high = best(histogram)
        tensor.quantization.min = np.array([low], np.float32)
        tensor.quantization.max = np.array([high], np.float32)
    record = {**calibrated.record, "calibration_method": method}
    if method == "percentile":
        record["percentile"] = PERCENTILE
    return replace(calibrated, content=tflite_file.pack(model), record=record)


def percentile_range(histogram: Histogram) -> tuple[float, float]:
    """The range from the 0.01st to the 99.99th percentile, zero included."""
    shares = np.cumsum(histogram.counts) / histogram.counts.sum()
    edges = np.linspace(histogram.low, histogram.high, len(histogram.counts) + 1)
    tail = 1 - PERCENTILE / 100
    first, last = int(np.searchsorted(shares, tail, side="right")), int(np.searchsorted(shares, 1 - tail))
    return min(float(edges[first]), 0.0), max(float(edges[min(last + 1, len(edges) - 1)]), 0.0)


def least_squares_range(histogram: Histogram) -> tuple[float, float]:
    """The range, zero included, with the least mean squared error between int8 and observed values."""
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    occupied = histogram.counts > 0
    values, counts = histogram.centers[occupied], histogram.counts[occupied]
    ends = [(a * low, b * high) for a in (_SHARES if low else (0.0,)) for b in (_SHARES if high else (0.0,))]
    # The widest range comes first and wins ties.
    errors = [squared_error(values, counts, *end) for end in ends if end[0] < end[1]]
    return ends[int(np.argmin(errors))]


def squared_error(values: Any, counts: Any, low: float, high: float) -> float:
    """Sum over values [M], each occurring ``counts`` times, of the squared int8 rounding error."""
    step = (high - low) / _STEPS
    zero = np.clip(np.round(-low / step), 0, _STEPS)
    rounded = (np.clip(np.round(values / step) + zero, 0, _STEPS) - zero) * step
    return float(counts @ (values - rounded) ** 2)


def _logits_on(content: bytes) -> set[int]:
    """The logits, the probabilities and the tensors between them."""
    graph = tflite_file.read(content, "the calibrated model")
    indices, pending, ended = set(), list(graph.outputs), False
    makers = {output: op for op in graph.ops for output in op.outputs}
    while pending:
        index = pending.pop()
        indices.add(index)
        if index not in makers:
            continue
        kind = makers[index].name
        is_last = kind == "LOGISTIC" and not ended
        if is_last or kind in _AFTER_LOGITS:
            # Of a graph with a softmax at its end, a sigmoid before it is one within the network.
            ended = ended or kind in ("LOGISTIC", "SOFTMAX")
            pending.append(makers[index].inputs[0])
    return indices
