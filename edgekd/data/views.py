"""Augmented views of a photo as a pure function of its content, a seed and a number, at any resolution."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from edgekd.data.views_colour import MIDDLE, UNIT, levels, recolour
from edgekd.data.views_mix import MixPolicy
from edgekd.data.views_ops import Op, RandAugment, apply_ops, draw_ops, histogram_for
from edgekd.errors import UsageError
from edgekd.preprocess import Pixels, Preprocessing, check_pixels, crop_box, resample, resize
from edgekd.section import Section

_MOST_PLAIN = 16


class ViewPolicy(Section):
    """How photos are augmented. View 0 is the photo itself; the teacher labels every view, which is stored once."""

    LATER: ClassVar[tuple[str, ...]] = ("zoom", "shift", "hue_deg", "saturation", "randaugment", "mix", "base_px")

    views: int = Field(default=4, ge=1, le=10_000)
    """Views per photo, cycled through the epochs. With as many views as epochs, none is seen twice."""
    crop_scale: tuple[float, float] = (0.7, 1.0)
    """Smallest and largest area of a random crop, as shares of the photo."""
    flip: bool = True
    """Mirror half of the views left to right. Switch it off where left and right matter, as for signs and text."""
    brightness: float = Field(default=0.2, ge=0, lt=1)
    """Largest change of the brightness factor: 0.2 draws factors from 0.8 to 1.2."""
    contrast: float = Field(default=0.2, ge=0, lt=1)
    """Largest change of the contrast factor: 0.2 draws factors from 0.8 to 1.2."""
    rotation_deg: float = Field(default=0.0, ge=0, le=45)
    """Largest rotation to either side, in degrees; uncovered corners are grey."""
    zoom: float = Field(default=0.0, ge=0, le=0.5)
    """Largest change of the crop's size, as a share of it; what lies outside the photo is grey."""
    shift: float = Field(default=0.0, ge=0, le=0.5)
    """Largest shift of the crop in either direction, as a share of its side; what lies outside the photo is grey."""
    hue_deg: float = Field(default=0.0, ge=0, le=180)
    """Largest turn of the hue to either side, in degrees."""
    saturation: float = Field(default=0.0, ge=0, le=1)
    """Largest change of the saturation factor: 0.3 draws factors from 0.7 to 1.3."""
    randaugment: RandAugment = RandAugment()
    """RandAugment, after the changes above."""
    mix: MixPolicy = MixPolicy()
    """Mixup and cutmix."""
    base_px: int | None = Field(default=None, ge=32, examples=[512])
    """Shorter side, in pixels, to which larger photos are reduced before augmented views are rendered.

    Views of large photos cost far less then. View 0 is not affected. Unset, photos keep their size.
    """

    @model_validator(mode="after")
    def _check_scale(self) -> ViewPolicy:
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"crop_scale must be 0 < low <= high <= 1, got {low} and {high}")
        return self

    def plain(self) -> ViewPolicy:
        """The views that a head is fitted to and a teacher fine-tuned on: of one photo each, the first 16 at most."""
        return self.model_copy(update={"mix": MixPolicy(), "views": min(self.views, _MOST_PLAIN)})


@dataclass(frozen=True)
class View:
    """One view: ``box`` is left, top, right, bottom as fractions of the part of the photo that the model is shown.

    ``brightness``, ``contrast`` and ``saturation`` are factors in 1/256; contrast is about the level 128. The ``box``
    may reach out of the photo.
    """

    number: int
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    flip: bool = False
    brightness: int = UNIT
    contrast: int = UNIT
    rotation_deg: float = 0.0
    hue_deg: int = 0
    saturation: int = UNIT
    ops: tuple[Op, ...] = ()


