"""What of a run's teacher turns photos into features: an encoder, or a network before its last dense layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Dataset
from edgekd.errors import ModelError
from edgekd.pipeline.fixed_teacher import open_teacher_of
from edgekd.recipe import Recipe
from edgekd.teacher.average import members_of
from edgekd.teacher.encoder_teacher import EncoderMember
from edgekd.teacher.keras_teacher import KerasTeacher, open_teacher
from edgekd.teacher.protocol import Teacher
from edgekd.teacher.transfer import before_head
from edgekd.training.loop import logits_of


@dataclass(frozen=True)
class Extractor:
    """Images uint8 [N, H, W, 3] to rows float32 [N, D], which are stored as logits are: a `Teacher` in form.

    ``source`` says in words what the rows are.
    """

    num_classes: int
    input_size: tuple[int, int]
    key: str
    rows: Callable[[npt.NDArray[np.uint8]], npt.NDArray[Any]]
    source: str

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """The rows [N, D] of images."""
        return self.rows(images)


def open_extractors(recipe: Recipe, dataset: Dataset, run: Path) -> list[Extractor]:
    """One for each member of a run's teacher, whose teacher stage is done. Raises ModelError, ArtifactError."""
    is_fixed = recipe.teacher.is_fixed
    teacher = open_teacher_of(recipe, dataset, run) if is_fixed else open_teacher(run / "teacher" / "teacher.keras")
    return [_extractor(member) for member in members_of(teacher)]


def _extractor(teacher: Teacher) -> Extractor:
    if isinstance(teacher, EncoderMember):
        return Extractor(teacher.num_classes, teacher.input_size, teacher.key, teacher.logits, "the encoder's features")
    network = _vector_network(teacher.model) if isinstance(teacher, KerasTeacher) else None
    if network is None:
        return Extractor(
            teacher.num_classes, teacher.input_size, teacher.key, teacher.logits,
            "the teacher's logits (it has no output of features)",
        )  # fmt: skip
    return Extractor(
        int(network.output_shape[-1]), teacher.input_size, teacher.key,
        lambda images: logits_of(network, images), "what the teacher's last dense layer takes",
    )  # fmt: skip


def _vector_network(model: Any) -> Any | None:
    """A Keras classifier up to the vectors [N, D] that its last dense layer takes; None where it takes others."""
    try:
        network = before_head(model)
    except ModelError:
        return None
    return network if len(network.output_shape) == 2 else None
