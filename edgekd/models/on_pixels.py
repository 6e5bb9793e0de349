"""The user's Keras classifier, teacher or student, as a flat model of pixels 0..255 at a fixed size, to logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from edgekd.models.logits import apply_squash, logits_model, onto
from edgekd.models.pixel_range import affine_layers
from edgekd.models.rebuild import PhotosAt, check_rebuilt
from edgekd.quiet import import_keras
from edgekd.task import Task


def on_pixels(
    original: Any,
    where: str,
    size: tuple[int, int],
    pixels: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
    photos: PhotosAt,
    name: str | None = None,
    task: Task | None = "single-label",
) -> Any:
    """A classifier as a model of pixels 0..255 [N, *size, 3] to logits of its own classes.

    Args:
        original: a functional or `Sequential` Keras model of one RGB image.
        where: what an error calls it.
        size: (height, width) in pixels.
        pixels: makes of pixels 0..255 what ``original`` takes.
        photos: real ones, on which the outputs must be those of ``original``.
        task: whose activation is taken off, as in `logits_model`.
        name: of the new model; if None that of ``original``, which is given back where it is such a model already.

    Raises:
        ModelError: where its end is not a classifier's, its pixels are not affine, or its outputs differ.
    """
    import_keras()
    import keras

    model, first = logits_model(original, where, task), affine_layers(pixels)
    if name is None and model is original and not first and tuple(model.input_shape[1:3]) == size:
        return original
    image = keras.Input((*size, 3), name="image")
    network = keras.Model(image, onto(model, image, first), name=name or model.name)
    check_rebuilt(original, network, photos(size), where, fed=pixels, finish=apply_squash(original, where))
    return network
