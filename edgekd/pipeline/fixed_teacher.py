"""A fixed teacher (inference only): opened, run over photos and recorded, whatever files it is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Dataset, Sample
from edgekd.data.images import images_of
from edgekd.evaluation.rows import CheckRow
from edgekd.evaluation.score import score_answers
from edgekd.models.rebuild import PhotosAt
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.tag_thresholds import comparable_thresholds
from edgekd.pipeline.teacher_training import describe_score
from edgekd.pipeline.trained_members import train_members, with_trained_files
from edgekd.pipeline.validation_answers import answers_of, record_of
from edgekd.preprocess import Preprocessing
from edgekd.recipe import Recipe
from edgekd.storage import read_json, write_bytes, write_json
from edgekd.teacher.average import combine_logits, members_of
from edgekd.teacher.encoder_heads import HEADS, HeadTraining, load_heads
from edgekd.teacher.encoder_teacher import EncoderTeacher, average_of, open_encoders
from edgekd.teacher.opening import describe_teacher, fingerprint, network_of, open_fixed_teacher
from edgekd.teacher.protocol import Teacher
from edgekd.training.scores import mean_loss, tag_probabilities

_SAMPLE_PHOTOS = 32
_BATCH = 64


def fixed_teacher_stage(
    context: RunContext, fit_heads: Callable[[RunContext, Path], HeadTraining] | None = None
) -> None:
    """Open the teacher's files and run them over the validation photos; writes ``teacher/summary.json``.

    A teacher of one .onnx or .tflite is copied beside it, so that the run can time it and keeps what it learnt from.
    Where the files are encoders, ``fit_heads`` writes the heads into the stage's folder first.
    """
    recipe, dataset, watcher = context.recipe, context.dataset, context.workspace.watcher
    section = recipe.teacher
    trained = {"trained": train_members(context)} if section.trained_members else {}
    depends = {
        "teacher": section.training_facts(),
        "files": fingerprint(with_trained_files(recipe, dataset, context.path)),
        **trained,
        "photos": dataset.digest(),
        "crop": recipe.data.crop,
        **({"metric": recipe.metric, **context.view_facts(plain=True)} if fit_heads else {}),
    }

    def work(directory: Path, _key: str) -> None:
        for stale in directory.glob("teacher.*"):
            stale.unlink()
        training = fit_heads(context, directory) if fit_heads else None
        teacher = open_teacher_of(recipe, dataset, context.path)
        labels = dataset.truth("val")
        if training is None:
            logits = logits_over(teacher, dataset, dataset.split("val"), recipe.data.crop)
        else:
            logits = training.logits
        answers, members = answers_of(logits, recipe.data.task), describe_teacher(teacher)
        obstacle = timing_obstacle(teacher)
        summary = {
            "schema": 1,
            "name": section.name,
            "classes": list(dataset.classes),
            "input": list(teacher.input_size),
            "parameters": sum(member["parameters"] for member in members),
            "size_bytes": sum(member["size_bytes"] for member in members),
            "val_score": context.validation_score(answers),
            "val_loss": mean_loss(logits, labels) if len(labels) else None,
            **record_of(answers),
            "seconds": None if training is None else training.seconds,
            "history": [],
            **({} if training is None else training.facts()),
            "members": members,
            "average": section.average if isinstance(section.model, tuple) else None,
            "file": _copy_file(directory, teacher),
            "note": "" if obstacle is None else f"It was not timed, because {obstacle}: accuracy and size only.",
        }
        if obstacle is not None:
            watcher.note(f"the teacher will not be timed, because {obstacle}")
        write_json(directory / "summary.json", summary)
        watcher.note(describe_score(summary["val_score"]))

    outputs = ("summary.json", *([HEADS] if fit_heads else []))
    context.workspace.stage("teacher", depends, outputs, work)


def open_teacher_of(recipe: Recipe, dataset: Dataset, run: Path) -> Teacher:
    """The recipe's own files, and those that ``run`` trained, as a teacher of the data's classes.

    Raises ModelError, ArtifactError.
    """
    section = with_trained_files(recipe, dataset, run)
    photos, data = some_photos(recipe, dataset), recipe.data
    if section.encodes:
        encoders, heads = open_encoders(section, photos, data.crop), load_heads(run / "teacher" / HEADS)
        return EncoderTeacher(encoders, heads, average_of(section), len(dataset.classes), data.task)
    return open_fixed_teacher(section, dataset.classes, photos, data.crop, data.task)


def some_photos(recipe: Recipe, dataset: Dataset) -> PhotosAt:
    """The first validation photos, at any size; where there are none, of those that are trained on."""
    photos = dataset.split("val") or (*dataset.split("train"), *dataset.split("unlabelled"))
    samples = photos[:_SAMPLE_PHOTOS]
    return lambda size: images_of(dataset, samples, _preprocessing(size, recipe.data.crop))


def logits_over(teacher: Teacher, dataset: Dataset, samples: Sequence[Sample], crop: str) -> npt.NDArray[np.float32]:
    """Logits float32 [N, C] for photos, each member of an average seeing them at its own size."""

    def of(member: Teacher) -> npt.NDArray[np.float32]:
        parts = [samples[i : i + _BATCH] for i in range(0, len(samples), _BATCH)]
        size = _preprocessing(member.input_size, crop)
        return np.concatenate([member.logits(images_of(dataset, tuple(part), size)) for part in parts])

    if not samples:
        return np.zeros((0, teacher.num_classes), np.float32)
    return combine_logits(teacher, [of(member) for member in members_of(teacher)])


def timing_obstacle(teacher: Teacher) -> str | None:
    """What keeps the benchmark from running the teacher's file; None where nothing does."""
    network = network_of(teacher)
    if network is None:
        encodes = isinstance(teacher, EncoderTeacher)
        return "it is a head on several encoders" if encodes else "it is an average of several files"
    facts = network.facts
    if network.settings.kind not in ("onnx", "tflite"):
        return "it is a SavedModel, which only TensorFlow runs"
    if facts.dtype not in ("uint8", "int8", "float32"):
        return f"its input is {facts.dtype}"
    if any(not isinstance(size, int) or size < 1 for size in facts.shape[1:]) or facts.batch not in (None, 1):
        return "its input has no fixed size for one image"
    return None


