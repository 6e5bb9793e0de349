"""How far estimates were off published times: what every report says beside one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# What an estimate aims at: a time within a quarter, and int8 over float within 15 %.
TIME_AIM, RATIO_AIM = 0.25, 0.15


# Scheduling models for whose cores no published time was found.
UNCHECKED = ("cortex-a53", "cortex-a55")


@dataclass(frozen=True)
class Error:
    """Estimated over published, less 1: of a time in so many threads, or of a ratio of int8 to float."""

    value: float
    threads: int
    is_ratio: bool = False

    @property
    def within(self) -> bool:
        """Whether it is within its aim."""
        return abs(self.value) <= (RATIO_AIM if self.is_ratio else TIME_AIM)


@dataclass(frozen=True)
class Record:
    """How many published times and ratios of int8 to float were estimated within the aim, and the errors' range.

    >>> print(judge([Error(0.1, 1), Error(-0.3, 4), Error(0.2, 4, is_ratio=True)]).sentence.replace("; ", "\\n"))
    Within 25 % of published times: 1 of 1 in one thread, 1 of 2 in all
    off by -30% to +10%. Int8 to float within 15 %: 0 of 1
    """

    times: int
    times_within: int
    single: int
    single_within: int
    ratios: int
    ratios_within: int
    lowest: float
    highest: float

    @property
    def sentence(self) -> str:
        """The record in words."""
        return (
            f"Within {TIME_AIM * 100:.0f} % of published times: {self.single_within} of {self.single} in one thread, "
            f"{self.times_within} of {self.times} in all; off by {self.lowest:+.0%} to {self.highest:+.0%}. "
            f"Int8 to float within {RATIO_AIM * 100:.0f} %: {self.ratios_within} of {self.ratios}"
        )


def judge(errors: Sequence[Error]) -> Record:
    """The record of these errors."""
    times = [error for error in errors if not error.is_ratio]
    single = [error for error in times if error.threads == 1]
    ratios = [error for error in errors if error.is_ratio]
    return Record(
        times=len(times),
        times_within=sum(one.within for one in times),
        single=len(single),
        single_within=sum(one.within for one in single),
        ratios=len(ratios),
        ratios_within=sum(one.within for one in ratios),
        lowest=min(one.value for one in times),
        highest=max(one.value for one in times),
    )


# Of benchmarks/core_time/results/core_time.json; a test compares them.
RECORD = Record(
    times=20,
    times_within=10,
    single=8,
    single_within=7,
    ratios=5,
    ratios_within=1,
    lowest=-0.51,
    highest=0.04,
)
