"""Several teachers as one: the average of their predictions for the same view, each at its own input size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.preprocess import resample
from edgekd.storage import digest
from edgekd.task import Task
from edgekd.teacher.protocol import Teacher

Average = Literal["probabilities", "logits"]
Logits = npt.NDArray[np.float32]


class CombinedTeacher(ABC):
    """A teacher of several ``members``, each of which sees a photo at its own input size.

    What the members give, one array [N, ...] each, ``combine`` makes logits of.
    """

    members: tuple[Teacher, ...]

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """Number of classes C."""

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the member with the largest input."""
        return max((member.input_size for member in self.members), key=lambda size: size[0] * size[1])

    @property
    @abstractmethod
    def key(self) -> str:
        """Hash of everything that decides its answers."""

    def logits(self, images: npt.NDArray[np.uint8]) -> Logits:
        """Logits float32 [N, C] of images uint8 [N, H, W, 3], resized for every member of another size.

        Where photos are at hand, render them at each member's size and use ``combine``.
        """
        return self.combine([member.logits(_resize_all(images, member.input_size)) for member in self.members])

    @abstractmethod
    def combine(self, outputs: Sequence[Logits]) -> Logits:
        """Logits [N, C] from the members' outputs, in their order."""


class AverageTeacher(CombinedTeacher):
    """Logits of the mean of its members' probabilities, or the mean of their log-probabilities.

    Probabilities are the default: the uniform mixture of deep ensembles, in which an overconfident member has
    no more weight than another. "logits" is the geometric mean, in which one that calls a class impossible has a veto.
    Of tags each one's two probabilities, present and absent, are averaged by themselves.

    Source: Lakshminarayanan et al., arXiv:1612.01474, section 2.4; either mean: Hinton et al., arXiv:1503.02531,
    section 2.
    """

    def __init__(
        self, members: Sequence[Teacher], average: Average = "probabilities", task: Task = "single-label"
    ) -> None:
        """Raises ModelError where there are no members, or their numbers of classes differ."""
        if not members or len({member.num_classes for member in members}) > 1:
            raise ModelError("an average needs one teacher or more, all with the same number of classes")
        self.members, self.average, self.task = tuple(members), average, task

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return self.members[0].num_classes

    @property
    def key(self) -> str:
        """Hash of the members and of how they are averaged."""
        return digest([[member.key for member in self.members], self.average, *_task_facts(self.task)])

    def combine(self, outputs: Sequence[Logits]) -> Logits:
        """Logits [N, C] of the average, from the members' logits, each [N, C]."""
        return average_logits(outputs, self.average, self.task)


class MirroredTeacher:
    """The average of a teacher's answers for a photo and for its mirror image, where left and right mean nothing."""

    def __init__(self, teacher: Teacher, average: Average = "probabilities", task: Task = "single-label") -> None:
        self._teacher, self._average, self._task = teacher, average, task

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
        return digest([self._teacher.key, "mirrored", self._average, *_task_facts(self._task)])

    def logits(self, images: npt.NDArray[np.uint8]) -> Logits:
        """Logits float32 [N, C] of images uint8 [N, H, W, 3]."""
        mirrored = np.ascontiguousarray(images[:, :, ::-1])
        return average_logits([self._teacher.logits(images), self._teacher.logits(mirrored)], self._average, self._task)


def with_mirror_images(teacher: Teacher, average: Average = "probabilities", task: Task = "single-label") -> Teacher:
    """The teacher, or each member of an average, answering for a photo and its mirror image."""
    if isinstance(teacher, AverageTeacher):
        members = [MirroredTeacher(member, average, task) for member in teacher.members]
        return AverageTeacher(members, teacher.average, task)
    return MirroredTeacher(teacher, average, task)


def average_logits(logits: Sequence[Logits], average: Average, task: Task = "single-label") -> Logits:
    """Logits float32 [N, C] of the average of several answers, each logits [N, C].

    Of one label a photo they are log-probabilities, of tags log-odds.
    """
    if task == "multi-label":
        return _average_tags(np.stack([np.asarray(rows, np.float64) for rows in logits]), average)
    stacked = np.stack([_log_softmax(np.asarray(rows, np.float64)) for rows in logits])
    if average == "logits":
        return _log_softmax(stacked.mean(axis=0)).astype(np.float32)
    total: npt.NDArray[np.float64] = np.logaddexp.reduce(stacked, axis=0) - np.log(len(stacked))
    return total.astype(np.float32)


def _average_tags(logits: npt.NDArray[np.float64], average: Average) -> Logits:
    """Log-odds float32 [N, C] of the average of logits [K, N, C]."""
    if average == "logits":
        return np.asarray(logits.mean(axis=0), np.float32)
    present, absent = (np.logaddexp.reduce(-np.logaddexp(0, sign * logits), axis=0) for sign in (-1, 1))
    log_odds: npt.NDArray[np.float64] = present - absent
    return log_odds.astype(np.float32)


def _task_facts(task: Task) -> tuple[Task, ...]:
    """What a task adds to a key: nothing for one label a photo."""
    return () if task == "single-label" else (task,)


def members_of(teacher: Teacher) -> tuple[Teacher, ...]:
    """The members of a teacher of several networks; of any other teacher, itself."""
    return teacher.members if isinstance(teacher, CombinedTeacher) else (teacher,)


def combine_logits(teacher: Teacher, logits: Sequence[Logits]) -> Logits:
    """Logits [N, C] of ``teacher``, where ``members_of(teacher)`` gave ``logits``, an array [N, ...] each."""
    return teacher.combine(logits) if isinstance(teacher, CombinedTeacher) else logits[0]


def _resize_all(images: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    if images.shape[1:3] == size or not len(images):
        return images
    return np.stack([resample(image, *size) for image in images])


def _log_softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probabilities: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return log_probabilities
