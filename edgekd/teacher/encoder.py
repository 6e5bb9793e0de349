"""An encoder: a network that turns photos into vectors, on which a head for the user's classes is fitted."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.rebuild import PhotosAt
from edgekd.storage import digest, sha256_file
from edgekd.teacher.file_network import FileNetwork
from edgekd.teacher.files import TeacherFile, as_encoder

Features = npt.NDArray[np.float32]
# What float16, in which features are stored, holds with its full precision.
_LARGEST, _SMALLEST = 6e4, 6e-5


class Encoder(Protocol):
    """Images uint8 RGB [N, H, W, 3] to features float32 [N, D]; ``key`` changes when the features may."""

    @property
    def dimensions(self) -> int:
        """D, the length of a photo's vector."""

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the images it takes."""

    @property
    def key(self) -> str:
        """Hash of everything that decides its features."""

    def features(self, images: npt.NDArray[np.uint8]) -> Features:
        """Features float32 [N, D] of images uint8 [N, H, W, 3]."""


class FileEncoder:
    """An encoder in an .onnx, a .tflite or a SavedModel.

    Its output is a vector a photo [N, D], feature maps, whose mean over all places is taken, or tokens [N, T, D], whose
    mean is taken.
    """

    def __init__(self, settings: TeacherFile, photos: PhotosAt, crop: str = "whole") -> None:
        """Open the file and look at its output for ``photos``; ``crop`` is the part of a photo that they show.

        Raises ModelError naming the key of [teacher] to add or correct; ArtifactError where the file is damaged.
        """
        self.network = network = FileNetwork(as_encoder(settings), crop)
        self.facts, self.settings = network.facts, network.settings
        images = photos(network.size)
        outputs = network.outputs(images)
        self.pooling = pooling_of(outputs.shape, network, len(images))
        rows = _pool(outputs, self.pooling)
        check_features(rows, self.facts.where)
        self._dimensions = int(rows.shape[1])

    @property
    def dimensions(self) -> int:
        """D, the length of a photo's vector."""
        return self._dimensions

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.network.size

    @property
    def key(self) -> str:
        """Hash of the file and of its settings."""
        options = self.settings.model_dump(mode="json", exclude={"model", "classes"})
        return digest([self.facts.key, options, self.pooling])

    def features(self, images: npt.NDArray[np.uint8]) -> Features:
        """Features float32 [N, D] of images uint8 [N, H, W, 3] of its ``input_size``."""
        if not len(images):
            return np.zeros((0, self.dimensions), np.float32)
        rows = _pool(self.network.outputs(images), self.pooling)
        if rows.shape != (len(images), self.dimensions):
            raise ModelError(f"{self.facts.where} gives {list(rows.shape)} for {len(images)} photos")
        return rows


class KerasEncoder:
    """A Keras classifier of pixel values 0..255 without its last dense layer."""

    def __init__(self, model: Any, key: str | None = None, path: Path | None = None) -> None:
        """Cut ``model``, of the file ``path`` with the hash ``key``.

        Raises ModelError where it does not end in a dense layer.
        """
        from edgekd.teacher.transfer import before_head

        self.model, self.path = before_head(model), path
        self._key = key or _weights_hash(self.model)

    @property
    def dimensions(self) -> int:
        """D, the length of a photo's vector."""
        return int(self.model.output_shape[-1])

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return int(self.model.input_shape[1]), int(self.model.input_shape[2])

    @property
    def key(self) -> str:
        """Hash of the network."""
        return self._key

    def features(self, images: npt.NDArray[np.uint8]) -> Features:
        """Features float32 [N, D] of images uint8 [N, H, W, 3]."""
        from edgekd.training.loop import logits_of

        if not len(images):
            return np.zeros((0, self.dimensions), np.float32)
        return np.asarray(logits_of(self.model, images), np.float32)


