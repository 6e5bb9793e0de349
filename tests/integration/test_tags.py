"""A whole small run with several tags a photo, from a teacher of sigmoids to files that are measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import Project
from tag_photos import COLOURS, RECIPE, save_teacher

from edgekd.data.dataset import Dataset
from edgekd.evaluation.score import probabilities
from edgekd.formats.artifact import Artifact
from edgekd.soft_targets.store import SoftTargets
from edgekd.tag_metrics import mean_average_precision


def test_every_file_gives_each_tag_a_probability_of_its_own(tags_run: Path) -> None:
    dataset = Dataset.load(tags_run / "data" / "dataset.json")
    targets, samples = dataset.targets("test"), list(dataset.split("test"))
    rows = {}
    for name in ("float32.tflite", "float32.onnx", "int8.tflite", "int8.onnx"):
        artifact = Artifact.open(tags_run / "export" / f"student.{name}")
        assert artifact.labels == COLOURS and artifact.scores == "independent"
        assert artifact.decision.task == "multi-label" and len(artifact.decision.thresholds) == 3
        rows[name] = probabilities(artifact, dataset, samples)
    assert np.abs(rows["float32.onnx"] - rows["float32.tflite"]).max() < 1e-4
    assert np.abs(rows["int8.onnx"] - rows["int8.tflite"]).max() <= 8 / 256
    # Probabilities that sum to 1 could be of no pair of tags.
    assert rows["int8.tflite"].sum(axis=1).max() > 1.2
    assert mean_average_precision(targets, rows["int8.tflite"]).value > targets.mean() + 0.2


def test_the_student_learns_from_the_teachers_log_odds(tags_run: Path) -> None:
    logits = SoftTargets(tags_run / "soft_targets")[np.arange(50), np.zeros(50, np.int64)]
    assert logits.shape == (50, 3) and logits.dtype == np.float16
    assert (logits > 0).sum(axis=1).max() > 1 and (logits.max(axis=1) < 0).any()
    summary = json.loads((tags_run / "teacher" / "summary.json").read_text(encoding="utf-8"))
    assert summary["members"][0]["outputs"]["are"] == "sigmoids"
    assert summary["val_score"]["metric"] == "mean_average_precision" and summary["val_score"]["value"] > 0.95
    history = json.loads((tags_run / "distill" / "history.json").read_text(encoding="utf-8"))
    assert "the latest whose mean average precision on the validation photos" in history["choice"]
    dataset, probabilities = Dataset.load(tags_run / "data" / "dataset.json"), np.array(history["val_probabilities"])
    entry = history["epochs"][history["best_epoch"]]["val_mean_average_precision"]
    assert mean_average_precision(dataset.truth("val"), probabilities).value == pytest.approx(entry)
    assert np.shape(history["val_probabilities"]) == (24, 3)


def test_a_softmax_is_no_teacher_of_tags(tags_run: Path, tmp_path: Path) -> None:
    folder = tags_run.parents[1]
    save_teacher(tmp_path / "softmax.onnx", "Softmax")
    recipe = RECIPE.replace("colours.onnx", "softmax.onnx").replace("tags.csv", str(folder / "tags.csv"))
    (tmp_path / "tags.toml").write_text(recipe, encoding="utf-8")
    done = Project(tmp_path).edgekd("run", "tags.toml", "--out", "runs", "--until", "teacher")
    assert done.returncode == 1
    assert "softmax.onnx ends in a softmax, one choice among its classes" in done.stderr
    assert 'data.task = "single-label"' in done.stderr
