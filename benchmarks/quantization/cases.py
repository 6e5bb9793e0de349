"""A float student of one task and seed, with all inputs of its conversions and trainings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fashion_task as fashion
import numpy as np
import numpy.typing as npt
import road_task as road

from edgekd.data.images import images_of
from edgekd.distill.bind import BoundObjective, bind_logits
from edgekd.distill.hinton import Hinton
from edgekd.models.load import load_model
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stages.quantize import calibration_images
from edgekd.pipeline.student_training import distillation_batches, student_validation
from edgekd.training.batches import BatchStream
from edgekd.training.loop import Validation

CALIBRATION = 200
TASKS = (road.NAME, fashion.SMALL.name, fashion.HARD.name)
SHORT_TASKS = (road.NAME, fashion.SMALL.name)


@dataclass(frozen=True)
class Case:
    """``student`` in float; ``calibration`` and ``test`` images uint8 [N, H, W, 3], ``labels`` of the test ones.

    ``batches`` gives a stream with stored soft targets for a batch size; a pass is of ``photos`` of them.
    A fine-tuning takes ``epochs`` of ``batch_size`` at ``learning_rate``; the float training had ten times the rate.
    """

    task: str
    seed: int
    student: Any
    objective: BoundObjective | None
    calibration: npt.NDArray[np.uint8]
    test: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    validation: Validation
    batches: Callable[[int], BatchStream]
    photos: int
    epochs: int
    batch_size: int
    learning_rate: float
    classes: tuple[str, ...]

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps a pass."""
        return math.ceil(self.photos / self.batch_size)

    @property
    def slug(self) -> str:
        """A file's name for it."""
        return f"{''.join(c if c.isalnum() else '-' for c in self.task)}-{self.seed}"


def open_case(task: str, seed: int, work: Path, photos: Path, unlabelled: Path, *, short: bool = False) -> Case:
    """The case; its float student is trained if it is not stored in ``work``."""
    if task == road.NAME:
        return _road(seed, work, photos, unlabelled, short)
    return _fashion(next(kind for kind in (fashion.SMALL, fashion.HARD) if kind.name == task), seed, work)


def _fashion(kind: fashion.Kind, seed: int, work: Path) -> Case:
    student, soft_targets = fashion.float_student(work, kind, seed), fashion.soft_targets_of(work)
    photos = fashion.distilled_count()
    grey, labels = fashion.arrays("train")
    test, truth = fashion.arrays("t10k")
    chosen = np.random.default_rng(seed).choice(photos, min(photos, CALIBRATION), replace=False)
    return Case(
        kind.name, seed, student, bind_logits(Hinton()), fashion.as_photos(grey[chosen], kind.side),
        fashion.as_photos(test, kind.side), truth, fashion.validation(kind.side),
        lambda size: BatchStream(
            fashion.Source(kind.side), np.arange(photos), labels, soft_targets, batch_size=size, seed=seed
        ),
        photos, 2 if kind is fashion.SMALL else 1, 128, 4e-4, fashion.CLASSES,
    )  # fmt: skip


def _road(fold: int, work: Path, photos: Path, unlabelled: Path, short: bool) -> Case:
    directory, recipe = road.float_run(work, photos, unlabelled, fold, short)
    context = RunContext(Workspace(directory), recipe)
    dataset = context.dataset
    student = load_model(directory / "distill" / "student.keras")
    preprocessing, distill = context.preprocessing(student), recipe.distill
    return Case(
        road.NAME, fold, student, bind_logits(distill.objective),
        calibration_images(context, preprocessing), images_of(dataset, dataset.split("test"), preprocessing),
        dataset.labels("test"), student_validation(context, student),
        lambda size: distillation_batches(context, student, size),
        len(context.pool.samples), 3, 32, 5e-5, dataset.classes,
    )  # fmt: skip
