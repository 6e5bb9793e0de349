"""From a photo's pixel values to what a network is fed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.pixel_settings import PixelSettings

_HOW = (
    "Add to [{section}]: pixel_range = [0, 1] (or [-1, 1], or [0, 255]: what black and white become), and with it mean "
    "and std where channels are normalized (torchvision's networks: pixel_range = [0, 1], mean = [0.485, 0.456, 0.406],"
    " std = [0.229, 0.224, 0.225])"
)
_Three = tuple[float, float, float]


@dataclass(frozen=True)
class Pixels:
    """A pixel 0..255 becomes ``scale * pixel + shift``, in the order of the network's own channels.

    ``source`` says where that is stated.
    """

    scale: _Three = (1.0, 1.0, 1.0)
    shift: _Three = (0.0, 0.0, 0.0)
    bgr: bool = False
    source: str = "the recipe"

    def __call__(self, rgb: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """float32 [..., 3] in the network's order, of RGB pixel values 0..255 [..., 3]."""
        channels = rgb[..., ::-1] if self.bgr else rgb
        scale, shift = (np.array(three, np.float32) for three in (self.scale, self.shift))
        fed: npt.NDArray[np.float32] = channels.astype(np.float32) * scale + shift
        return fed

    @property
    def untouched(self) -> bool:
        """Whether pixel values go in as they are."""
        return self.scale == (1.0, 1.0, 1.0) and self.shift == (0.0, 0.0, 0.0)


def of_mean_std(mean: npt.ArrayLike, std: npt.ArrayLike, source: str) -> Pixels:
    """``(pixel - mean) / std`` of pixel values 0..255, one number or three each."""
    means, stds = (np.broadcast_to(np.asarray(values, np.float64), (3,)) for values in (mean, std))
    return Pixels(_three(1 / stds), _three(-means / stds), source=source)


def pixels_of(
    settings: PixelSettings,
    shown: Pixels | None,
    where: str,
    *,
    channels: Literal["rgb", "bgr"] | None = None,
    sealed: bool = False,
    section: str = "teacher",
) -> Pixels:
    """What the recipe's ``section`` says, else ``shown``, which the network shows; a ``sealed`` file decides by itself.

    ``channels`` is their order where the recipe says it. Raises ModelError naming the key to add where neither says, or
    to remove where it contradicts a sealed file.
    """
    bgr = channels == "bgr" or (channels is None and shown is not None and shown.bgr)
    if settings.pixel_range is None:
        if shown is None:
            how = _HOW.format(section=section)
            raise ModelError(f"{where}: which pixel values does it expect? Nothing in it says so. {how}")
        return Pixels(shown.scale, shown.shift, bgr, shown.source)
    low, high = settings.pixel_range
    mean, std = (np.asarray(v, np.float64) for v in (settings.mean or (0.0,) * 3, settings.std or (1.0,) * 3))
    stated = Pixels(_three((high - low) / 255 / std), _three((low - mean) / std), bgr)
    if sealed and shown is not None and (stated.scale, stated.shift) != (shown.scale, shown.shift):
        raise ModelError(f"{where}: {shown.source}. Remove pixel_range, mean and std from [{section}]")
    return stated


def _three(values: npt.NDArray[np.float64]) -> _Three:
    first, second, third = (float(value) for value in values)
    return first, second, third
