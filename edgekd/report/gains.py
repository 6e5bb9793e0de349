"""What a report says of gains: of distillation, over seeds, and from one file to the next larger one."""

from __future__ import annotations

from dataclasses import dataclass

from edgekd.metrics import Interval


@dataclass(frozen=True)
class FrontStep:
    """From one file to the next larger one that scores higher: bytes more, and the gain on the same test photos."""

    row: str
    next_row: str
    more_bytes: int
    gain: Interval


@dataclass(frozen=True)
class DistillationGain:
    """What distillation added to the same student, in the metric's own unit (0 to 1), paired photo by photo."""

    gain: Interval
    fixed: int
    broken: int
    n: int
    p_value: float
    text: str


@dataclass(frozen=True)
class SeedRow:
    """One seed's two students: their test metric (0 to 1); ``from_scratch`` is None where no label was used."""

    seed: int
    from_scratch: float | None
    distilled: float


@dataclass(frozen=True)
class Seeds:
    """The students over all seeds, ``from_scratch`` and ``distilled``, on ``n`` test photos; shares of 1.
    ``recovered`` is (S_kd - S) / (T - S), None where the teacher is not ahead beyond doubt.
    """

    metric: str
    n: int
    rows: tuple[SeedRow, ...]
    from_scratch: Interval | None
    distilled: Interval
    gain: Interval | None
    teacher: float | None
    agreement_from_scratch: Interval | None
    agreement_distilled: Interval | None
    recovered: float | None
    recovered_interval: Interval | None
    sentences: tuple[str, ...]
