"""What one way to int8 gave: told by the ladder, kept by a run, shown by its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekd.metrics import Interval


@dataclass(frozen=True)
class Step:
    """What a rung gave: ``drop_points`` of the metric below the float student (negative: above it).

    ``lost`` and ``gained`` are the photos that only the float student, or only this file, gets right, ``p_value``
    McNemar's exact one for them.
    """

    name: str
    score: Interval
    drop_points: float
    lost: int
    gained: int
    p_value: float
    size_bytes: int
    seconds: float
    holds: bool

    def to_json(self) -> dict[str, Any]:
        """The step as a JSON object."""
        return {**vars(self), "score": self.score.as_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Step:
        """The step of such an object. Raises TypeError where it is none."""
        return cls(**{**value, "score": Interval(**value["score"])})

    def __str__(self) -> str:
        told = "holds" if self.holds else "does not hold"
        return (
            f"{self.name}: {self.score.value:.1%}, {self.drop_points:+.2f} points of drop (photos lost {self.lost}, "
            f"gained {self.gained}; p = {self.p_value:.2g}), {self.size_bytes:,} bytes: {told}"
        )
