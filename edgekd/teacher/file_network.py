"""The network in an .onnx, a .tflite or a SavedModel, fed with photos: whatever it gives, a row a photo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.formats.pixels import Feed
from edgekd.teacher.files import Kind, TeacherFile
from edgekd.teacher.network import BATCH, Network, layout_of, size_of
from edgekd.teacher.pixels import pixels_of


class FileNetwork:
    """Images uint8 RGB [N, H, W, 3] of ``size`` to the raw outputs [N, ...] of a file."""

    def __init__(self, settings: TeacherFile, crop: str = "whole") -> None:
        """Open the file; ``crop`` is the part of a photo that the images show.

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
        self.size = size_of(facts, self.layout, settings)
        self.pixels = pixels_of(settings, facts.pixels, facts.where, channels=settings.channels, sealed=facts.sealed)

    def outputs(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Raw outputs [N, ...] of one image or more."""
        # In parts, because the floats of all images at once may be many times their bytes.
        size = max(BATCH, self.facts.batch or 1)
        parts = [self._network.run(self._input(images[i : i + size])) for i in range(0, len(images), size)]
        return np.concatenate(parts)

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
