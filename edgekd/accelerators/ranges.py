"""Intervals of a tensor's values, by channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The largest finite number in half precision, and the relative error of one rounding to it.
HALF_MAX = 65504.0
ROUNDING = 2.0**-11


@dataclass(frozen=True, eq=False)
class Range:
    """The least and the largest value of each channel, [C]; of length 1 those of the whole tensor."""

    low: Floats
    high: Floats

    def __len__(self) -> int:
        return len(self.low)

    @property
    def magnitude(self) -> Floats:
        """The largest absolute value of each channel, [C]."""
        return np.asarray(np.maximum(np.abs(self.low), np.abs(self.high)))

    @property
    def largest(self) -> float:
        """The largest absolute value."""
        return float(self.magnitude.max(initial=0.0))

    def whole(self) -> Range:
        """One interval for all channels."""
        return of(float(self.low.min()), float(self.high.max()))

    def widened(self, by: Floats | float) -> Range:
        """With both ends moved outwards by ``by``."""
        return Range(self.low - by, self.high + by)

    def clipped(self, low: float, high: float) -> Range:
        """Of the values after they are limited to low..high."""
        return Range(self.low.clip(low, high), self.high.clip(low, high))

    def with_zero(self) -> Range:
        """Of the values and 0, which padding adds."""
        return self.hull(ZERO)

    def hull(self, other: Range) -> Range:
        """Of the values of both."""
        return Range(np.minimum(self.low, other.low), np.maximum(self.high, other.high))


def of(low: float, high: float) -> Range:
    """One interval for all channels."""
    return Range(np.array([low], np.float64), np.array([high], np.float64))


ZERO = of(0.0, 0.0)


def union(ranges: Sequence[Range]) -> Range:
    """One interval that holds all of them."""
    return of(min(float(one.low.min()) for one in ranges), max(float(one.high.max()) for one in ranges))


def times(first: Range, second: Range) -> Range:
    """Of the products, each of which is 0 where one of the factors is."""
    with np.errstate(invalid="ignore"):
        ends = [a * b for a in (first.low, first.high) for b in (second.low, second.high)]
    # 0 times an unlimited value.
    ends = [np.where(np.isnan(end), 0.0, end) for end in ends]
    return Range(np.minimum.reduce(ends), np.maximum.reduce(ends))


def fit(first: Range, second: Range) -> tuple[Range, Range]:
    """Both with the same number of channels, or with one that broadcasts."""
    if len(first) == len(second) or 1 in (len(first), len(second)):
        return first, second
    return first.whole(), second.whole()
