"""A teacher that is used as it is: opened, asked and put on record, whatever files it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.bench.targets import BenchTarget
from edgekd.data.dataset import Dataset, Sample
from edgekd.data.images import images_of
from edgekd.evaluation.score import CheckRow
from edgekd.metrics import accuracy, balanced_accuracy, confusion
from edgekd.pipeline.context import scored
from edgekd.pipeline.stage import Workspace
from edgekd.preprocess import Preprocessing
from edgekd.recipe import Recipe
from edgekd.storage import read_json, write_bytes, write_json
from edgekd.teacher.average import combined, members_of
from edgekd.teacher.file_teacher import FileTeacher, PhotosAt
from edgekd.teacher.opening import described, fingerprint, open_fixed_teacher
from edgekd.teacher.protocol import Teacher
from edgekd.training.loop import evaluate

_LOOKED_AT = 32
_BATCH = 64


def fixed_teacher_stage(work: Workspace, recipe: Recipe, dataset: Dataset) -> Path:
    """Open the teacher's files and ask them about the validation photos; writes ``teacher/summary.json``.

    A teacher of one .onnx or .tflite is copied beside it, so that the run can time and keep what it learnt from.
    """
    section = recipe.teacher
    depends = {
        "teacher": section.model_dump(mode="json", exclude={"accept_weak"}),
        "files": fingerprint(section),
        "photos": dataset.digest(),
        "crop": recipe.data.crop,
    }

    def do(directory: Path, _key: str) -> None:
        for stale in directory.glob("teacher.*"):
            stale.unlink()
        teacher = open_teacher_of(recipe, dataset)
        labels = dataset.labels("val")
        logits = answers(teacher, dataset, dataset.split("val"), recipe.data.crop)
        members = described(teacher)
        not_timed = timing_obstacle(teacher)
        summary = {
            "schema": 1,
            "name": section.name,
            "classes": list(dataset.classes),
            "input": list(teacher.input_size),
            "parameters": sum(member["parameters"] for member in members),
            "size_bytes": sum(member["size_bytes"] for member in members),
            "val_score": scored(recipe, labels, logits.argmax(axis=1)),
            "val_loss": evaluate(logits, labels)[1] if len(labels) else None,
            "val_predictions": logits.argmax(axis=1).tolist(),
            "seconds": None,
            "history": [],
            "members": members,
            "average": section.average if isinstance(section.model, tuple) else None,
            "file": _keep(directory, teacher),
            "note": "" if not_timed is None else f"It was not timed, because {not_timed}: accuracy and size only.",
        }
        if not_timed is not None:
            work.watcher.note(f"the teacher will not be timed, because {not_timed}")
        write_json(directory / "summary.json", summary)

    return work.stage("teacher", depends, ("summary.json",), do)


def open_teacher_of(recipe: Recipe, dataset: Dataset) -> Teacher:
    """The recipe's own files as a teacher of the data's classes. Raises ModelError, ArtifactError."""
    return open_fixed_teacher(recipe.teacher, dataset.classes, some_photos(recipe, dataset), recipe.data.crop)


def some_photos(recipe: Recipe, dataset: Dataset) -> PhotosAt:
    """The first validation photos, at any size; where there are none, of those that are trained on."""
    photos = dataset.split("val") or (*dataset.split("train"), *dataset.split("unlabelled"))
    samples = photos[:_LOOKED_AT]
    return lambda size: images_of(dataset, samples, _at(size, recipe.data.crop))


def answers(teacher: Teacher, dataset: Dataset, samples: Sequence[Sample], crop: str) -> npt.NDArray[np.float32]:
    """Logits float32 [N, C] for photos, each member of an average seeing them at its own size."""

    def of(member: Teacher) -> npt.NDArray[np.float32]:
        parts = [samples[i : i + _BATCH] for i in range(0, len(samples), _BATCH)]
        size = _at(member.input_size, crop)
        return np.concatenate([member.logits(images_of(dataset, tuple(part), size)) for part in parts])

    if not samples:
        return np.zeros((0, teacher.num_classes), np.float32)
    return combined(teacher, [of(member) for member in members_of(teacher)])


def timing_obstacle(teacher: Teacher) -> str | None:
    """What keeps the benchmark from running the teacher's file; None where nothing does."""
    if not isinstance(teacher, FileTeacher):
        return "it is an average of several files"
    facts = teacher.facts
    if teacher.settings.kind not in ("onnx", "tflite"):
        return "it is a SavedModel, which no runtime here runs outside TensorFlow"
    if facts.dtype not in ("uint8", "float32"):
        return f"its input is {facts.dtype}"
    if any(not isinstance(size, int) or size < 1 for size in facts.shape[1:]) or facts.batch not in (None, 1):
        return "its input has no fixed size for one image"
    return None


def fixed_teacher_row(work: Workspace, recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """The teacher's row of the check: its files asked about the test photos."""
    summary = read_json(work.path / "teacher" / "summary.json")
    samples = dataset.split("test")
    truth = np.asarray(dataset.labels("test"))
    found = answers(open_teacher_of(recipe, dataset), dataset, samples, recipe.data.crop).argmax(axis=1)
    counts = confusion(truth, found, len(dataset.classes))
    row = CheckRow(
        row="teacher", artifact="", parameters=summary["parameters"], size_bytes=summary["size_bytes"],
        predictions=tuple(int(value) for value in found), accuracy=accuracy(truth, found),
        balanced_accuracy=balanced_accuracy(truth, found), agreement=None, agreement_with=None,
        largest_difference=None, confusion=tuple(tuple(int(value) for value in line) for line in counts), gates=(),
    )  # fmt: skip
    return {**row.to_json(), "artifact": None if summary["file"] is None else f"teacher/{summary['file']}"}


def fixed_teacher_target(
    work: Workspace, recipe: Recipe, dataset: Dataset, samples: Sequence[Sample]
) -> BenchTarget | None:
    """The teacher's file for the benchmark; None where it can't be timed."""
    summary = read_json(work.path / "teacher" / "summary.json")
    if summary["file"] is None or summary["note"]:
        return None
    path = work.path / "teacher" / summary["file"]
    images = images_of(dataset, tuple(samples), _at(tuple(summary["input"]), recipe.data.crop))
    return BenchTarget("teacher", path, "onnx" if path.suffix == ".onnx" else "tflite", images)


def _keep(directory: Path, teacher: Teacher) -> str | None:
    if not isinstance(teacher, FileTeacher) or teacher.settings.kind not in ("onnx", "tflite"):
        return None
    name, path = f"teacher.{teacher.settings.kind}", Path(teacher.settings.model)
    if teacher.settings.kind == "onnx":
        from edgekd.teacher.onnx_network import whole_onnx

        write_bytes(directory / name, whole_onnx(path))
    else:
        write_bytes(directory / name, path.read_bytes())
    return name


def _at(size: tuple[int, int], crop: Any) -> Preprocessing:
    return Preprocessing(height=size[0], width=size[1], crop=crop)
