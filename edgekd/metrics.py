"""How good predictions are, and how sure one can be of it: counts, intervals and exact tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import UsageError

_Z95 = 1.959963984540054

Labels = Sequence[int] | NDArray[np.integer]


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        """``{"value", "low", "high"}``."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Agreement:
    """How often two prediction lists of length ``n`` are equal."""

    value: float
    differing: int
    n: int


def accuracy(truth: Labels, predicted: Labels) -> Interval:
    """Share of right predictions, with Wilson's interval. Raises UsageError on empty or unequal lists.

    Source: E. B. Wilson, JASA 22 (1927).
    """
    right, wanted = _pair(truth, predicted)
    return wilson(int((right == wanted).sum()), len(right))


def wilson(successes: int, n: int) -> Interval:
    """``successes / n`` with Wilson's score interval."""
    share, z2 = successes / n, _Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At 0 and n the bound is exact; rounding must not move it inside.
    low = 0.0 if successes == 0 else middle - half
    high = 1.0 if successes == n else middle + half
    return Interval(share, low, high)


def balanced_accuracy(truth: Labels, predicted: Labels, *, seed: int = 0, resamples: int = 2000) -> Interval:
    """Mean over the classes present in ``truth`` of each one's recall.

    The interval takes percentiles of a seeded bootstrap that redraws every class's photos within the class. A class
    whose photos are all right or all wrong has no spread there, so with few photos it is too narrow: each class's
    count enters as if it had half a right and half a wrong photo more (Jeffreys).
    """
    wanted, given = _pair(truth, predicted)
    counts = [(int((given[wanted == c] == c).sum()), int((wanted == c).sum())) for c in np.unique(wanted)]
    value = float(np.mean([right / n for right, n in counts]))
    draws = np.zeros(resamples)
    generator = np.random.default_rng(seed)
    for right, n in counts:
        share = (right + 0.5) / (n + 1)
        draws += generator.binomial(n, share, size=resamples) / n
    low, high = np.percentile(draws / len(counts), [2.5, 97.5])
    return Interval(value, min(float(low), value), max(float(high), value))


def confusion(truth: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """Counts [classes, classes]: a row per true class, a column per predicted one."""
    wanted, given = _pair(truth, predicted)
    for name, values in (("truth", wanted), ("predicted", given)):
        if values.min() < 0 or values.max() >= classes:
            raise UsageError(f"{name} holds the class {int(values.max())}, with {classes} classes. Count them again")
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (wanted, given), 1)
    return table


def agreement(first: Labels, second: Labels) -> Agreement:
    """Share of places where two prediction lists are equal."""
    one, other = _pair(first, second)
    differing = int((one != other).sum())
    return Agreement(1 - differing / len(one), differing, len(one))


def mcnemar_p(truth: Labels, first: Labels, second: Labels) -> float:
    """Exact two-sided p-value that two models, on the same photos, are right equally often.

    Source: Q. McNemar, Psychometrika 12 (1947), in its exact binomial form.
    """
    wanted, one = _pair(truth, first)
    _, other = _pair(truth, second)
    only_first = int(((one == wanted) & (other != wanted)).sum())
    only_second = int(((one != wanted) & (other == wanted)).sum())
    flips = only_first + only_second
    return min(1.0, 2 * binomial_p(max(only_first, only_second), flips, 0.5))


def binomial_p(successes: int, n: int, chance: float) -> float:
    """Exact one-sided p-value: the probability of ``successes`` or more out of ``n`` if each has ``chance``.

    Raises: UsageError.
    """
    if not 0 <= successes <= n or not 0 <= chance <= 1:
        raise UsageError(
            f"a binomial test needs 0 <= successes <= n and 0 <= chance <= 1, got {successes}, {n}, {chance}"
        )
    if successes == 0 or chance == 1:
        return 1.0
    if chance == 0:
        return 0.0
    log_odds = [
        math.lgamma(n + 1)
        - math.lgamma(k + 1)
        - math.lgamma(n - k + 1)
        + k * math.log(chance)
        + (n - k) * math.log1p(-chance)
        for k in range(successes, n + 1)
    ]
    return min(1.0, math.fsum(math.exp(value) for value in log_odds))


def _pair(first: Labels, second: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    one, other = np.asarray(first, np.int64), np.asarray(second, np.int64)
    if one.ndim != 1 or one.shape != other.shape or not len(one):
        raise UsageError(f"two lists of labels of one length above 0 are needed, got {one.shape} and {other.shape}")
    return one, other
