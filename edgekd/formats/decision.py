"""How an answer follows from a file's probabilities: one class, any number of tags, or none of these."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from edgekd.task import Task


@dataclass(frozen=True)
class Answer:
    """What a file says of one photo: its ``labels``, in the file's order. Empty: none of these."""

    labels: tuple[str, ...]

    @property
    def is_none(self) -> bool:
        """Whether the photo shows none of the classes, or no tag."""
        return not self.labels


@dataclass(frozen=True)
class Decision:
    """The rule by which probabilities become an answer; ``decision`` in the record of a file.

    Single-label: the first of the most probable labels; none of these where it is ``none_label``, or where its
    probability is below ``reject_below``. Multi-label: each label whose probability is at least its entry of
    ``thresholds`` (one a label). Probabilities are compared as float64. ``calibration`` says how they were calibrated,
    for people: it is in the graph already. A file without a decision has this class's defaults.
    """

    task: Task = "single-label"
    thresholds: tuple[float, ...] = ()
    reject_below: float | None = None
    none_label: str | None = None
    calibration: Mapping[str, Any] | None = field(default=None, hash=False)

    def decide(self, probabilities: NDArray[np.floating], labels: Sequence[str]) -> Answer:
        """The answer for one photo, of probabilities [C] of ``labels`` (C of them)."""
        row = np.asarray(probabilities, np.float64)
        if self.task == "multi-label":
            return Answer(
                tuple(label for label, p, least in zip(labels, row, self.thresholds, strict=True) if p >= least)
            )
        top = int(row.argmax())
        is_rejected = self.reject_below is not None and row[top] < self.reject_below
        return Answer(() if is_rejected or labels[top] == self.none_label else (labels[top],))

    def has_rule_of(self, other: Decision) -> bool:
        """Whether the same probabilities give the same answers by both, however they were calibrated."""
        return replace(self, calibration=None) == replace(other, calibration=None)

    def distance_to(self, answer: Answer, probabilities: NDArray[np.floating], labels: Sequence[str]) -> float:
        """By how much a probability [C] of ``labels`` would have to change at least for ``answer`` to follow.

        That is to a threshold, or half the way to another label, where both may change. 0 where they give the answer or
        stand exactly at it, infinite where none would.
        """
        row = np.asarray(probabilities, np.float64)
        if self.task == "multi-label":
            wrong = set(self.decide(row, labels).labels) ^ set(answer.labels)
            if not wrong <= set(labels):
                return math.inf
            gaps = [
                abs(p - least) for label, p, least in zip(labels, row, self.thresholds, strict=True) if label in wrong
            ]
            return float(np.max(gaps, initial=0.0))
        top = float(row.max())
        if answer.is_none:
            ways = [] if self.reject_below is None else [top - self.reject_below]
            if self.none_label is not None:
                ways.append((top - row[labels.index(self.none_label)]) / 2)
            return max(0.0, float(np.min(ways, initial=math.inf)))
        if len(answer.labels) > 1 or answer.labels[0] not in labels or answer.labels[0] == self.none_label:
            return math.inf
        probability = float(row[labels.index(answer.labels[0])])
        least = probability if self.reject_below is None else self.reject_below
        return float(np.max([(top - probability) / 2, least - probability, 0.0]))

    def as_json(self) -> dict[str, Any]:
        """The rule as the record holds it; keys without a value are left out."""
        value: dict[str, Any] = {"task": self.task}
        if self.thresholds:
            value["thresholds"] = list(self.thresholds)
        if self.reject_below is not None:
            value["reject_below"] = self.reject_below
        if self.none_label is not None:
            value["none_label"] = self.none_label
        if self.calibration is not None:
            value["calibration"] = dict(self.calibration)
        return value

    @classmethod
    def from_json(cls, value: Any, labels: Sequence[str]) -> Decision:
        """Read what ``as_json`` wrote for a file of ``labels``; None gives the default. Raises ValueError."""
        if value is None:
            return cls()
        task = value["task"]
        if task not in get_args(Task):
            raise ValueError(f"decision.task is {task!r}")
        thresholds = tuple(float(number) for number in value.get("thresholds", ()))
        if len(thresholds) != (len(labels) if task == "multi-label" else 0):
            raise ValueError(f"decision.thresholds has {len(thresholds)} entries for {len(labels)} labels")
        reject_below = value.get("reject_below")
        if not all(map(math.isfinite, (*thresholds, 0.0 if reject_below is None else float(reject_below)))):
            raise ValueError("decision holds a number that is not finite")
        none_label = value.get("none_label")
        if none_label is not None and none_label not in labels:
            raise ValueError(f"decision.none_label is {none_label!r}, which is no label")
        return cls(
            task,
            thresholds,
            None if reject_below is None else float(reject_below),
            none_label,
            value.get("calibration"),
        )


def least_float32(threshold: float) -> np.float32:
    """The smallest float32 that is at least ``threshold``.

    A probability, which is a float32, is below one exactly where it is below the other.
    """
    nearest = np.float32(threshold)
    return nearest if float(nearest) >= threshold else np.nextafter(nearest, np.float32(np.inf))
