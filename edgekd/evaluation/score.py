"""Evaluates an artifact on a split: its accuracy, and its agreement with the float student. Imports no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgekd.data.names import clean_name, explain_unknown
from edgekd.errors import DataError, GateFailed
from edgekd.evaluation.label_order import EXPORT_AGAIN, check_label_order
from edgekd.formats.artifact import Artifact
from edgekd.metrics import (
    OUTPUT_STEP,
    Agreement,
    Interval,
    accuracy,
    agreement_of_probabilities,
    balanced_accuracy,
    confusion,
    loss_p,
    paired_changes,
    same_answers,
    wilson,
)
from edgekd.preprocess import resize
from edgekd.progress import Progress
from edgekd.section import Section

if TYPE_CHECKING:
    from edgekd.data.dataset import Dataset, Sample

_BATCH = 32
# A loss that chance explains with less than this probability is one.
_SIGNIFICANT = 0.05
# Without a bound of the recipe: an agreement surely below this is of a broken file, whatever its accuracy.
_LEAST_AGREEMENT = 0.9


class ParityGates(Section):
    """What an exported file must reach on the test photos; otherwise the run ends with exit code 3."""

    LATER: ClassVar[tuple[str, ...]] = ("max_accuracy_drop",)

    max_accuracy_drop: float | None = Field(None, ge=0, le=100, examples=[1.0])
    """Largest loss of accuracy against the float twin, in points on the test photos.

    Unset, a file fails where it gets so many more photos wrong than right that its twin does not that chance explains
    it with less than 5 % (exact one-sided test of the photos on which they differ).
    """
    min_agreement: float | None = Field(None, ge=0, le=1, examples=[0.98])
    """Least share of test photos for which the file predicts the class that its float twin predicts, 0 to 1.

    Photos for which either gives both classes the same probability, to less than 1/256, count as equal. Unset, the
    share is shown, and a file fails only where it is surely below 90 %.
    """
    max_difference: float | None = Field(None, ge=0, le=1, examples=[0.1])
    """Largest difference of any probability from the float twin's, 0 to 1. Unset, it is not checked."""
    min_accuracy: float | None = Field(None, ge=0, le=1, examples=[0.9])
    """Least accuracy, 0 to 1. Unset, it is not checked."""
    min_balanced_accuracy: float | None = Field(None, ge=0, le=1, examples=[0.9])
    """Least balanced accuracy (mean recall of the classes), 0 to 1. Unset, it is not checked."""


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


def score(
    artifact: Artifact | str | PathLike[str],
    dataset: Dataset,
    split: str = "test",
    *,
    reference: Artifact | str | PathLike[str] | None = None,
    gates: ParityGates | None = None,
    row: str | None = None,
    parameters: int | None = None,
    threads: int = 2,
    judge_labels: bool = True,
    label_advice: str = EXPORT_AGAIN,
    progress: Progress | None = None,
) -> CheckRow:
    """Evaluate an exported file on the labelled photos of a split, and compare it with a ``reference``.

    Labels are matched to the dataset's classes by name.

    Args:
        artifact: The file, or its path.
        dataset: The photos, see ``edgekd.load_dataset``.
        split: Name of the split.
        reference: The float file to compare predictions with, or its path.
        gates: Bounds that the file must meet; by default, that it is not worse than the ``reference``.
        row: Name of the result; by default the file's name.
        parameters: Number of weights; by default the one in the file's record.
        threads: Threads of the runtime.
        judge_labels: Add the gate on labels in the wrong order and on accuracy at chance, see ``label_order``.
        label_advice: What that gate's message says to do about a wrong order; "{order}" in it is the right one.
        progress: Called with the number of photos that are done, and of all.

    Returns:
        The row: accuracy with 95 % intervals, predictions, confusion and the outcome of each gate.

    Raises:
        GateFailed: The labels are not the dataset's classes.
        DataError: The split has no labelled photos.
        ArtifactError: A file is missing, damaged or not written by edgekd.
    """
    artifact = _open(artifact)
    reference = None if reference is None else _open(reference)
    samples = _labelled_samples(dataset, split)
    truth = np.array([sample.label for sample in samples], np.int64)
    probabilities = _probabilities(artifact, dataset, samples, threads, progress)
    predictions = probabilities.argmax(axis=1)
    expected = None if reference is None else _probabilities(reference, dataset, samples, threads, None)
    counts = confusion(truth, predictions, len(dataset.classes))
    parameter_count = artifact.provenance.get("parameters")
    result = CheckRow(
        row=row or artifact.path.name,
        artifact=artifact.path.name,
        parameters=parameter_count if parameters is None and isinstance(parameter_count, int) else parameters,
        size_bytes=artifact.size_bytes,
        predictions=tuple(int(value) for value in predictions),
        accuracy=accuracy(truth, predictions),
        balanced_accuracy=balanced_accuracy(truth, predictions),
        agreement=None if expected is None else agreement_of_probabilities(probabilities, expected, OUTPUT_STEP),
        agreement_with=None if reference is None else reference.path.name,
        largest_difference=None if expected is None else float(np.abs(probabilities - expected).max()),
        confusion=tuple(tuple(int(value) for value in line) for line in counts),
        gates=(),
    )
    ids = [sample.id for sample in samples]
    gate_results = (
        *_judge_integers(result, artifact),
        *_judge_floors(result, gates or ParityGates()),
        *([] if expected is None else _judge_twin(result, gates or ParityGates(), truth, probabilities, expected, ids)),
        *(_judge_labels(result, artifact.labels, dataset.classes, truth, label_advice) if judge_labels else ()),
    )
    return CheckRow(**{**vars(result), "gates": gate_results})


