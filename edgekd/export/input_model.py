"""The Keras model to export: loaded, at a fixed input size, taking pixel values 0..255."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from edgekd.errors import ModelError, UsageError
from edgekd.foreign.options import PIXEL_HINT, PixelOptions
from edgekd.models.load import load_model
from edgekd.models.pixel_evidence import find_pixel_evidence
from edgekd.models.rebuild import PhotosAt
from edgekd.quiet import import_keras


def load_input_model(
    path: str | os.PathLike[str],
    *,
    input_size: int | None = None,
    pixels: PixelOptions | None = None,
    photos: PhotosAt | None = None,
) -> Any:
    """Load a Keras file as a model of pixel values 0..255 [N, H, W, 3] at a fixed size.

    Args:
        path: The file; ``FILE.keras@64`` sets the input size too.
        input_size: Height and width in pixels, for a model that takes any size.
        pixels: The pixel values that the model takes; by default those that its first layers show.
        photos: Real ones, on which a model of half precision is compared with its float32 form.

    Returns:
        A Keras model. Raises ModelError if the size or the pixel values are unknown.
    """
    file, size = _split_size(os.fspath(path))
    if size is not None and input_size not in (None, size):
        raise UsageError(f"{path} says {size} pixels and --input-size {input_size}. Give one of them")
    _check_file(file)
    model = load_model(file, photos)
    return prepare_input(model, file.name, input_size=input_size or size, pixels=pixels)


def prepare_input(model: Any, where: str, *, input_size: int | None = None, pixels: PixelOptions | None = None) -> Any:
    """Fix the input size of ``model`` and put its pixel range into the graph. Raises ModelError naming ``where``."""
    from edgekd.models.pixel_range import affine_layers
    from edgekd.quantize.model_ending import call

    import_keras()
    import keras

    height, width = _input_size(model, where, input_size)
    pixels = pixels or PixelOptions()
    if pixels.pixel_range is None and find_pixel_evidence(model) is None:
        raise ModelError(
            f"{where}: which pixel values does it take? Its first layers do not show that they are 0..255. {PIXEL_HINT}"
        )
    first = affine_layers(pixels) if pixels.pixel_range is not None else []
    if not first and tuple(model.inputs[0].shape[1:3]) == (height, width):
        return model
    x = image = keras.Input((height, width, 3), name="image")
    for layer in first:
        x = layer(x)
    return keras.Model(image, call(model, x), name=model.name)


def _split_size(text: str) -> tuple[Path, int | None]:
    name, _, size = text.rpartition("@")
    if name and size.isdecimal() and not Path(text).exists():
        return Path(name), int(size)
    return Path(text), None


def _check_file(path: Path) -> None:
    if (path / "saved_model.pb").is_file():
        raise ModelError(
            f"{path} is a SavedModel, which has no Keras layers to convert. Save the Keras model that it was made "
            "from: model.save('model.keras'), and export that"
        )


def _input_size(model: Any, where: str, input_size: int | None) -> tuple[int, int]:
    inputs = getattr(model, "inputs", None) or []
    shapes = [tuple(tensor.shape) for tensor in inputs]
    if len(inputs) != 1:
        raise ModelError(
            f"{where} has {len(inputs)} inputs: {', '.join(map(str, shapes))}. An image classifier has one, an image "
            "[None, height, width, 3]"
        )
    if len(shapes[0]) != 4 or shapes[0][3] != 3:
        raise ModelError(f"{where} takes {list(shapes[0])}, not RGB images [None, height, width, 3]")
    sizes = shapes[0][1:3]
    if None in sizes:
        if input_size is None:
            raise ModelError(f"{where} takes images of any size. Say which: --input-size 96 (or {where}@96)")
        return sizes[0] or input_size, sizes[1] or input_size
    if input_size is not None and (input_size, input_size) != sizes:
        raise ModelError(f"{where} takes {sizes[0]} x {sizes[1]} pixels, not {input_size}. Leave --input-size out")
    return sizes