def draw_view(policy: ViewPolicy, seed: int, sample_sha256: str, number: int) -> View:
    """View ``number`` of a photo: always the same for the same arguments, on every machine. Raises UsageError."""
    if not 0 <= number < policy.views:
        raise UsageError(f"view {number} of {policy.views} was asked for; they are numbered from 0")
    if number == 0:
        return View(0)
    key = hashlib.sha256(f"{seed}/{sample_sha256}/{number}".encode()).digest()
    # Raw draws, because only these are promised to stay the same in later versions of numpy. New ones are added at the
    # end, so that the others stay what they were.
    raw = np.random.PCG64(int.from_bytes(key[:16], "little")).random_raw(12 + 2 * policy.randaugment.ops)
    draws = ((raw >> np.uint64(11)) * 2.0**-53).tolist()
    area, across, down, flip, bright, contrast, turn, zoom, right, below, hue, vivid = draws[:12]
    low, high = policy.crop_scale
    side = math.sqrt(low + (high - low) * area)
    left, top = across * (1 - side), down * (1 - side)
    if policy.zoom or policy.shift:
        unzoomed, side = side, side / (1 + policy.zoom * (2 * zoom - 1))
        left += (unzoomed - side) / 2 + side * policy.shift * (2 * right - 1)
        top += (unzoomed - side) / 2 + side * policy.shift * (2 * below - 1)
    return View(
        number=number,
        box=(left, top, left + side, top + side),
        flip=policy.flip and flip < 0.5,
        brightness=round(UNIT * (1 + policy.brightness * (2 * bright - 1))),
        contrast=round(UNIT * (1 + policy.contrast * (2 * contrast - 1))),
        rotation_deg=policy.rotation_deg * (2 * turn - 1),
        hue_deg=round(policy.hue_deg * (2 * hue - 1)),
        saturation=round(UNIT * (1 + policy.saturation * (2 * vivid - 1))),
        ops=draw_ops(policy.randaugment, draws[12:]),
    )


def render(pixels: Pixels, view: View, preprocessing: Preprocessing) -> Pixels:
    """A view of decoded pixels uint8 [H, W, 3] at the model's size; view 0 is ``preprocess.resize``. Raises DataError.

    The cut is made in whole pixels of the photo, so that models of different input sizes see the same part of it.
    """
    if view.number == 0:
        return resize(pixels, preprocessing)
    check_pixels(pixels)
    left, top, width, height = crop_box(pixels.shape[1], pixels.shape[0], preprocessing)
    columns, rows = _pixel_range(view.box[0], view.box[2], width), _pixel_range(view.box[1], view.box[3], height)
    part = _part(_rotate(pixels, view)[top : top + height, left : left + width], rows, columns)
    small = resample(part, preprocessing.height, preprocessing.width)
    if view.flip:
        small = small[:, ::-1]
    small = recolour(levels(view.brightness, view.contrast)[small], view.hue_deg, view.saturation)
    return apply_ops(small, view.ops, histogram_for(view.ops, part))


def reduce_to_base(pixels: Pixels, base_px: int | None) -> Pixels:
    """Pixels uint8 [H, W, 3] with the shorter side brought down to ``base_px``, as views but 0 are made of."""
    height, width = pixels.shape[:2]
    shorter = min(height, width)
    if base_px is None or shorter <= base_px:
        return pixels
    return resample(pixels, *((2 * side * base_px + shorter) // (2 * shorter) for side in (height, width)))


def _pixel_range(low: float, high: float, size: int) -> tuple[int, int]:
    start = min(math.floor(low * size + 0.5), size - 1)
    return start, max(start + 1, 1, math.floor(high * size + 0.5))


def _part(photo: Pixels, rows: tuple[int, int], columns: tuple[int, int]) -> Pixels:
    """Rows and columns of the photo; what is out of it is grey."""
    (y0, y1), (x0, x1) = rows, columns
    height, width = photo.shape[:2]
    inside = photo[max(0, y0) : y1, max(0, x0) : x1]
    if y0 >= 0 and x0 >= 0 and y1 <= height and x1 <= width:
        return inside
    part: Pixels = np.full((y1 - y0, x1 - x0, 3), MIDDLE, np.uint8)
    top, left = max(0, -y0), max(0, -x0)
    part[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return part


def _rotate(pixels: Pixels, view: View) -> Pixels:
    if view.rotation_deg == 0:
        return pixels
    rotated = Image.fromarray(pixels).rotate(
        view.rotation_deg, Image.Resampling.BILINEAR, fillcolor=(MIDDLE, MIDDLE, MIDDLE)
    )
    return np.asarray(rotated)
