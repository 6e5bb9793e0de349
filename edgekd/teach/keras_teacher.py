"""A teacher that is a Keras model, ours or the user's own .keras file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.quiet import import_keras
from edgekd.storage import sha256_file
from edgekd.teach.logits import logits_model, onto
from edgekd.teach.pixel_range import affine_layers
from edgekd.training.loop import logits_of

PixelRange = tuple[float, float]


class KerasTeacher:
    """Images uint8 [N, H, W, 3] to logits float32 [N, C], by a model that takes pixel values 0..255."""

    def __init__(self, model: Any, key: str) -> None:
        self.model, self._key = model, key

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


def load_model(path: Path) -> Any:
    """Load a .keras file without running code from it. Raises ModelError naming the file where that fails."""
    import_keras()
    import keras

    if not path.is_file():
        raise ModelError(f"{path} does not exist. Give the path of a .keras file.")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds on a foreign or damaged file.
        reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise ModelError(f"{path} cannot be loaded as a Keras 3 model: {reason}") from error


def open_teacher(path: Path) -> KerasTeacher:
    """A teacher that edgekd trained, from its .keras file."""
    return KerasTeacher(load_model(path), sha256_file(path))


def adopt(
    path: Path, own_classes: tuple[str, ...], classes: tuple[str, ...], pixel_range: PixelRange, input_size: int
) -> Any:
    """The user's .keras classifier as a model of pixels 0..255 to logits in the order of ``classes``.

    ``own_classes`` names its outputs in its own order; without ``classes`` they stay as they are. ``pixel_range`` is
    what it expects black and white to be; ``input_size`` (pixels) is used where the file leaves its input open.

    Raises ModelError where a class of the data is missing from it or its output does not fit ``own_classes``.
    """
    import keras

    model = logits_model(load_model(path), str(path))
    if classes and not own_classes:
        raise ModelError(
            f"{path}: which output is which class? Add to [teacher]: classes = [...], the names in the order of its "
            f"{model.output_shape[-1]} outputs (the data has {', '.join(classes)})"
        )
    if classes and model.output_shape[-1] != len(own_classes):
        raise ModelError(f"{path} has {model.output_shape[-1]} outputs, but [teacher] classes names {len(own_classes)}")
    missing = [name for name in classes if name not in own_classes]
    if missing:
        raise ModelError(
            f"{path} does not know the data's class {', '.join(missing)} (it knows {', '.join(own_classes)})"
        )
    height, width = (model.input_shape[1] or input_size), (model.input_shape[2] or input_size)
    image = keras.Input((height, width, 3), name="image")
    low, high = pixel_range
    x = onto(model, image, affine_layers(lambda pixels: low + pixels * ((high - low) / 255)))
    if own_classes != classes:
        pick = keras.layers.Dense(len(classes), use_bias=False, trainable=False, name="classes_by_name")
        x = pick(x)
        pick.set_weights([np.array([[float(a == b) for b in classes] for a in own_classes], np.float32)])
    return keras.Model(image, x, name="teacher")
