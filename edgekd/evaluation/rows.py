"""What evaluating a file gives: a row of the table, and the outcome of each gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, cast

import numpy as np

from edgekd.evaluation.tag_scores import TagRecord, TagScores
from edgekd.metrics import Agreement, Interval
from edgekd.scoring import Answers
from edgekd.tag_metrics import decide_tags
from edgekd.task import Metric, Task


class GateRecord(TypedDict):
    """A gate in JSON."""

    name: str
    value: float
    bar: float
    passed: bool
    message: str
    accepted: NotRequired[bool]


class CheckRecord(TypedDict):
    """A ``CheckRow`` in JSON, without its gates; the last keys are those of photos with tags."""

    row: str
    artifact: str
    parameters: int | None
    size_bytes: int
    predictions: list[Any]
    accuracy: NotRequired[dict[str, float]]
    balanced_accuracy: NotRequired[dict[str, float]]
    agreement: dict[str, object] | None
    largest_difference: float | None
    confusion: NotRequired[list[list[int]]]
    task: NotRequired[Task]
    mean_average_precision: NotRequired[dict[str, float]]
    macro_f1: NotRequired[dict[str, float]]
    exact_match: NotRequired[dict[str, float]]
    tags: NotRequired[list[TagRecord]]
    probabilities: NotRequired[list[list[float]]]


@dataclass(frozen=True)
class GateResult:
    """One gate: the measured ``value``, the ``bar`` it is compared with, and a message for people.

    ``wrong_file`` is true where the file gives wrong results, not only weak ones: it is then not to be written.
    """

    name: str
    value: float
    bar: float
    passed: bool
    message: str
    wrong_file: bool = False

    def to_json(self) -> GateRecord:
        """The gate as a JSON object."""
        return GateRecord(name=self.name, value=self.value, bar=self.bar, passed=self.passed, message=self.message)


@dataclass(frozen=True)
class CheckRow:
    """One file over one split; ``predictions`` are class numbers of the dataset, in the order of the split.

    Where photos have tags, a prediction is a tuple of the numbers of the tags that were given, ``tags`` has the scores,
    and what judges single labels is None or empty.
    """

    row: str
    artifact: str
    parameters: int | None
    size_bytes: int
    predictions: tuple[int, ...] | tuple[tuple[int, ...], ...]
    accuracy: Interval | None
    balanced_accuracy: Interval | None
    agreement: Agreement | None
    agreement_with: str | None
    largest_difference: float | None
    confusion: tuple[tuple[int, ...], ...]
    gates: tuple[GateResult, ...]
    tags: TagScores | None = None

    @property
    def task(self) -> Task:
        """Whether photos have one label or any number of tags."""
        return "single-label" if self.tags is None else "multi-label"

    def score(self, metric: Metric) -> Interval:
        """The row's value of a metric of its task. Raises ValueError for another one."""
        value = getattr(self if self.tags is None else self.tags, metric, None)
        if not isinstance(value, Interval):
            raise ValueError(f"{metric} does not judge {self.task} photos")
        return value

    def answers(self, metric: Metric) -> Answers:
        """What was answered, as ``scoring`` takes it for a metric: class numbers [N], or of tags numbers [N, C].

        For average precision these are probabilities; for F1, which thresholds decide, 1 for a tag that was given.
        """
        if self.tags is None:
            return np.array(self.predictions, np.int64)
        rows = np.array(self.tags.probabilities, np.float64)
        return rows if metric == "mean_average_precision" else decide_tags(rows, self.tags.thresholds) * 1.0

    def to_json(self) -> CheckRecord:
        """The row as a JSON object, without its gates."""
        same = self.agreement
        agreement = None if same is None else {"with": self.agreement_with, **vars(same)}
        record: dict[str, Any] = {
            "row": self.row,
            "artifact": self.artifact,
            "parameters": self.parameters,
            "size_bytes": self.size_bytes,
            "predictions": list(self.predictions),
        }
        if self.accuracy is not None and self.balanced_accuracy is not None:
            record |= {"accuracy": self.accuracy.as_json(), "balanced_accuracy": self.balanced_accuracy.as_json()}
        record |= {"agreement": agreement, "largest_difference": self.largest_difference}
        if self.tags is None:
            return cast(CheckRecord, {**record, "confusion": [list(counts) for counts in self.confusion]})
        return cast(CheckRecord, {**record, "task": self.task, **self.tags.to_json()})
