"""How well probabilities agree with what is true: calibration error, Brier score and log-likelihood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import UsageError
from edgekd.metrics import Interval

_RESAMPLES = 400
_MOST_BINS = 15
# Below this many photos a bin's share of right answers says little.
_LEAST_IN_BIN = 10
# A file of 256 output steps says 0 where it means less than half a step.
_LEAST_PROBABILITY = 1 / 512

Probabilities = NDArray[np.floating]
Truth = NDArray[np.integer]


@dataclass(frozen=True)
class CalibrationQuality:
    """Of ``photos`` photos: the expected calibration error, the Brier score and the negative log-likelihood.

    All are better where they are lower. For tags the Brier score and the likelihood are means over tags.
    """

    photos: int
    calibration_error: Interval
    brier: Interval
    log_loss: Interval

    def as_json(self) -> dict[str, Any]:
        """The numbers, each with its 95 % interval."""
        return asdict(self)


def measure_calibration(probabilities: Probabilities, truth: Truth) -> CalibrationQuality:
    """Measure probabilities [N, C] against labels [N] or, where they are tags, targets [N, C] of 0 and 1.

    Intervals are a seeded bootstrap over photos. Raises UsageError where there is no photo.
    """
    rows, true = _check(probabilities, truth)
    confidence, outcome = _outcomes(rows, true)

    def error(chosen: NDArray[np.intp]) -> float:
        return calibration_error(confidence[chosen].ravel(), outcome[chosen].ravel())

    hot = np.eye(rows.shape[1])[true] if true.ndim == 1 else true.astype(np.float64)
    squares = ((rows - hot) ** 2).sum(axis=1) if true.ndim == 1 else ((rows - hot) ** 2).mean(axis=1)
    losses = _losses(rows, hot, true.ndim)
    return CalibrationQuality(
        len(rows), _interval(error, len(rows)), _interval(lambda chosen: float(squares[chosen].mean()), len(rows)),
        _interval(lambda chosen: float(losses[chosen].mean()), len(rows)),
    )  # fmt: skip


def calibration_error(confidence: Probabilities, right: NDArray[Any]) -> float:
    """Expected calibration error of probabilities [N] that came true (``right``, [N] of 0 and 1) or not.

    The photos are put in order of confidence and cut into bins of equally many, at most 15 and at least 10 photos each;
    the error is the mean, weighted by photos, of the distances between a bin's mean confidence and its share of right.

    Source: K. Nguyen, B. O'Connor, EMNLP 2015 (bins of equal mass); C. Guo et al., ICML 2017.
    """
    order = np.argsort(confidence, kind="stable")
    bins = max(1, min(_MOST_BINS, len(order) // _LEAST_IN_BIN))
    gaps = [
        len(part) * abs(float(confidence[part].mean()) - float(right[part].mean()))
        for part in np.array_split(order, bins)
    ]
    return float(np.sum(gaps) / len(order))


def _outcomes(rows: NDArray[np.float64], true: Truth) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What was claimed of each photo, and what came true: of the answer, or of every tag."""
    if true.ndim == 2:
        return rows, true.astype(np.float64)
    top = rows.argmax(axis=1)
    return rows.max(axis=1), (top == true).astype(np.float64)


def _losses(rows: NDArray[np.float64], hot: NDArray[np.float64], rank: int) -> NDArray[np.float64]:
    likely = np.clip(rows, _LEAST_PROBABILITY, 1.0)
    if rank == 1:
        return np.asarray(-(hot * np.log(likely)).sum(axis=1))
    unlikely = np.clip(1 - rows, _LEAST_PROBABILITY, 1.0)
    return np.asarray(-(hot * np.log(likely) + (1 - hot) * np.log(unlikely)).mean(axis=1))


def _interval(statistic: Callable[[NDArray[np.intp]], float], photos: int) -> Interval:
    generator = np.random.default_rng(0)
    value = statistic(np.arange(photos))
    draws = [statistic(generator.integers(0, photos, photos)) for _ in range(_RESAMPLES)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(value, min(float(low), value), max(float(high), value))


def _check(probabilities: Probabilities, truth: Truth) -> tuple[NDArray[np.float64], Truth]:
    rows, true = np.asarray(probabilities, np.float64), np.asarray(truth)
    if rows.ndim != 2 or true.shape not in ((len(rows),), rows.shape) or not len(rows):
        raise UsageError(f"probabilities [N, C] and what is true of the N photos are needed, got {rows.shape} and "
                         f"{true.shape}")  # fmt: skip
    return rows, true
