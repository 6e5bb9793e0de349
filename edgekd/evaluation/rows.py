"""What evaluating a file gives: a row of the table, and the outcome of each gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from edgekd.metrics import Agreement, Interval


class GateRecord(TypedDict):
    """A gate in JSON."""

    name: str
    value: float
    bar: float
    passed: bool
    message: str
    accepted: NotRequired[bool]


class CheckRecord(TypedDict):
    """A ``CheckRow`` in JSON, without its gates."""

    row: str
    artifact: str
    parameters: int | None
    size_bytes: int
    predictions: list[int]
    accuracy: dict[str, float]
    balanced_accuracy: dict[str, float]
    agreement: dict[str, object] | None
    largest_difference: float | None
    confusion: list[list[int]]


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
    """One file over one split; ``predictions`` are class numbers of the dataset, in the order of the split."""

    row: str
    artifact: str
    parameters: int | None
    size_bytes: int
    predictions: tuple[int, ...]
    accuracy: Interval
    balanced_accuracy: Interval
    agreement: Agreement | None
    agreement_with: str | None
    largest_difference: float | None
    confusion: tuple[tuple[int, ...], ...]
    gates: tuple[GateResult, ...]

    def to_json(self) -> CheckRecord:
        """The row as a JSON object, without its gates."""
        same = self.agreement
        return {
            "row": self.row,
            "artifact": self.artifact,
            "parameters": self.parameters,
            "size_bytes": self.size_bytes,
            "predictions": list(self.predictions),
            "accuracy": self.accuracy.as_json(),
            "balanced_accuracy": self.balanced_accuracy.as_json(),
            "agreement": None if same is None else {"with": self.agreement_with, **vars(same)},
            "largest_difference": self.largest_difference,
            "confusion": [list(counts) for counts in self.confusion],
        }
