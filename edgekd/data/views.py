"""Augmented views of a photo as a pure function of its content, a seed and a number, at any resolution."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from edgekd.errors import UsageError
from edgekd.preprocess import Pixels, Preprocessing, check_pixels, crop_box, resample, resize

_UNIT = 256
_MIDDLE = 128


class ViewPolicy(BaseModel):
    """How views are drawn; view 0 is always the photo itself.

    ``crop_scale`` is the range of the area kept, ``brightness`` and ``contrast`` the largest change of a factor of 1,
    ``rotation_deg`` the largest turn either way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    views: int = Field(default=4, ge=1, le=64)
    crop_scale: tuple[float, float] = (0.7, 1.0)
    flip: bool = True
    brightness: float = Field(default=0.2, ge=0, lt=1)
    contrast: float = Field(default=0.2, ge=0, lt=1)
    rotation_deg: float = Field(default=0.0, ge=0, le=45)

    @model_validator(mode="after")
    def _check_scale(self) -> ViewPolicy:
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"crop_scale must be 0 < low <= high <= 1, got {low} and {high}")
        return self


@dataclass(frozen=True)
class View:
    """One view: ``box`` is left, top, right, bottom as fractions of the part of the photo that the model is shown.

    ``brightness`` and ``contrast`` are factors in 1/256; contrast is about the level 128.
    """

    number: int
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    flip: bool = False
    brightness: int = _UNIT
    contrast: int = _UNIT
    rotation_deg: float = 0.0


def draw_view(policy: ViewPolicy, seed: int, sample_sha256: str, number: int) -> View:
    """View ``number`` of a photo: always the same for the same arguments, on every machine. Raises UsageError."""
    if not 0 <= number < policy.views:
        raise UsageError(f"view {number} of {policy.views} was asked for; they are numbered from 0")
    if number == 0:
        return View(0)
    key = hashlib.sha256(f"{seed}/{sample_sha256}/{number}".encode()).digest()
    # Raw draws, because only these are promised to stay the same in later versions of numpy.
    raw = np.random.PCG64(int.from_bytes(key[:16], "little")).random_raw(7)
    area, across, down, flip, bright, contrast, turn = ((raw >> np.uint64(11)) * 2.0**-53).tolist()
    low, high = policy.crop_scale
    side = math.sqrt(low + (high - low) * area)
    left, top = across * (1 - side), down * (1 - side)
    return View(
        number=number,
        box=(left, top, left + side, top + side),
        flip=policy.flip and flip < 0.5,
        brightness=round(_UNIT * (1 + policy.brightness * (2 * bright - 1))),
        contrast=round(_UNIT * (1 + policy.contrast * (2 * contrast - 1))),
        rotation_deg=policy.rotation_deg * (2 * turn - 1),
    )


def render(pixels: Pixels, view: View, preprocessing: Preprocessing) -> Pixels:
    """A view of decoded pixels uint8 [H, W, 3] at the model's size; view 0 is ``preprocess.resize``. Raises DataError.

    The cut is made in whole pixels of the photo, so that models of different input sizes see the same part of it.
    """
    if view.number == 0:
        return resize(pixels, preprocessing)
    check_pixels(pixels)
    left, top, width, height = crop_box(pixels.shape[1], pixels.shape[0], preprocessing)
    x0, x1 = _cut(view.box[0], view.box[2], width)
    y0, y1 = _cut(view.box[1], view.box[3], height)
    small = resample(
        _turned(pixels, view)[top + y0 : top + y1, left + x0 : left + x1], preprocessing.height, preprocessing.width
    )
    if view.flip:
        small = small[:, ::-1]
    seen: Pixels = levels(view.brightness, view.contrast)[small]
    return seen


def levels(brightness: int, contrast: int) -> Pixels:
    """The table [256] from a level to what a view makes of it: brightness, then contrast about 128, in 1/256."""
    value = np.clip((np.arange(256) * brightness + 128) >> 8, 0, 255)
    table: Pixels = np.clip(_MIDDLE + (((value - _MIDDLE) * contrast + 128) >> 8), 0, 255).astype(np.uint8)
    return table


def _cut(low: float, high: float, size: int) -> tuple[int, int]:
    start = min(int(low * size + 0.5), size - 1)
    return start, max(start + 1, min(size, int(high * size + 0.5)))


def _turned(pixels: Pixels, view: View) -> Pixels:
    if view.rotation_deg == 0:
        return pixels
    turned = Image.fromarray(pixels).rotate(
        view.rotation_deg, Image.Resampling.BILINEAR, fillcolor=(_MIDDLE, _MIDDLE, _MIDDLE)
    )
    return np.asarray(turned)
