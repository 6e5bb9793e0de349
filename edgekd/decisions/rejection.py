"""The least probability of an answer, below which a photo shows none of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.metrics import Interval, wilson

_CURVE_POINTS = 21
# Below this many photos the share that is kept is known to a few points at best.
FEW_PHOTOS = 50


@dataclass(frozen=True)
class Rejection:
    """The threshold ``below`` which an answer is none of these, and the share of the classes' own photos that it keeps.

    ``below`` is None where no threshold keeps enough, or every one does; ``reason`` then says why.
    """

    below: float | None
    kept_share: Interval
    photos: int
    reason: str | None = None


def certainty(probabilities: NDArray[np.floating], none_class: int | None) -> NDArray[np.float64]:
    """How sure each answer is, [N]: the best probability of [N, C], and -1 where the answer is the none class."""
    rows = np.asarray(probabilities, np.float64)
    best = rows.max(axis=1)
    return best if none_class is None else np.where(rows.argmax(axis=1) == none_class, -1.0, best)


def choose_threshold(own_scores: NDArray[np.float64], keep: float) -> Rejection:
    """The highest threshold that keeps at least the share ``keep`` of the classes' own photos of ``certainty`` [N].

    It lies halfway between two values that occur, so that the last bit of a runtime decides nothing.
    """
    count = len(own_scores)
    least = int(np.ceil(keep * count - 1e-9))
    if count == 0 or least == 0:
        return Rejection(None, Interval(1.0, 0.0, 1.0), count, "no validation photo to choose a threshold on")
    # The least sure photo that must be kept.
    must = float(np.sort(own_scores)[::-1][least - 1])
    if must < 0:
        share = wilson(int((own_scores >= 0).sum()), count)
        return Rejection(None, share, count, "the class of foreign photos already takes more than may be lost")
    lower = own_scores[(own_scores < must)]
    # Where none is less sure, halfway to the least probability of a best class.
    below = (must + max(float(lower.max()), 0.0)) / 2 if len(lower) else None
    if below is None:
        reason = "no validation photo is less sure than those that must be kept"
        return Rejection(None, wilson(count, count), count, reason)
    return Rejection(below, wilson(int((own_scores >= below).sum()), count), count)


def shares_at(threshold: float, own_scores: NDArray[np.float64], foreign_scores: NDArray[np.float64]) -> dict[str, Any]:
    """The share of own photos kept and of foreign ones rejected, with Wilson's intervals; None without such photos."""
    return {
        "threshold": threshold,
        "own_kept": wilson(int((own_scores >= threshold).sum()), len(own_scores)).as_json()
        if len(own_scores)
        else None,
        "foreign_rejected": (
            wilson(int((foreign_scores < threshold).sum()), len(foreign_scores)).as_json()
            if len(foreign_scores)
            else None
        ),
    }


def rejection_curve(own_scores: NDArray[np.float64], foreign_scores: NDArray[np.float64]) -> list[dict[str, Any]]:
    """``shares_at`` thresholds from keeping every own photo to keeping half of them."""
    if not len(own_scores):
        return []
    levels = np.quantile(own_scores, np.linspace(0, 0.5, _CURVE_POINTS), method="lower")
    return [
        shares_at(float(level), own_scores, foreign_scores)
        for level in sorted({max(float(level), 0.0) for level in levels})
    ]


def separation(own_scores: NDArray[np.float64], foreign_scores: NDArray[np.float64]) -> float | None:
    """How often an own photo is surer than a foreign one: the area under the curve; None without such photos."""
    if not len(own_scores) or not len(foreign_scores):
        return None
    order = np.sort(foreign_scores)
    below, upto = np.searchsorted(order, own_scores, "left"), np.searchsorted(order, own_scores, "right")
    return float(((below + upto) / 2).mean() / len(order))
