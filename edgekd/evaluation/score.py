"""Evaluates an artifact on a split: its accuracy, and its agreement with the float student. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekd.data.names import clean_name, explain_unknown
from edgekd.errors import DataError, GateFailed
from edgekd.evaluation.gates import ParityGates, judge_floors, judge_integers, judge_label_order
from edgekd.evaluation.label_order import EXPORT_AGAIN
from edgekd.evaluation.rows import CheckRow
from edgekd.evaluation.tag_scores import numbers_of, score_tags
from edgekd.evaluation.twin_gates import Twin, judge_twin
from edgekd.formats.artifact import Artifact
from edgekd.metrics import OUTPUT_STEP, accuracy, balanced_accuracy, confusion
from edgekd.preprocess import resize
from edgekd.progress import Progress
from edgekd.scoring import Truth, agreement
from edgekd.tag_metrics import decide_tags
from edgekd.task import METRICS, Metric

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
    metric: Metric | None = None,
    thresholds: tuple[float, ...] | None = None,
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
        metric: What the loss against the ``reference`` is measured by, where photos have tags; by default mean average
            precision.
        thresholds: Least probability of each of the dataset's tags, instead of those in the files.

    Returns:
        The row: accuracy with 95 % intervals, predictions, confusion and the outcome of each gate. Where photos have
        tags: mean average precision, F1 and exact match with 95 % intervals, and counts of each tag.

    Raises:
        GateFailed: The labels are not the dataset's classes.
        DataError: The split has no labelled photos.
        ArtifactError: A file is missing, damaged or not written by edgekd.
    """
    artifact = _open(artifact)
    reference = None if reference is None else _open(reference)
    samples = _labelled_samples(dataset, split)
    for file in (artifact, reference):
        if file is not None:
            check_task(file, dataset)
    truth = truth_of(dataset, samples)
    answers = probabilities(artifact, dataset, samples, threads, progress)
    parameter_count = artifact.provenance.get("parameters")
    result = CheckRow(
        row=row or artifact.path.name,
        artifact=artifact.path.name,
        parameters=parameter_count if parameters is None and isinstance(parameter_count, int) else parameters,
        size_bytes=artifact.size_bytes,
        **score_answers(truth, answers, dataset, thresholds or thresholds_of(artifact, dataset)),
        agreement=None,
        agreement_with=None,
        largest_difference=None,
        gates=(),
    )
    gates = gates or ParityGates()
    gate_results = [*judge_integers(result, artifact), *judge_floors(result, gates)]
    if reference is not None:
        expected = probabilities(reference, dataset, samples, threads)
        twin = Twin(
            truth, answers, expected, tuple(sample.id for sample in samples), metric or METRICS[dataset.task][0],
            thresholds or thresholds_of(artifact, dataset), thresholds or thresholds_of(reference, dataset),
        )  # fmt: skip
        result = replace(
            result,
            agreement=agreement(
                answers, expected, dataset.task, OUTPUT_STEP, twin.thresholds, twin.expected_thresholds
            ),
            agreement_with=reference.path.name,
            largest_difference=float(np.abs(answers - expected).max()),
        )
        gate_results += judge_twin(result, gates, twin)
    if judge_labels:
        gate_results += judge_label_order(result, artifact.labels, dataset.classes, truth, label_advice)
    return replace(result, gates=tuple(gate_results))


def score_answers(
    truth: Truth, answers: NDArray[np.floating], dataset: Dataset, thresholds: tuple[float, ...]
) -> dict[str, Any]:
    """What a `CheckRow` says of probabilities [N, C] of photos: predictions, scores and counts, by the data's task."""
    if dataset.task == "multi-label":
        tags_of_photos = decide_tags(answers, thresholds)
        tags = score_tags(truth, answers, thresholds, dataset.classes)
        nothing = dict.fromkeys(("accuracy", "balanced_accuracy"))
        return {"predictions": numbers_of(tags_of_photos), **nothing, "confusion": (), "tags": tags}
    predictions = answers.argmax(axis=1)
    counts = confusion(truth, predictions, len(dataset.classes))
    return {
        "predictions": tuple(int(value) for value in predictions),
        "accuracy": accuracy(truth, predictions),
        "balanced_accuracy": balanced_accuracy(truth, predictions),
        "confusion": tuple(tuple(int(value) for value in line) for line in counts),
    }


def truth_of(dataset: Dataset, samples: Sequence[Sample]) -> Truth:
    """Labels [N] or tags [N, C] of photos that have them, in the order of the dataset's classes."""
    if dataset.task == "single-label":
        return np.array([sample.label for sample in samples], np.int64)
    truth = np.zeros((len(samples), len(dataset.classes)), np.int64)
    for row, sample in zip(truth, samples, strict=True):
        row[list(sample.tags or ())] = 1
    return truth


def check_task(artifact: Artifact, dataset: Dataset) -> None:
    """Raise GateFailed for a file of tags and photos with one label each, or the other way round.

    Another tool's independent scores of one label each are compared with each other: its largest is the answer.
    """
    gives_tags = artifact.scores == "independent"
    if dataset.task == "multi-label" and not gives_tags:
        raise GateFailed(
            f"{artifact.path.name} gives one class a photo, and these photos have tags, any number each. Check it with "
            "photos of one label each, or export a model that ends in sigmoids"
        )
    if dataset.task == "single-label" and gives_tags and artifact.feed is None:
        raise GateFailed(
            f"{artifact.path.name} gives tags, any number a photo, and these photos have one label each. Check it with "
            'photos that have tags: data.task = "multi-label" in the recipe of a run, or --task multi-label'
        )


def thresholds_of(artifact: Artifact, dataset: Dataset) -> tuple[float, ...]:
    """The probabilities from which on a file gives each of the dataset's tags; none where photos have one label."""
    if dataset.task == "single-label":
        return ()
    # Another tool's file says nothing of thresholds.
    least = artifact.decision.thresholds or (0.5,) * len(artifact.labels)
    return tuple(least[place] for place in class_order(artifact, dataset.classes))


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
    samples = [sample for sample in dataset.split(split) if sample.label is not None or sample.tags is not None]
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
