"""Which pixel values a network takes: what the recipe says, else its file."""

from __future__ import annotations

from typing import Literal

import numpy as np

from edgekd.errors import ModelError
from edgekd.formats.pixels import Pixels as Pixels
from edgekd.formats.pixels import of_mean_std as of_mean_std
from edgekd.formats.pixels import three_of
from edgekd.models.pixel_settings import PixelSettings

_HOW = (
    "Add to [{section}]: pixel_range = [0, 1] (or [-1, 1], or [0, 255]: what black and white become), and with it mean "
    "and std where channels are normalized (torchvision's networks: pixel_range = [0, 1], mean = [0.485, 0.456, 0.406],"
    " std = [0.229, 0.224, 0.225])"
)


def pixels_of(
    settings: PixelSettings,
    shown: Pixels | None,
    where: str,
    *,
    channels: Literal["rgb", "bgr"] | None = None,
    sealed: bool = False,
    section: str = "teacher",
    hint: str | None = None,
    source: str = "the recipe",
) -> Pixels:
    """What the recipe's ``section`` says, else ``shown``, which the network shows; a ``sealed`` file decides by itself.

    ``channels`` is their order where the recipe says it. Outside a recipe ``hint`` is what to add, and ``source`` says
    where it was said. Raises ModelError naming the key to add where neither says, or
    to remove where it contradicts a sealed file.
    """
    bgr = channels == "bgr" or (channels is None and shown is not None and shown.bgr)
    if settings.pixel_range is None:
        if shown is None:
            how = hint or _HOW.format(section=section)
            raise ModelError(f"{where}: which pixel values does it expect? Nothing in it says so. {how}")
        return Pixels(shown.scale, shown.shift, bgr, shown.source)
    low, high = settings.pixel_range
    mean, std = (np.asarray(v, np.float64) for v in (settings.mean or (0.0,) * 3, settings.std or (1.0,) * 3))
    stated = Pixels(three_of((high - low) / 255 / std), three_of((low - mean) / std), bgr, source)
    if sealed and shown is not None and (stated.scale, stated.shift) != (shown.scale, shown.shift):
        raise ModelError(f"{where}: {shown.source}. Remove pixel_range, mean and std from [{section}]")
    return stated
