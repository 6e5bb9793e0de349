"""The result of one int8 conversion: logged by the ladder, stored by a run, shown in its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from edgekd.metrics import Interval


class StepRecord(TypedDict):
    """A ``Step`` in JSON."""

    name: str
    score: dict[str, float]
    drop_points: float
    lost: int
    gained: int
    p_value: float
    size_bytes: int
    seconds: float
    holds: bool
    agreement: NotRequired[float | None]


@dataclass(frozen=True)
class Step:
    """Result of a rung: ``drop_points`` of the metric below the float student (negative: above it).

    ``lost`` and ``gained`` are the photos that only the float student, or only this file, gets right, ``p_value``
    McNemar's exact one for them.
    ``agreement`` is the share of photos for which it predicts the float student's class.
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
    agreement: float | None = None

    def to_json(self) -> StepRecord:
        """The step as a JSON object."""
        return StepRecord(
            name=self.name, score=self.score.as_json(), drop_points=self.drop_points, lost=self.lost,
            gained=self.gained, p_value=self.p_value, size_bytes=self.size_bytes, seconds=self.seconds,
            holds=self.holds, agreement=self.agreement,
        )  # fmt: skip

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Step:
        """Read a step from such an object. Raises TypeError if it is not one."""
        return cls(**{**value, "score": Interval(**value["score"])})

    def __str__(self) -> str:
        verdict = "holds" if self.holds else "does not hold"
        agreement = "" if self.agreement is None else f", agrees on {self.agreement:.1%}"
        return (
            f"{self.name}: {self.score.value:.1%}, {self.drop_points:+.2f} points lost (photos lost {self.lost}, "
            f"gained {self.gained}; p = {self.p_value:.2g}){agreement}, {self.size_bytes:,} bytes: {verdict}"
        )