def fixed_teacher_row(context: RunContext) -> CheckRow:
    """The teacher's row of the check: its files run over the test photos."""
    recipe, dataset = context.recipe, context.dataset
    summary = read_json(context.path / "teacher" / "summary.json")
    samples = dataset.split("test")
    logits = logits_over(open_teacher_of(recipe, dataset, context.path), dataset, samples, recipe.data.crop)
    probabilities = tag_probabilities(logits) if dataset.task == "multi-label" else logits
    thresholds = comparable_thresholds(context, "teacher/summary.json") or (0.5,) * len(dataset.classes)
    return CheckRow(
        row="teacher", artifact="", parameters=summary["parameters"], size_bytes=summary["size_bytes"],
        **score_answers(dataset.truth("test"), probabilities, dataset, thresholds),
        agreement=None, agreement_with=None, largest_difference=None, gates=(),
    )  # fmt: skip


def _copy_file(directory: Path, teacher: Teacher) -> str | None:
    network = network_of(teacher)
    if network is None or network.settings.kind not in ("onnx", "tflite"):
        return None
    name, path = f"teacher.{network.settings.kind}", Path(network.settings.model)
    if network.settings.kind == "onnx":
        from edgekd.teacher.onnx_network import read_with_weights

        write_bytes(directory / name, read_with_weights(path))
    else:
        write_bytes(directory / name, path.read_bytes())
    return name


def _preprocessing(size: tuple[int, int], crop: Any) -> Preprocessing:
    return Preprocessing(height=size[0], width=size[1], crop=crop)
