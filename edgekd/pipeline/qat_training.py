"""Quantization-aware training of the student: on a run's soft targets, or without a run on its own float logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Dataset
from edgekd.data.images import images_of
from edgekd.distill.bind import bind_logits
from edgekd.distill.hinton import Hinton
from edgekd.models.logits import logits_model
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.student_training import distillation_batches, distillation_photos, student_validation
from edgekd.preprocess import Preprocessing
from edgekd.progress import Progress
from edgekd.quantize.ptq import Conversion, Output
from edgekd.quantize.qat import QatSettings, train_qat
from edgekd.quantize.sparsity import SparseStudent, Sparsity, sparsify
from edgekd.recipe import load_recipe
from edgekd.task import METRICS
from edgekd.training.batches import BatchStream
from edgekd.training.loop import Validation, logits_of


def train_qat_on_soft_targets(
    context: RunContext, student: Any, section: QatSettings, output: Output, *, checkpoint: Path, key: str
) -> Conversion:
    """Train a run's student in int8 with the objective, the photos and the soft targets that it was distilled by."""
    distill = context.recipe.distill
    return train_qat(
        student, section, bind_logits(distill.objective, distill.confidence),
        distillation_batches(context, student, section.batch_size), student_validation(context, student),
        steps_per_epoch=section.schedule().steps_per_epoch(distillation_photos(context)), seed=context.recipe.seed,
        checkpoint=checkpoint, key=key, output=output, progress=context.workspace.watcher.progress,
        task=context.recipe.data.task,
    )  # fmt: skip


def sparsify_on_soft_targets(
    context: RunContext, student: Any, section: Sparsity, *, checkpoint: Path, key: str
) -> SparseStudent:
    """Prune or cluster a run's student with the objective, photos and soft targets that it was distilled by."""
    distill = context.recipe.distill
    return sparsify(
        student, section, bind_logits(distill.objective, distill.confidence),
        distillation_batches(context, student, section.batch_size), student_validation(context, student),
        steps_per_epoch=section.schedule().steps_per_epoch(distillation_photos(context)), seed=context.recipe.seed,
        checkpoint=checkpoint, key=key, progress=context.workspace.watcher.progress, task=context.recipe.data.task,
    )  # fmt: skip


def train_qat_for_export(
    student: Any, data: Path, dataset: Dataset, preprocessing: Preprocessing, output: Output, *, checkpoint: Path
) -> Conversion:
    """Train a student in int8: on the soft targets of the run that ``data`` is, else on its own logits."""
    section = QatSettings()
    if not (data / "soft_targets" / "manifest.json").is_file():
        return train_qat_without_run(student, dataset, preprocessing, section, output, checkpoint=checkpoint)
    context = RunContext(Workspace(data), load_recipe(data / "recipe.toml"))
    return train_qat_on_soft_targets(context, student, section, output, checkpoint=checkpoint, key="aware")


def train_qat_without_run(
    student: Any,
    dataset: Dataset,
    preprocessing: Preprocessing,
    section: QatSettings,
    output: Output,
    *,
    checkpoint: Path,
    progress: Progress | None = None,
) -> Conversion:
    """Train a student in int8 on the training photos, by their labels and its own float logits."""
    samples = (*dataset.split("train"), *dataset.split("unlabelled"))
    images = images_of(dataset, samples, preprocessing)
    labels = dataset.truth_of(samples)
    own_logits = logits_of(logits_model(student, student.name, dataset.task), images)
    stream = BatchStream(
        StillImages(images), np.arange(len(images)), labels, own_logits[:, np.newaxis],
        batch_size=section.batch_size, seed=0,
    )  # fmt: skip
    validation_images = images_of(dataset, dataset.split("val"), preprocessing)
    valid = Validation(validation_images, dataset.truth("val"), METRICS[dataset.task][0])
    objective = bind_logits(Hinton(label_weight=0.1))
    return train_qat(
        student, section, objective, stream, valid, steps_per_epoch=section.schedule().steps_per_epoch(len(images)),
        seed=0, checkpoint=checkpoint, key="aware", output=output, progress=progress, task=dataset.task,
    )  # fmt: skip


class StillImages:
    """Images uint8 [N, H, W, 3] as a source of one view each."""

    views = 1

    def __init__(self, images: npt.NDArray[np.uint8]) -> None:
        self._images = images

    def gather(self, sample_indices: npt.NDArray[Any], view_numbers: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Images [B, H, W, 3]."""
        images: npt.NDArray[np.uint8] = self._images[sample_indices]
        return images
