"""Encoders with heads as a teacher: each sees a photo at its own size, and heads turn their features into logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgekd.models.rebuild import PhotosAt
from edgekd.storage import digest
from edgekd.task import Task
from edgekd.teacher.average import Average, CombinedTeacher, Logits, average_logits
from edgekd.teacher.encoder import Encoder, Features, open_encoder
from edgekd.teacher.settings import TeacherSection


class Head(Protocol):
    """Features [N, D] to logits."""

    def logits(self, features: npt.NDArray[np.floating]) -> Logits:
        """Logits float32 [N, C] of features [N, D]."""


@dataclass(frozen=True)
class FittedHeads:
    """The heads of a teacher: one on all features side by side, or one an encoder, whose answers are averaged.

    ``mean`` and ``scale`` [D] are those of all features side by side over the photos that the heads were fitted to;
    ``key`` is the hash of their file.
    """

    heads: tuple[Head, ...]
    mean: Features
    scale: Features
    key: str


class EncoderMember:
    """An encoder as the member of a teacher: what it gives are features, as they are stored.

    They are rounded to half floats, so that a photo gets the same answer from the store and from the encoder.
    """

    def __init__(self, encoder: Encoder, mirrored: bool = False) -> None:
        self.encoder, self.mirrored = encoder, mirrored

    @property
    def num_classes(self) -> int:
        """D, the length of a photo's vector."""
        return self.encoder.dimensions

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.encoder.input_size

    @property
    def key(self) -> str:
        """Hash of the encoder, and whether photos are mirrored for it."""
        return digest([self.encoder.key, "mirrored"]) if self.mirrored else self.encoder.key

    def logits(self, images: npt.NDArray[np.uint8]) -> Features:
        """Features float32 [N, D] of images uint8 [N, H, W, 3]."""
        seen = np.ascontiguousarray(images[:, :, ::-1]) if self.mirrored else images
        return self.encoder.features(seen).astype(np.float16).astype(np.float32)


class EncoderTeacher(CombinedTeacher):
    """Encoders, and heads that were fitted on their features.

    With ``average`` None there is one head, on the features of all encoders side by side.
    """

    def __init__(
        self, encoders: Sequence[Encoder], fitted: FittedHeads, average: Average | None, classes: int, task: Task
    ) -> None:
        self.members: tuple[EncoderMember, ...] = tuple(EncoderMember(encoder) for encoder in encoders)
        self.fitted, self.average, self._classes, self._task = fitted, average, classes, task

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return self._classes

    @property
    def key(self) -> str:
        """Hash of the encoders and of the heads."""
        return digest([[member.key for member in self.members], self.fitted.key, self.average])

    def combine(self, outputs: Sequence[Features]) -> Logits:
        """Logits [N, C] from the encoders' features, each [N, D]."""
        return apply_heads(self.fitted.heads, outputs, self.average, self._task)


class MirroredEncoderTeacher(CombinedTeacher):
    """The average of the teacher's answers for a photo and for its mirror image; its members see one of the two."""

    def __init__(self, teacher: EncoderTeacher, average: Average, task: Task) -> None:
        mirrored = (EncoderMember(member.encoder, mirrored=True) for member in teacher.members)
        self.members: tuple[EncoderMember, ...] = (*teacher.members, *mirrored)
        self._teacher, self._average, self._task = teacher, average, task

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return self._teacher.num_classes

    @property
    def key(self) -> str:
        """Hash of the teacher and of how its two answers are averaged."""
        return digest([self._teacher.key, "mirrored", self._average, self._task])

    def combine(self, outputs: Sequence[Features]) -> Logits:
        """Logits [N, C] from the encoders' features of photos, and then of their mirror images, each [N, D]."""
        half = len(self._teacher.members)
        answers = [self._teacher.combine(part) for part in (outputs[:half], outputs[half:])]
        return average_logits(answers, self._average, self._task)


def apply_heads(heads: Sequence[Head], features: Sequence[Features], average: Average | None, task: Task) -> Logits:
    """Logits [N, C] of the encoders' features, each [N, D], by one head on all or by an averaged head an encoder."""
    if average is None or len(heads) == 1:
        return heads[0].logits(np.concatenate(features, axis=1))
    return average_logits([head.logits(rows) for head, rows in zip(heads, features, strict=True)], average, task)


def open_encoders(section: TeacherSection, photos: PhotosAt, crop: str = "whole") -> tuple[Encoder, ...]:
    """The encoders of ``[teacher]``; ``photos`` are a few real ones, cropped by ``crop``.

    Raises ModelError naming the key of [teacher] to add or correct; ArtifactError where a file is damaged.
    """
    return tuple(open_encoder(file, photos, crop) for file in section.members())


def average_of(section: TeacherSection) -> Average | None:
    """How the answers of several encoders' heads are averaged; None where one head sees all features."""
    return None if section.average == "features" or not isinstance(section.model, tuple) else section.average
