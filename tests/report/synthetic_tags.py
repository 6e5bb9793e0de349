"""Makes a synthetic run one of photos with tags: as a finished run of these leaves it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from synthetic_run import ROWS, Synthetic, artifact, build_run

from edgekd import metrics, storage
from edgekd.data.dataset import Dataset
from edgekd.evaluation.rows import CheckRow
from edgekd.evaluation.score import score_answers
from edgekd.tag_metrics import agreement_of_tags

TAGS = ("crossing", "cyclist", "puddle", "traffic light")
# A tag that no test photo has can't be judged.
ABSENT = "zebra"
SHARES = (0.5, 0.3, 0.2, 0.4)
THRESHOLDS = (0.4, 0.5, 0.6, 0.5, 0.5)
# How far probabilities of photos with and without a tag are apart, in spreads, by row.
DISTANCES = {"teacher": 4.2, "labels_only": 2.4, "distilled": 3.4}


def build_tag_run(directory: Path, *, metric: str = "mean_average_precision", seeds: int = 1) -> Path:
    """A finished run of 300 test photos with up to four tags each."""
    build_run(directory, Synthetic(metric=metric))
    rng = np.random.default_rng(0)
    dataset = Dataset.load(directory / "data/dataset.json")
    truth = np.zeros((len(dataset.samples), 5), np.int8)
    truth[:, :4] = rng.random((len(truth), 4)) < SHARES
    samples = tuple(
        replace(sample, label=None, tags=tuple(int(tag) for tag in np.flatnonzero(row)))
        for sample, row in zip(dataset.samples, truth, strict=True)
    )
    dataset = replace(dataset, classes=(*TAGS, ABSENT), samples=samples, task="multi-label")
    dataset.save(directory / "data/dataset.json")
    _rewrite(directory / "data/summary.json", _data(dataset, truth))
    probabilities = {row: _answer(rng, truth, distance) for row, distance in DISTANCES.items()}
    steps = np.round(probabilities["distilled"] * 256 + rng.normal(0, 2, truth.shape)) / 256
    probabilities["int8_tflite"] = probabilities["int8_onnx"] = np.clip(steps, 0, 1)
    _rewrite(directory / "check/check.json", _check(dataset, truth, probabilities, metric))
    _rewrite(directory / "teacher/summary.json", {
        "val_score": {"metric": metric, "value": 0.97, "low": 0.93, "high": 0.99, "n": 60}
    })  # fmt: skip
    for stage in ("scratch", "distill"):
        history = storage.read_json(directory / stage / "history.json")
        epochs = [epoch | {f"val_{metric}": epoch["val_accuracy"]} for epoch in history["epochs"]]
        storage.write_json(directory / stage / "history.json", history | {"epochs": epochs, "metric": metric})
    if seeds > 1:
        storage.write_json(directory / "seeds/seeds.json", {"schema": 1, "seeds": [
            {"seed": seed, **{row: _answer(rng, truth, DISTANCES[row]).tolist() for row in list(DISTANCES)[1:]}}
            for seed in range(1, seeds)
        ]})  # fmt: skip
    return directory


def _rewrite(path: Path, changes: dict[str, Any]) -> None:
    storage.write_json(path, storage.read_json(path) | changes)


def _data(dataset: Dataset, truth: NDArray[np.int8]) -> dict[str, Any]:
    counts = dict(zip(dataset.classes, truth.sum(axis=0).tolist(), strict=True))
    return {
        "task": "multi-label",
        "classes": list(dataset.classes),
        "photos": {"train": 60, "val": 60, "test": len(truth), "unlabelled": 1000},
        "splits": {
            "train": dict.fromkeys(dataset.classes, 21), "val": dict.fromkeys(dataset.classes, 20), "test": counts,
            "unlabelled": {"": 1000},
        },
    }  # fmt: skip


def _answer(rng: np.random.Generator, truth: NDArray[np.int8], distance: float) -> NDArray[np.float64]:
    logits = (truth - 0.5) * distance + rng.normal(0, 1, truth.shape)
    return np.asarray(1 / (1 + np.exp(-logits)))


def _check(
    dataset: Dataset, truth: NDArray[np.int8], probabilities: dict[str, NDArray[np.float64]], metric: str
) -> dict[str, Any]:
    rows = []
    for row, title, parameters, size_bytes, _, _ in ROWS:
        twin = row.startswith("int8")
        same = agreement_of_tags(probabilities[row], probabilities["distilled"], metrics.OUTPUT_STEP, THRESHOLDS)
        checked = CheckRow(
            row=row, artifact=artifact(row), parameters=parameters, size_bytes=size_bytes,
            **score_answers(truth, probabilities[row], dataset, THRESHOLDS), agreement=same if twin else None,
            agreement_with="distilled" if twin else None, largest_difference=0.03 if twin else None, gates=(),
        )  # fmt: skip
        rows.append({**checked.to_json(), "row": row, "title": title, "artifact": artifact(row)})
    return {
        "task": "multi-label",
        "classes": list(dataset.classes),
        "ids": [sample.id for sample in dataset.samples],
        "labels": [list(sample.tags or ()) for sample in dataset.samples],
        "metric": metric,
        "rows": rows,
    }