def open_encoder(settings: TeacherFile, photos: PhotosAt, crop: str = "whole") -> Encoder:
    """The encoder in an .onnx, a .tflite, a SavedModel or a .keras classifier, which is cut before its last layer.

    Args:
        settings: The file, and what it does not say: pixel values, size, layout, which output.
        photos: A few real photos at any size, uint8 [N, H, W, 3], by whose features it is checked.
        crop: The part of a photo that they show.

    Raises:
        ModelError: A key of [teacher] is missing or does not fit, or the features are the same for every photo.
        ArtifactError: The file is damaged.
    """
    if settings.kind != "keras":
        return FileEncoder(settings, photos, crop)
    from edgekd.teacher.keras_teacher import load_bare_network

    model = load_bare_network(settings, photos, None)
    path, options = Path(settings.model), settings.model_dump(mode="json", exclude={"model", "classes"})
    encoder = KerasEncoder(model, digest([sha256_file(path), options]), path)
    check_features(encoder.features(photos(encoder.input_size)), settings.model)
    return encoder


def keras_encoder(model: Any) -> Encoder:
    """A Keras classifier of pixel values 0..255, cut before its last dense layer.

    Raises ModelError where it does not end in one.
    """
    return KerasEncoder(model)


Pooling = Literal["vector", "tokens", "maps, channels last", "maps, channels first"]


def pooling_of(shape: tuple[int, ...], network: FileNetwork, photos: int) -> Pooling:
    """How an output of ``shape`` for so many photos becomes a row a photo. Raises ModelError where it can't."""
    where, sizes = network.facts.where, list(shape)
    if shape[0] != photos or len(shape) not in (2, 3, 4):
        raise ModelError(
            f"{where} gives {sizes} for {photos} photos; an encoder gives a vector [N, D], feature maps or tokens "
            "[N, T, D]"
        )
    if len(shape) == 2:
        return "vector"
    if len(shape) == 3:
        return "tokens"
    last, first = (_is_grid(shape[axis : axis + 2], network.size) for axis in (1, 2))
    # Where either could be the grid, a network has its maps as it has its input.
    channels_last = last if last != first else network.layout == "nhwc"
    return "maps, channels last" if channels_last else "maps, channels first"


def check_features(rows: Features, where: str) -> None:
    """Raises ModelError for features [N, D] of real photos that are useless or that float16 can't hold."""
    if rows.shape[1] < 2:
        raise ModelError(f"{where} gives one number a photo; an encoder gives a vector")
    if not np.isfinite(rows).all():
        raise ModelError(f"{where} gives NaN or infinity. Check [teacher] pixel_range, mean and std")
    if len(rows) > 1 and not (np.ptp(rows, axis=0) > 0).any():
        raise ModelError(
            f"{where} gives the same vector for {len(rows)} different photos. Check [teacher] pixel_range, mean and "
            "std, and that output names its features"
        )
    largest = float(np.abs(rows).max())
    if not _SMALLEST < largest < _LARGEST:
        raise ModelError(
            f"{where} gives features of up to {largest:.3g}; they are stored as half floats, which hold {_SMALLEST:g} "
            f"to {_LARGEST:g}. Export it with its output multiplied by a constant"
        )


def _pool(outputs: npt.NDArray[Any], pooling: Pooling) -> Features:
    axes = {"vector": (), "tokens": (1,), "maps, channels last": (1, 2), "maps, channels first": (2, 3)}[pooling]
    rows = np.asarray(outputs, np.float32)
    return rows.mean(axis=axes, dtype=np.float32) if axes else rows


def _is_grid(sides: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Whether (height, width) of maps have the proportions of the input, to within a place."""
    return abs(sides[0] * size[1] - sides[1] * size[0]) <= max(size) and max(sides) <= max(size)


def _weights_hash(model: Any) -> str:
    total = hashlib.sha256(repr([layer.name for layer in model.layers]).encode())
    for value in model.get_weights():
        total.update(np.ascontiguousarray(value).tobytes())
    return total.hexdigest()
