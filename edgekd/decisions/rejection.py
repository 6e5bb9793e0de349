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
    """The threshold, and on the photos it was chosen on: the share of the classes' that it keeps, of foreign rejected.

    ``below`` is None where no threshold keeps enough, or every one does; ``reason`` then says why.
    """

    below: float | None
    kept: Interval
    photos: int
    reason: str | None = None


def certainty(probabilities: NDArray[np.floating], none_class: int | None) -> NDArray[np.float64]:
    """How sure each answer is, [N]: the best probability of [N, C], and -1 where the answer is the none class."""
    rows = np.asarray(probabilities, np.float64)
    best = rows.max(axis=1)
    return best if none_class is None else np.where(rows.argmax(axis=1) == none_class, -1.0, best)


def choose_threshold(own: NDArray[np.float64], keep: float) -> Rejection:
    """The highest threshold that keeps at least the share ``keep`` of the classes' own photos of ``certainty`` [N].

    It lies halfway between two values that occur, so that the last bit of a runtime decides nothing.
    """
    count = len(own)
    least = int(np.ceil(keep * count - 1e-9))
    if count == 0 or least == 0:
        return Rejection(None, Interval(1.0, 0.0, 1.0), count, "no validation photo to choose a threshold on")
    # The least sure photo that must be kept.
    must = float(np.sort(own)[::-1][least - 1])
    if must < 0:
        share = wilson(int((own >= 0).sum()), count)
        return Rejection(None, share, count, "the class of foreign photos already takes more than may be lost")
    lower = own[(own < must)]
    # Where none is less sure, halfway to the least probability of a best class.
    below = (must + max(float(lower.max()), 0.0)) / 2 if len(lower) else None
    if below is None:
        reason = "no validation photo is less sure than those that must be kept"
        return Rejection(None, wilson(count, count), count, reason)
    return Rejection(below, wilson(int((own >= below).sum()), count), count)


def shares_at(threshold: float, own: NDArray[np.float64], foreign: NDArray[np.float64]) -> dict[str, Any]:
    """The share of own photos kept and of foreign ones rejected, with Wilson's intervals; None without such photos."""
    return {
        "threshold": threshold,
        "own_kept": wilson(int((own >= threshold).sum()), len(own)).as_json() if len(own) else None,
        "foreign_rejected": (
            wilson(int((foreign < threshold).sum()), len(foreign)).as_json() if len(foreign) else None
        ),
    }


def rejection_curve(own: NDArray[np.float64], foreign: NDArray[np.float64]) -> list[dict[str, Any]]:
    """``shares_at`` thresholds from keeping every own photo to keeping half of them."""
    if not len(own):
        return []
    levels = np.quantile(own, np.linspace(0, 0.5, _CURVE_POINTS), method="lower")
    return [shares_at(float(level), own, foreign) for level in sorted({max(float(level), 0.0) for level in levels})]


def separation(own: NDArray[np.float64], foreign: NDArray[np.float64]) -> float | None:
    """How often an own photo is surer than a foreign one: the area under the curve; None without such photos."""
    if not len(own) or not len(foreign):
        return None
    order = np.sort(foreign)
    below, upto = np.searchsorted(order, own, "left"), np.searchsorted(order, own, "right")
    return float(((below + upto) / 2).mean() / len(order))
