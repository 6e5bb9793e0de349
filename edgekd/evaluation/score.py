"""Evaluates an artifact on a split: its accuracy, and its agreement with the float student. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekd.data.names import clean_name, explain_unknown
from edgekd.errors import DataError, GateFailed
from edgekd.evaluation.gates import ParityGates, judge_floors, judge_integers, judge_label_order, judge_twin
from edgekd.evaluation.label_order import EXPORT_AGAIN
from edgekd.evaluation.rows import CheckRow
from edgekd.formats.artifact import Artifact
from edgekd.metrics import OUTPUT_STEP, accuracy, agreement_of_probabilities, balanced_accuracy, confusion
from edgekd.preprocess import resize
from edgekd.progress import Progress

if TYPE_CHECKING:
    from edgekd.data.dataset import Dataset, Sample

_BATCH = 32


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
    answers = probabilities(artifact, dataset, samples, threads, progress)
    predictions = answers.argmax(axis=1)
    expected = None if reference is None else probabilities(reference, dataset, samples, threads)
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
        agreement=None if expected is None else agreement_of_probabilities(answers, expected, OUTPUT_STEP),
        agreement_with=None if reference is None else reference.path.name,
        largest_difference=None if expected is None else float(np.abs(answers - expected).max()),
        confusion=tuple(tuple(int(value) for value in line) for line in counts),
        gates=(),
    )
    ids = [sample.id for sample in samples]
    gate_results = (
        *judge_integers(result, artifact),
        *judge_floors(result, gates or ParityGates()),
        *([] if expected is None else judge_twin(result, gates or ParityGates(), truth, answers, expected, ids)),
        *(judge_label_order(result, artifact.labels, dataset.classes, truth, label_advice) if judge_labels else ()),
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


def probabilities(
    artifact: Artifact, dataset: Dataset, samples: Sequence[Sample], threads: int = 2, progress: Progress | None = None
) -> NDArray[np.float32]:
    """What a file gives for photos, float32 [N, C] in the order of the dataset's classes. Raises what `score` does."""
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
