"""A teacher that is a Keras model: one that edgekd trained, or the user's .keras file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.load import load_model
from edgekd.models.logits import logits_from_outputs, logits_model
from edgekd.models.on_pixels import on_pixels
from edgekd.models.outputs import class_columns
from edgekd.models.pixel_evidence import find_pixel_evidence
from edgekd.models.rebuild import PhotosAt
from edgekd.storage import sha256_file
from edgekd.task import Task
from edgekd.teacher.files import TeacherFile
from edgekd.teacher.network import resolve_size
from edgekd.teacher.pixels import Pixels, pixels_of
from edgekd.training.loop import logits_of

CLASSES_BY_NAME = "classes_by_name"
"""Name of the layer that puts a file's classes in the order of the data's."""


class KerasTeacher:
    """Images uint8 [N, H, W, 3] to logits float32 [N, C], by a model that takes pixel values 0..255."""

    def __init__(self, model: Any, key: str, path: Path | None = None) -> None:
        self.model, self._key, self.path = model, key, path

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return int(self.model.output_shape[-1])

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return int(self.model.input_shape[1]), int(self.model.input_shape[2])

    @property
    def key(self) -> str:
        """Hash of the file that it was loaded from."""
        return self._key

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits float32 [N, C]."""
        return logits_of(self.model, images)


def open_teacher(path: Path) -> KerasTeacher:
    """A teacher that edgekd trained, from its .keras file."""
    return KerasTeacher(load_model(path), sha256_file(path), path)


def adopt(settings: TeacherFile, classes: tuple[str, ...], photos: PhotosAt, task: Task = "single-label") -> Any:
    """The user's .keras classifier as a model of pixels 0..255 to logits in the order of ``classes``.

    Where its layers do not show whether it gives probabilities, its outputs for ``photos`` do.

    Raises ModelError naming the key of [teacher] that is missing or does not fit.
    """
    import keras

    model = load_bare_network(settings, photos, task)
    images = photos((int(model.input_shape[1]), int(model.input_shape[2])))
    model = logits_from_outputs(model, logits_of(model, images), settings.model, task)
    columns = class_columns(settings.classes, classes, int(model.output_shape[-1]), settings.model)
    x = model.output
    if columns.tolist() != list(range(model.output_shape[-1])):
        pick = keras.layers.Dense(len(classes), use_bias=False, trainable=False, name=CLASSES_BY_NAME)
        x = pick(x)
        pick.set_weights([np.eye(model.output_shape[-1], dtype=np.float32)[:, columns]])
    return keras.Model(model.inputs, x, name="teacher")


def load_bare_network(settings: TeacherFile, photos: PhotosAt, task: Task | None = "single-label") -> Any:
    """A .keras file's network as a flat model of pixels 0..255 at a fixed size, to logits of its own classes.

    ``task`` is as in `edgekd.models.logits.logits_model`.

    Its outputs for ``photos`` are those of the file's model, or it is refused.

    Raises ModelError where its size or its pixels are unknown, or it ends in something else.
    """
    where = settings.model
    original = load_model(Path(where), photos)
    model = logits_model(original, where, task)
    if len(model.input_shape) != 4 or model.input_shape[3] != 3 or settings.layout == "nchw":
        raise ModelError(f"{where} takes {model.input_shape}; a .keras teacher takes RGB images, channels last")
    if settings.output is not None:
        raise ModelError(f"{where} has one output. Remove output from [teacher]")
    size = resolve_size(model.input_shape[1], model.input_shape[2], settings, where)
    evidence = find_pixel_evidence(model)
    shown = None if evidence is None else Pixels(source=evidence)
    return on_pixels(
        original, where, size, pixels_of(settings, shown, where, channels=settings.channels), photos, "teacher", task
    )
