"""How well a file gives tags: the scores of a row of photos that have any number of tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from edgekd.metrics import Interval
from edgekd.scoring import Answers, Truth
from edgekd.tag_metrics import (
    average_precision,
    decide_tags,
    exact_match,
    f1_by_tag,
    macro_f1,
    mean_average_precision,
    tag_counts,
)

# Digits of probabilities in JSON: an int8 output has 256 of them.
_DIGITS = 6


class TagRecord(TypedDict):
    """A ``TagScore`` in JSON; scores are None where no photo has the tag."""

    tag: str
    threshold: float
    f1: dict[str, float] | None
    average_precision: float | None
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int


@dataclass(frozen=True)
class TagScore:
    """One tag over the photos: F1 at its ``threshold`` and average precision, None where no photo has it."""

    tag: str
    threshold: float
    f1: Interval | None
    average_precision: float | None
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    def to_json(self) -> TagRecord:
        """The tag as a JSON object."""
        return TagRecord(
            tag=self.tag, threshold=self.threshold, f1=None if self.f1 is None else self.f1.as_json(),
            average_precision=self.average_precision, true_positives=self.true_positives,
            false_positives=self.false_positives, false_negatives=self.false_negatives,
            true_negatives=self.true_negatives,
        )  # fmt: skip

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TagScore:
        """Read a tag from such an object. Raises TypeError if it is not one."""
        return cls(**{**value, "f1": None if value["f1"] is None else Interval(**value["f1"])})


@dataclass(frozen=True)
class TagScores:
    """A file's answers on tags: what each metric gives, every tag by itself, and the ``probabilities`` [N, C].

    Tags that no photo has are left out of the means. ``exact_match`` is the share of photos with exactly their tags.
    """

    mean_average_precision: Interval
    macro_f1: Interval
    exact_match: Interval
    by_tag: tuple[TagScore, ...]
    probabilities: tuple[tuple[float, ...], ...]

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The probability from which on each tag is given."""
        return tuple(score.threshold for score in self.by_tag)

    def to_json(self) -> dict[str, Any]:
        """The keys that a row of tags has in JSON."""
        return {
            "mean_average_precision": self.mean_average_precision.as_json(),
            "macro_f1": self.macro_f1.as_json(),
            "exact_match": self.exact_match.as_json(),
            "tags": [score.to_json() for score in self.by_tag],
            "probabilities": [list(row) for row in self.probabilities],
        }


def score_tags(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating], thresholds: Sequence[float], tags: Sequence[str]
) -> TagScores:
    """Score probabilities [N, C] of the ``tags`` against what photos have [N, C]. Raises UsageError."""
    decisions = decide_tags(probabilities, tuple(thresholds))
    columns = zip(
        tags, thresholds, f1_by_tag(truth, decisions), average_precision(truth, probabilities).tolist(),
        tag_counts(truth, decisions).tolist(), strict=True,
    )  # fmt: skip
    return TagScores(
        mean_average_precision(truth, probabilities),
        macro_f1(truth, decisions),
        exact_match(truth, decisions),
        tuple(
            TagScore(str(tag), float(threshold), f1, None if np.isnan(precision) else precision, *counts)
            for tag, threshold, f1, precision, counts in columns
        ),
        tuple(tuple(round(float(value), _DIGITS) for value in row) for row in probabilities),
    )


def numbers_of(tags: NDArray[np.generic]) -> tuple[tuple[int, ...], ...]:
    """The numbers of the tags of each photo, of flags [N, C]."""
    return tuple(tuple(int(number) for number in np.flatnonzero(row)) for row in tags)


def truth_in(check: Mapping[str, Any]) -> Truth:
    """What check.json says of its photos: labels [N], or tags [N, C] of the numbers that each photo has."""
    if check.get("task") != "multi-label":
        return np.asarray(check["labels"], np.int64)
    return _flags(check["labels"], len(check["classes"]))


def answers_in(row: Mapping[str, Any], metric: str, classes: int) -> Answers:
    """A row's answers in check.json, as ``scoring`` takes them for the ``metric``.

    Of tags these are the probabilities or, for F1, which thresholds decide, 1 for a tag that was given.
    """
    if row.get("probabilities") is None:
        return np.asarray(row["predictions"], np.int64)
    if metric == "mean_average_precision":
        return np.asarray(row["probabilities"], np.float64)
    return _flags(row["predictions"], classes).astype(np.float64)


def _flags(numbers: Sequence[Sequence[int]], classes: int) -> Truth:
    flags = np.zeros((len(numbers), classes), np.int64)
    for row, tags in zip(flags, numbers, strict=True):
        row[list(tags)] = 1
    return flags
