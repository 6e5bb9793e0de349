"""Several teachers as one: the average of their predictions for the same view, each at its own input size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.preprocess import resample
from edgekd.storage import digest
from edgekd.teacher.protocol import Teacher

Average = Literal["probabilities", "logits"]
Logits = npt.NDArray[np.float32]


class AverageTeacher:
    """Logits of the mean of its members' probabilities, or the mean of their log-probabilities.

    Probabilities are the default: the uniform mixture of deep ensembles, in which an overconfident member has
    no more weight than another. "logits" is the geometric mean, in which one that calls a class impossible has a veto.

    Source: Lakshminarayanan et al., arXiv:1612.01474, section 2.4; either mean: Hinton et al., arXiv:1503.02531,
    section 2.
    """

    def __init__(self, members: Sequence[Teacher], average: Average = "probabilities") -> None:
        """Raises ModelError where there are no members, or their numbers of classes differ."""
        if not members or len({member.num_classes for member in members}) > 1:
            raise ModelError("an average needs one teacher or more, all with the same number of classes")
        self.members, self.average = tuple(members), average

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return self.members[0].num_classes

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the member with the largest input."""
        return max((member.input_size for member in self.members), key=lambda size: size[0] * size[1])

    @property
    def key(self) -> str:
        """Hash of the members and of how they are averaged."""
        return digest([[member.key for member in self.members], self.average])

    def logits(self, images: npt.NDArray[np.uint8]) -> Logits:
        """Logits float32 [N, C] of images uint8 [N, H, W, 3], resized for every member of another size.

        Where photos are at hand, render them at each member's size and use ``combine``.
        """
        return self.combine([member.logits(_resize_all(images, member.input_size)) for member in self.members])

    def combine(self, logits: Sequence[Logits]) -> Logits:
        """Log-probabilities [N, C] of the average, from the members' logits, each [N, C]."""
        return average_logits(logits, self.average)


class MirroredTeacher:
    """The average of a teacher's answers for a photo and for its mirror image, where left and right mean nothing."""

    def __init__(self, teacher: Teacher, average: Average = "probabilities") -> None:
        self._teacher, self._average = teacher, average

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return self._teacher.num_classes

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self._teacher.input_size

    @property
    def key(self) -> str:
        """Hash of the teacher and of how its two answers are averaged."""
        return digest([self._teacher.key, "mirrored", self._average])

    def logits(self, images: npt.NDArray[np.uint8]) -> Logits:
        """Log-probabilities float32 [N, C] of images uint8 [N, H, W, 3]."""
        mirrored = np.ascontiguousarray(images[:, :, ::-1])
        return average_logits([self._teacher.logits(images), self._teacher.logits(mirrored)], self._average)


def with_mirror_images(teacher: Teacher, average: Average = "probabilities") -> Teacher:
    """The teacher, or each member of an average, answering for a photo and its mirror image."""
    if isinstance(teacher, AverageTeacher):
        return AverageTeacher([MirroredTeacher(member, average) for member in teacher.members], teacher.average)
    return MirroredTeacher(teacher, average)


def average_logits(logits: Sequence[Logits], average: Average) -> Logits:
    """Log-probabilities float32 [N, C] of the average of several answers, each logits [N, C]."""
    stacked = np.stack([_log_softmax(np.asarray(rows, np.float64)) for rows in logits])
    if average == "logits":
        return _log_softmax(stacked.mean(axis=0)).astype(np.float32)
    total: npt.NDArray[np.float64] = np.logaddexp.reduce(stacked, axis=0) - np.log(len(stacked))
    return total.astype(np.float32)


def members_of(teacher: Teacher) -> tuple[Teacher, ...]:
    """The members of an average; of any other teacher, itself."""
    return teacher.members if isinstance(teacher, AverageTeacher) else (teacher,)


def combine_logits(teacher: Teacher, logits: Sequence[Logits]) -> Logits:
    """Logits [N, C] of ``teacher``, where ``members_of(teacher)`` gave ``logits``, each [N, C]."""
    return teacher.combine(logits) if isinstance(teacher, AverageTeacher) else logits[0]


def _resize_all(images: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    if images.shape[1:3] == size or not len(images):
        return images
    return np.stack([resample(image, *size) for image in images])


def _log_softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probabilities: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return log_probabilities
