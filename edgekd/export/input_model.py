"""The Keras model to export: loaded, at a fixed input size, taking pixel values 0..255."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.errors import ModelError, UsageError
from edgekd.models.load import load_model
from edgekd.models.pixel_evidence import find_pixel_evidence
from edgekd.models.rebuild import PhotosAt
from edgekd.quiet import import_keras

Three = tuple[float, float, float]
_OPTIONS = (
    "Add --pixel-range 0,1 (or -1,1, or 0,255: what black and white become), and with it --mean and --std where the "
    "channels were normalized (torchvision's networks: --pixel-range 0,1 --mean 0.485,0.456,0.406 "
    "--std 0.229,0.224,0.225)"
)


@dataclass(frozen=True)
class PixelOptions:
    """What the model takes: black and white become ``pixel_range``, then ``(x - mean) / std`` per channel.

    Raises UsageError for values that do not go together.
    """

    pixel_range: tuple[float, float] | None = None
    mean: Three | None = None
    std: Three | None = None

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.std is None):
            raise UsageError("--mean and --std go together: give both, three numbers each, or neither")
        if self.mean is not None and self.pixel_range is None:
            raise UsageError("--mean and --std need --pixel-range: add 0,1 (torchvision's means) or 0,255")
        if self.std is not None and min(self.std) <= 0:
            raise UsageError(f"--std must be above 0, got {','.join(map(str, self.std))}")
        if self.pixel_range is not None and self.pixel_range[0] == self.pixel_range[1]:
            raise UsageError("--pixel-range takes two different numbers, what black and white become, such as 0,1")

    def __call__(self, pixels: Any) -> Any:
        """Values float [..., 3] that the model takes for pixels 0..255 [..., 3]."""
        low, high = self.pixel_range or (0.0, 255.0)
        values = np.asarray(pixels, np.float64) * ((high - low) / 255) + low
        return values if self.mean is None else (values - np.asarray(self.mean)) / np.asarray(self.std)


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
    from edgekd.quantize.float_model import call

    import_keras()
    import keras

    height, width = _input_size(model, where, input_size)
    pixels = pixels or PixelOptions()
    if pixels.pixel_range is None and find_pixel_evidence(model) is None:
        raise ModelError(
            f"{where}: which pixel values does it take? Its first layers do not show that they are 0..255. {_OPTIONS}"
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
