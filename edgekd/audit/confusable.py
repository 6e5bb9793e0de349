"""Pairs of classes that can't be told apart: how often the more probable of two is the right one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from edgekd.audit.held_out import HeldOut
from edgekd.metrics import Interval, balanced_accuracy

# A pair of fewer photos of either class says nothing.
_LEAST = 5
# Pairs that are surely told apart so often are not named.
_EASY = 0.9
_MOST_PAIRS = 10
_CHANCE = 0.5

Verdict = Literal["no better than chance", "hard to tell apart"]


@dataclass(frozen=True)
class ClassPair:
    """Two classes, photos of each, and the share of them that a held-out head puts on the right side of the two.

    ``told_apart`` is the mean of the two classes' shares with its 95 % interval; 0.5 is chance.
    """

    first: str
    second: str
    photos: tuple[int, int]
    told_apart: Interval

    @property
    def verdict(self) -> Verdict:
        """Whether the interval holds chance."""
        return "no better than chance" if self.told_apart.low <= _CHANCE else "hard to tell apart"


def find_confusable(held_out: HeldOut, classes: tuple[str, ...]) -> tuple[ClassPair, ...]:
    """The pairs whose upper bound is below 90 %, or whose interval holds chance, the worst first.

    Of tags, the photos that have one of the two and not the other are asked for.
    """
    pairs = []
    truth, probabilities = held_out.truth, held_out.probabilities
    for first, second in combinations(range(len(classes)), 2):
        shows = truth[:, [first, second]] == 1 if truth.ndim == 2 else truth[:, None] == np.array([first, second])
        rows = np.flatnonzero((shows.sum(axis=1) == 1) & held_out.judged[:, [first, second]].all(axis=1))
        right = shows[rows, 1].astype(np.int64)
        counts = np.bincount(right, minlength=2)
        if counts.min() < _LEAST:
            continue
        guess = (probabilities[rows, second] > probabilities[rows, first]).astype(np.int64)
        told_apart = balanced_accuracy(right, guess)
        if told_apart.high < _EASY or told_apart.low <= _CHANCE:
            pairs.append(ClassPair(classes[first], classes[second], (int(counts[0]), int(counts[1])), told_apart))
    return tuple(sorted(pairs, key=lambda pair: pair.told_apart.value)[:_MOST_PAIRS])
