"""An artifact over a test split: how good it is, and whether it is still the student it was made of.

Imports no TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgekd.errors import DataError, GateFailed
from edgekd.metrics import Agreement, Interval, accuracy, agreement, balanced_accuracy, confusion
from edgekd.preprocess import resize
from edgekd.progress import Progress
from edgekd.section import Section

if TYPE_CHECKING:
    from edgekd.data.dataset import Dataset, Sample
    from edgekd.formats.artifact import Artifact

_BATCH = 32


class ParityGates(Section):
    """What an exported file must reach on the test photos; otherwise the run ends with exit code 3."""

    min_agreement: float = Field(0.98, ge=0, le=1)
    """Least share of test photos for which the file predicts the class that its float twin predicts, 0 to 1."""
    max_difference: float | None = Field(None, ge=0, le=1, examples=[0.1])
    """Largest difference of any probability from the float twin's, 0 to 1. Unset, it is not checked."""
    min_accuracy: float | None = Field(None, ge=0, le=1, examples=[0.9])
    """Least accuracy, 0 to 1. Unset, it is not checked."""
    min_balanced_accuracy: float | None = Field(None, ge=0, le=1, examples=[0.9])
    """Least balanced accuracy (mean recall of the classes), 0 to 1. Unset, it is not checked."""


@dataclass(frozen=True)
class GateResult:
    """One gate: the ``value`` that was found, the ``bar`` it was held against, and a message for people."""

    name: str
    value: float
    bar: float
    passed: bool
    message: str

    def to_json(self) -> dict[str, Any]:
        """The gate as a JSON object."""
        return dict(vars(self))


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

    def to_json(self) -> dict[str, Any]:
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


def score(
    artifact: Artifact,
    dataset: Dataset,
    split: str = "test",
    *,
    reference: Artifact | None = None,
    gates: ParityGates | None = None,
    row: str | None = None,
    parameters: int | None = None,
    threads: int = 2,
    progress: Progress | None = None,
) -> CheckRow:
    """Run an artifact, and the float ``reference`` if given, over a split of a dataset.

    ``row`` names the result (default: the file's name), ``parameters`` defaults to the count in the file's record.
    Labels are matched to the dataset's classes by name.

    Raises: GateFailed if the labels are not the dataset's classes; DataError if the split is empty.
    """
    samples = _labelled(dataset, split)
    truth = np.array([sample.label for sample in samples], np.int64)
    found = _probabilities(artifact, dataset, samples, threads, progress)
    predicted = found.argmax(axis=1)
    wanted = None if reference is None else _probabilities(reference, dataset, samples, threads, None)
    counts = confusion(truth, predicted, len(dataset.classes))
    recorded = artifact.provenance.get("parameters")
    result = CheckRow(
        row=row or artifact.path.name,
        artifact=artifact.path.name,
        parameters=recorded if parameters is None and isinstance(recorded, int) else parameters,
        size_bytes=artifact.size_bytes,
        predictions=tuple(int(value) for value in predicted),
        accuracy=accuracy(truth, predicted),
        balanced_accuracy=balanced_accuracy(truth, predicted),
        agreement=None if wanted is None else agreement(predicted, wanted.argmax(axis=1)),
        agreement_with=None if reference is None else reference.path.name,
        largest_difference=None if wanted is None else float(np.abs(found - wanted).max()),
        confusion=tuple(tuple(int(value) for value in line) for line in counts),
        gates=(),
    )
    judged = _judge(result, artifact, gates or ParityGates(), [sample.id for sample in samples], wanted)
    return CheckRow(**{**vars(result), "gates": judged})


def class_order(artifact: Artifact, classes: tuple[str, ...]) -> NDArray[np.int64]:
    """For every class of a dataset, which output of the artifact is its own. Raises GateFailed."""
    if sorted(artifact.labels) != sorted(classes):
        missing = sorted(set(classes) - set(artifact.labels))
        unknown = sorted(set(artifact.labels) - set(classes))
        raise GateFailed(
            f"{artifact.path.name} has {len(artifact.labels)} labels and the data {len(classes)} classes that do not "
            f"fit: not in the file: {', '.join(missing) or 'none'}; not in the data: {', '.join(unknown) or 'none'}. "
            "Check it with the data that it was trained for"
        )
    return np.array([artifact.labels.index(name) for name in classes], np.int64)


def _labelled(dataset: Dataset, split: str) -> list[Sample]:
    samples = [sample for sample in dataset.split(split) if sample.label is not None]
    if not samples:
        raise DataError(f"the split {split!r} has no labelled photos to check with. Name another split")
    return samples


def _probabilities(
    artifact: Artifact, dataset: Dataset, samples: list[Sample], threads: int, progress: Progress | None
) -> NDArray[np.float32]:
    # In the order of the dataset's classes.
    from edgekd.runtime.open import open_runner

    order = class_order(artifact, dataset.classes)
    runner = open_runner(artifact, threads=threads)
    rows = []
    for start in range(0, len(samples), _BATCH):
        part = samples[start : start + _BATCH]
        rows.append(runner.run(np.stack([resize(dataset.read(sample), artifact.preprocessing) for sample in part])))
        if progress is not None:
            progress(start + len(part), len(samples))
    return np.concatenate(rows)[:, order]


def _judge(
    result: CheckRow, artifact: Artifact, gates: ParityGates, ids: list[str], wanted: NDArray[np.float32] | None
) -> tuple[GateResult, ...]:
    judged = []
    if artifact.precision == "int8":
        left = artifact.float_ops()
        text = f"float ops left in {result.artifact}: {'; '.join(left)}" if left else "every op computes in integers"
        judged.append(GateResult(f"{result.row}: integers only", float(len(left)), 0.0, not left, text))
    if result.agreement is not None and result.largest_difference is not None and wanted is not None:
        judged.append(_agreement_gate(result, result.agreement, gates.min_agreement, ids, wanted))
        if gates.max_difference is not None:
            value, bar = result.largest_difference, gates.max_difference
            text = f"a probability differs from {result.agreement_with} by up to {value:.3f} (allowed {bar:.3f})"
            judged.append(GateResult(f"{result.row}: largest difference", value, bar, value <= bar, text))
    for name, found, floor in (
        ("accuracy", result.accuracy, gates.min_accuracy),
        ("balanced accuracy", result.balanced_accuracy, gates.min_balanced_accuracy),
    ):
        if floor is not None:
            text = f"{name} {found.value:.1%} [{found.low:.1%}, {found.high:.1%}], {floor:.1%} asked for"
            judged.append(GateResult(f"{result.row}: {name}", found.value, floor, found.value >= floor, text))
    return tuple(judged)


def _agreement_gate(
    result: CheckRow, same: Agreement, bar: float, ids: list[str], wanted: NDArray[np.float32]
) -> GateResult:
    equal = same.n - same.differing
    text = f"the same top answer as {result.agreement_with} on {equal} of {same.n} photos, {bar:.1%} asked for"
    passed = same.value >= bar
    if not passed:
        where = [ids[i] for i in np.flatnonzero(np.array(result.predictions) != wanted.argmax(axis=1))[:5]]
        text += f"; it differs on {', '.join(where)}{' and more' if same.differing > 5 else ''}"
    return GateResult(f"{result.row}: agreement", same.value, bar, passed, text)
