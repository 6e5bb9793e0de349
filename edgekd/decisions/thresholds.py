"""The least probability of each tag: where its F1 on validation photos is best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A tag on fewer validation photos keeps the threshold that all tags share: its own would fit those few photos.
FEWEST_POSITIVES = 5
_FALLBACK = 0.5


@dataclass(frozen=True)
class TagThresholds:
    """One threshold a tag; ``shared`` are the numbers of the tags that had too few photos for one of their own."""

    values: tuple[float, ...]
    shared: tuple[int, ...]


def best_f1_thresholds(targets: NDArray[np.integer], probabilities: NDArray[np.floating]) -> TagThresholds:
    """Each tag's threshold with the best F1, of targets [N, C] of 0 and 1 and probabilities [N, C].

    Among equally good ones the middle is taken. A tag on fewer than 5 photos gets the one threshold that is best for
    all tags together.
    """
    true, rows = np.asarray(targets) == 1, np.asarray(probabilities, np.float64)
    together = _best(true.ravel(), rows.ravel())
    few = tuple(int(tag) for tag in np.flatnonzero(true.sum(axis=0) < FEWEST_POSITIVES))
    values = tuple(together if tag in few else _best(true[:, tag], rows[:, tag]) for tag in range(rows.shape[1]))
    return TagThresholds(values, few)


def _best(true: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """The middle of the range of thresholds with the best F1."""
    positives = int(true.sum())
    if positives == 0:
        return _FALLBACK
    values = np.unique(scores)
    # Taking all scores >= value: how many are right.
    order = np.argsort(scores, kind="stable")
    starts = np.searchsorted(scores[order], values, "left")
    hits = positives - np.concatenate([[0], np.cumsum(true[order])])[starts]
    taken = len(scores) - starts
    f1 = 2 * hits / (taken + positives)
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    # The best values in a row, from the first of them on.
    last = best[0]
    while last + 1 in best:
        last += 1
    lower = float(values[best[0] - 1]) if best[0] > 0 else 0.0
    return (lower + float(values[last])) / 2
