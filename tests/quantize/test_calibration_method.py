from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.errors import UsageError
from edgekd.formats import tflite_file
from edgekd.quantize.calibration import read_range
from edgekd.quantize.calibration_method import least_squares_range, percentile_range, set_ranges, squared_error
from edgekd.quantize.histogram import BINS, Histogram, compute_histograms


def spread(values: NDArray[np.float64]) -> Histogram:
    low, high = float(values.min()), float(values.max())
    return Histogram(np.histogram(values, BINS, (low, high))[0].astype(np.int64), low, high)


def outliers() -> NDArray[np.float64]:
    """A million values about 0, and ten at 100."""
    return np.concatenate([np.random.default_rng(0).normal(size=1_000_000), np.full(10, 100.0)])


def test_a_percentile_leaves_the_outermost_hundredth_of_a_percent_out() -> None:
    low, high = percentile_range(spread(outliers()))
    # The 99.99th percentile of a normal distribution is 3.72; a bin is 0.05 wide.
    assert low == pytest.approx(-3.72, abs=0.1)
    assert high == pytest.approx(3.72, abs=0.1)


def test_zero_is_always_in_a_range() -> None:
    positive = np.random.default_rng(0).uniform(2, 3, 10_000)
    assert percentile_range(spread(positive))[0] == 0.0
    assert least_squares_range(spread(positive))[0] == 0.0


def test_least_squares_has_the_least_error_of_all() -> None:
    values = outliers()[::10]
    found = spread(values)
    best = least_squares_range(found)
    seen, counts = found.centers, found.counts
    errors = {name: squared_error(seen, counts, *ends) for name, ends in
              {"best": best, "all": (found.low, found.high), "most": percentile_range(found)}.items()}  # fmt: skip
    assert errors["best"] <= min(errors.values())
    assert errors["best"] == pytest.approx(float(np.sum((values - quantized(values, *best)) ** 2)), rel=0.05)


def quantized(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    step = (high - low) / 255
    zero = round(-low / step)
    return (np.clip(np.round(values / step) + zero, 0, 255) - zero) * step


def test_histograms_count_what_the_ops_made(calibrated: Any) -> None:
    found = compute_histograms(calibrated)
    graph = tflite_file.read(calibrated.content, "tiny")
    first = graph.ops[0].outputs[0]
    values = int(np.prod(graph.tensors[first].shape)) * len(calibrated.images)
    assert found[first].counts.sum() == values
    # ReLU6 on both sides.
    assert found[first].low == 0.0 and found[first].high <= 6.0
    assert set(found) == {op.outputs[0] for op in graph.ops}


@pytest.mark.parametrize("method", ["percentile", "mse"])
def test_ranges_become_narrower_but_for_input_and_logits(calibrated: Any, method: Any) -> None:
    other = set_ranges(calibrated, method)
    assert other.record["calibration_method"] == method
    before, after = (tflite_file.parse(c.content, "tiny").subgraphs[0] for c in (calibrated, other))
    narrower = []
    for index, (one, two) in enumerate(zip(before.tensors, after.tensors, strict=True)):
        if read_range(one) is None:
            continue
        (low, high), (new_low, new_high) = read_range(one), read_range(two)  # type: ignore[misc]
        assert new_low >= min(low, 0.0) - 1e-6 and new_high <= max(high, 0.0) + 1e-6
        if (low, high) != (new_low, new_high):
            narrower.append(index)
    softmax = next(op for op in tflite_file.read(calibrated.content, "tiny").ops if op.name == "SOFTMAX")
    assert narrower
    assert not {int(before.inputs[0]), *softmax.inputs, *softmax.outputs} & set(narrower)


def test_an_unknown_method_is_refused(calibrated: Any) -> None:
    with pytest.raises(UsageError, match="min-max, percentile, mse; got 'entropy'"):
        set_ranges(calibrated, "entropy")  # type: ignore[arg-type]
