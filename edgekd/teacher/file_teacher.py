"""A fixed teacher (inference only) in an .onnx, a .tflite or a SavedModel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.outputs import NotTheseClassesError, class_columns, judge_outputs
from edgekd.models.rebuild import PhotosAt
from edgekd.storage import digest
from edgekd.task import Task
from edgekd.teacher.file_network import FileNetwork
from edgekd.teacher.files import TeacherFile

_ENCODER_HINT = (
    "If it does not know these classes, take it as an encoder, on whose features a head is fitted. Add to [teacher]: "
    "train = true"
)


class FileTeacher:
    """Images uint8 RGB [N, H, W, 3] to logits float32 [N, C] in the order of the data's classes."""

    def __init__(
        self,
        settings: TeacherFile,
        classes: tuple[str, ...],
        photos: PhotosAt,
        crop: str = "whole",
        task: Task = "single-label",
    ) -> None:
        """Open the file and look at its outputs for ``photos``; ``crop`` is the part of a photo that they show.

        Raises ModelError naming the key of [teacher] to add or correct; ArtifactError where the file is damaged.
        """
        try:
            self._open(settings, classes, photos, crop, task)
        except NotTheseClassesError as error:
            raise ModelError(f"{error}. {_ENCODER_HINT}") from None

    def _open(self, settings: TeacherFile, classes: tuple[str, ...], photos: PhotosAt, crop: str, task: Task) -> None:
        self.network = network = FileNetwork(settings, crop)
        self.facts = facts = network.facts
        self.settings, self.layout, self.pixels, self._size = settings, network.layout, network.pixels, network.size
        rows = self._rows(photos(self._size))
        self.scores = judge_outputs(facts.ending, rows, facts.where, step=facts.step, task=task)
        names = settings.classes or facts.labels or ()
        outputs = rows.shape[1] * self.scores.classes_per_output
        self._columns = class_columns(names, classes, outputs, facts.where)
        self.classes_known = outputs

    @property
    def num_classes(self) -> int:
        """Number of the data's classes C."""
        return len(self._columns)

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self._size

    @property
    def key(self) -> str:
        """Hash of the file and of its settings."""
        options = self.settings.model_dump(mode="json", exclude={"model"})
        return digest([self.facts.key, options, self._columns.tolist(), vars(self.scores)])

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits float32 [N, C] of images uint8 [N, H, W, 3] of its ``input_size``."""
        if not len(images):
            return np.zeros((0, self.num_classes), np.float32)
        return self.scores.logits(self._rows(images))[:, self._columns]

    def _rows(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        rows = self.network.outputs(images)
        flat = rows.reshape(len(rows), -1)
        if len(rows) != len(images) or flat.shape[1] != max(rows.shape[1:], default=0):
            raise NotTheseClassesError(
                f"{self.facts.where} gives {list(rows.shape)} where a row of class scores a photo is needed"
            )
        return flat.astype(np.float32)