def _open(artifact: Artifact | str | PathLike[str]) -> Artifact:
    return artifact if isinstance(artifact, Artifact) else Artifact.open(Path(artifact))


def class_order(artifact: Artifact, classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Find each class's output of the artifact. Raises GateFailed if labels and classes differ."""
    labels = tuple(map(clean_name, artifact.labels))
    if artifact.feed is not None and set(classes) < set(labels):
        # Another tool's file may know more: it is scored on the choice among the data's classes.
        return np.array([labels.index(name) for name in classes], np.int64)
    if sorted(labels) != sorted(classes):
        missing = sorted(set(classes) - set(labels))
        unknown = sorted(set(labels) - set(classes))
        raise GateFailed(
            f"{artifact.path.name} has {len(artifact.labels)} labels and the data has {len(classes)} classes, which do "
            f"not match: not in the file: {', '.join(missing) or 'none'}; not in the data: "
            f"{', '.join(unknown) or 'none'}{explain_unknown(missing, unknown)}. Check it with the data that it was "
            "trained for"
        )
    return np.array([labels.index(name) for name in classes], np.int64)


def _labelled_samples(dataset: Dataset, split: str) -> list[Sample]:
    samples = [sample for sample in dataset.split(split) if sample.label is not None]
    if not samples:
        raise DataError(f"the split {split!r} has no labelled photos to check with. Name another split")
    return samples


def _probabilities(
    artifact: Artifact, dataset: Dataset, samples: list[Sample], threads: int, progress: Progress | None
) -> NDArray[np.float32]:
    # Columns in the order of the dataset's classes.
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


def _judge_labels(
    result: CheckRow, outputs: tuple[str, ...], classes: tuple[str, ...], truth: NDArray[np.int64], advice: str
) -> tuple[GateResult, ...]:
    predictions = np.array(result.predictions, np.int64)
    gate = label_gate(result.row, truth, predictions, outputs, classes, advice)
    return () if gate is None else (gate,)


def label_gate(
    row: str, truth: NDArray[np.int64], predictions: NDArray[np.int64], outputs: tuple[str, ...],
    classes: tuple[str, ...], advice: str = EXPORT_AGAIN,
) -> GateResult | None:  # fmt: skip
    """The gate on labels in the wrong order and on accuracy at chance; None where too few photos tell.

    Args:
        row: Name of what is judged.
        truth: Class numbers [N] of the photos; ``predictions`` are those that were predicted.
        outputs: What the model calls its outputs, in their order.
        classes: Names of the data's classes [C].
        advice: What to do about a wrong order; "{order}" in it is the right one.
    """
    order = check_label_order(truth, predictions, len(classes))
    if order is None:
        return None
    text = order.describe(outputs, classes, advice)
    wrong_file = order.permutation is not None
    return GateResult(f"{row}: labels fit the predictions", order.score, order.chance, order.fits, text, wrong_file)


def _judge_integers(result: CheckRow, artifact: Artifact) -> tuple[GateResult, ...]:
    # The gate is on what edgekd promises; of another tool's file inspect tells the float ops.
    if artifact.precision != "int8" or artifact.feed is not None:
        return ()
    float_ops = artifact.float_ops()
    text = (
        f"float ops left in {result.artifact}: {'; '.join(float_ops)}" if float_ops else "every op computes in integers"
    )
    return (GateResult(f"{result.row}: integers only", float(len(float_ops)), 0.0, not float_ops, text),)


def _judge_floors(result: CheckRow, gates: ParityGates) -> tuple[GateResult, ...]:
    results = []
    for name, interval, floor in (
        ("accuracy", result.accuracy, gates.min_accuracy),
        ("balanced accuracy", result.balanced_accuracy, gates.min_balanced_accuracy),
    ):
        if floor is not None:
            text = f"{name} {interval.value:.1%} [{interval.low:.1%}, {interval.high:.1%}], {floor:.1%} required"
            results.append(GateResult(f"{result.row}: {name}", interval.value, floor, interval.value >= floor, text))
    return tuple(results)


def _judge_twin(
    result: CheckRow,
    gates: ParityGates,
    truth: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    expected: NDArray[np.float32],
    ids: list[str],
) -> tuple[GateResult, ...]:
    """The gates of a file against its float twin, from the probabilities [N, C] of both."""
    results = [
        _loss_gate(result, gates.max_accuracy_drop, truth, expected),
        _agreement_gate(result, gates.min_agreement, ids, probabilities, expected),
    ]
    if gates.max_difference is not None:
        value, bar = float(result.largest_difference or 0.0), gates.max_difference
        text = f"a probability differs from {result.agreement_with} by up to {value:.3f} (allowed {bar:.3f})"
        results.append(GateResult(f"{result.row}: largest difference", value, bar, value <= bar, text))
    return tuple(results)


def _loss_gate(
    result: CheckRow, max_drop: float | None, truth: NDArray[np.int64], expected: NDArray[np.float32]
) -> GateResult:
    predictions, twin = np.array(result.predictions, np.int64), expected.argmax(axis=1)
    lost, gained = paired_changes(truth, twin, predictions)
    points = 100 * (lost - gained) / len(truth)
    text = f"{100 * (gained - lost) / len(truth):+.1f} points of accuracy against {result.agreement_with}: "
    text += f"{lost} photos lost, {gained} gained"
    if max_drop is not None:
        # Rounding in the points themselves is no loss.
        passed, bar = points <= max_drop + 1e-9, max_drop
        text += f", {max_drop:g} points allowed"
    else:
        p_value = loss_p(truth, twin, predictions)
        passed, bar = p_value >= _SIGNIFICANT, 0.0
        text += "" if lost <= gained else f", {'not ' if passed else ''}significant (p = {p_value:.2g})"
    return GateResult(f"{result.row}: loss", points, bar, passed, text)


def _agreement_gate(
    result: CheckRow,
    bar: float | None,
    ids: list[str],
    probabilities: NDArray[np.float32],
    expected: NDArray[np.float32],
) -> GateResult:
    same, agreement = same_answers(probabilities, expected, OUTPUT_STEP), result.agreement
    assert agreement is not None
    equal = agreement.n - agreement.differing
    text = f"the same prediction as {result.agreement_with} on {equal} of {agreement.n} photos"
    if agreement.near_ties:
        text += f", {agreement.near_ties} near tie{'s' * (agreement.near_ties > 1)} among them"
    if bar is None:
        passed = wilson(equal, agreement.n).high >= _LEAST_AGREEMENT
        text += "" if passed else f", surely below {_LEAST_AGREEMENT:.0%}"
    else:
        passed = agreement.value >= bar
        text += f", {bar:.1%} required"
    if not passed:
        where = [ids[i] for i in np.flatnonzero(~same)[:5]]
        text += f"; it differs on {', '.join(where)}{' and more' if agreement.differing > 5 else ''}"
    bar = _LEAST_AGREEMENT if bar is None else bar
    return GateResult(f"{result.row}: agreement", agreement.value, bar, passed, text)
