"""A fixed teacher (inference only) in an .onnx, a .tflite or a SavedModel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.formats.pixels import Feed
from edgekd.models.outputs import class_columns, judge_outputs
from edgekd.models.rebuild import PhotosAt
from edgekd.storage import digest
from edgekd.task import Task
from edgekd.teacher.network import BATCH, Network, layout_of, size_of
from edgekd.teacher.pixels import pixels_of
from edgekd.teacher.settings import Kind, TeacherFile


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
        network = _open(settings)
        self.facts = facts = network.facts
        if facts.crop is not None and facts.crop != crop:
            raise ModelError(
                f'{facts.where} was made for crop = "{facts.crop}", and the photos here are cropped by "{crop}". Set '
                f'crop = "{facts.crop}" in [data]'
            )
        self._network, self.settings = network, settings
        self.layout = layout_of(facts, settings)
        self._size = size_of(facts, self.layout, settings)
        self.pixels = pixels_of(settings, facts.pixels, facts.where, channels=settings.channels, sealed=facts.sealed)
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
        # In parts, because the floats of all images at once may be many times their bytes.
        size = max(BATCH, self.facts.batch or 1)
        parts = [self._network.run(self._input(images[i : i + size])) for i in range(0, len(images), size)]
        rows = np.concatenate(parts)
        flat = rows.reshape(len(rows), -1)
        if len(rows) != len(images) or flat.shape[1] != max(rows.shape[1:], default=0):
            raise ModelError(
                f"{self.facts.where} gives {list(rows.shape)} where a row of class scores a photo is needed"
            )
        return flat.astype(np.float32)

    def _input(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        facts = self.facts
        return Feed(self.pixels, facts.dtype, facts.scale, facts.zero_point, self.layout)(images)


def _open(settings: TeacherFile) -> Network:
    path = Path(settings.model)
    opener = _OPENERS.get(settings.kind)
    if opener is None:
        raise ModelError(f"{settings.model} is not an .onnx, a .tflite or a SavedModel directory")
    return opener(path, settings)


def _onnx(path: Path, settings: TeacherFile) -> Network:
    from edgekd.teacher.onnx_network import OnnxNetwork

    return OnnxNetwork(path, settings)


def _tflite(path: Path, settings: TeacherFile) -> Network:
    from edgekd.teacher.tflite_network import TfliteNetwork

    return TfliteNetwork(path, settings)


def _saved_model(path: Path, settings: TeacherFile) -> Network:
    from edgekd.teacher.saved_model_network import SavedModelNetwork

    return SavedModelNetwork(path, settings)


_OPENERS: dict[Kind, Callable[[Path, TeacherFile], Network]] = {
    "onnx": _onnx,
    "tflite": _tflite,
    "savedmodel": _saved_model,
}
