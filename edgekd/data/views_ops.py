"""RandAugment's operations, in a form that means the same at every resolution.

Source: Cubuk et al., arXiv:1909.13719 (section 3 has the 14 operations; their ranges are those of AutoAugment,
arXiv:1805.09501, table 6). Warps and the blur that sharpness is about are fractions of the view, where the papers count
pixels of 331 (150 of them, for a shift) and of ImageNet's 224; contrast is about the level 128, not the photo's mean;
tables of levels that depend on the photo are made of the photo's own pixels, so that the teacher and the student get
one and the same table. A larger magnitude changes more, for solarize and posterize too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from pydantic import Field

from edgekd.data.views_colour import MIDDLE, UNIT, levels, recolour
from edgekd.preprocess import Pixels
from edgekd.section import Section

Histogram = NDArray[np.int64]
_FROM_PHOTO = ("autocontrast", "equalize")
_WARPS = ("rotate", "shear_x", "shear_y", "shift_x", "shift_y")
# Name, and the amount at magnitude 10: tenths of a degree, thousandths, 1/256, levels or bits taken away.
_LARGEST = {
    "identity": 0, "autocontrast": 0, "equalize": 0, "rotate": 300, "solarize": 256, "posterize": 4, "saturation": 230,
    "contrast": 230, "brightness": 230, "sharpness": 230, "shear_x": 300, "shear_y": 300, "shift_x": 453,
    "shift_y": 453,
}  # fmt: skip
OPERATIONS = tuple(_LARGEST)
# Reach of the blur, in parts of the side: Pillow's own 3 x 3 smoothing spreads as far at 224 pixels.
_BLUR = 1 / 256


class RandAugment(Section):
    """RandAugment: random operations from a fixed list of 14, drawn with replacement."""

    ops: int = Field(default=0, ge=0, le=8)
    """Operations per view; 0 switches RandAugment off."""
    magnitude: int = Field(default=5, ge=0, le=10)
    """Strength of each operation, from 0 (none) to 10."""


@dataclass(frozen=True)
class Op:
    """One operation; ``amount`` in its own unit, signed where both ways are meant."""

    name: str
    amount: int


def draw_ops(policy: RandAugment, draws: Sequence[float]) -> tuple[Op, ...]:
    """Operations of two draws in 0..1 each: which, and which way."""
    ops = []
    for which, way in zip(draws[::2], draws[1::2], strict=True):
        name = OPERATIONS[int(which * len(OPERATIONS))]
        amount = (_LARGEST[name] * policy.magnitude + 5) // 10
        ops.append(Op(name, amount if name in ("solarize", "posterize") or way < 0.5 else -amount))
    return tuple(ops)


def histogram_for(ops: Sequence[Op], part: Pixels) -> Histogram | None:
    """Counts int64 [3, 256] of the part of the photo that a view shows; None where no operation looks at them."""
    if not any(op.name in _FROM_PHOTO for op in ops):
        return None
    counts = Image.fromarray(np.ascontiguousarray(part)).histogram()
    return np.asarray(counts, np.int64).reshape(3, 256)


def apply_ops(small: Pixels, ops: Sequence[Op], histogram: Histogram | None) -> Pixels:
    """The operations in their order on a view uint8 [H, W, 3]; ``histogram`` is followed through tables of levels."""
    for op in ops:
        if op.name in _WARPS:
            small = _warp(small, op)
        elif op.name == "saturation":
            small = recolour(small, 0, UNIT + op.amount)
        elif op.name == "sharpness":
            small = _sharpen(small, op.amount)
        elif op.name != "identity":
            table = _table(op, histogram)
            small = np.stack([table[channel][small[..., channel]] for channel in range(3)], axis=-1)
            if histogram is not None:
                histogram = np.stack(
                    [np.bincount(table[c], weights=histogram[c], minlength=256).astype(np.int64) for c in range(3)]
                )
    return small


def _table(op: Op, histogram: Histogram | None) -> Pixels:
    """A table [3, 256] of levels."""
    level = np.arange(256)
    if op.name == "brightness":
        table = levels(UNIT + op.amount, UNIT)
    elif op.name == "contrast":
        table = levels(UNIT, UNIT + op.amount)
    elif op.name == "solarize":
        table = np.where(level < 256 - op.amount, level, 255 - level).astype(np.uint8)
    elif op.name == "posterize":
        table = (level & (0xFF << op.amount)).astype(np.uint8)
    else:
        assert histogram is not None
        make = _autocontrast if op.name == "autocontrast" else _equalize
        return np.stack([make(counts) for counts in histogram])
    return np.stack([table] * 3)


def _autocontrast(counts: NDArray[np.int64]) -> Pixels:
    present = np.flatnonzero(counts)
    low, high = int(present[0]), int(present[-1])
    level = np.arange(256)
    if high <= low:
        return level.astype(np.uint8)
    return np.asarray(np.clip((level - low) * 255 // (high - low), 0, 255), np.uint8)


def _equalize(counts: NDArray[np.int64]) -> Pixels:
    present = np.flatnonzero(counts)
    step = int(counts.sum() - counts[present[-1]]) // 255
    if step == 0:
        return np.arange(256).astype(np.uint8)
    below = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.asarray(np.clip((step // 2 + below) // step, 0, 255), np.uint8)


def _sharpen(small: Pixels, amount: int) -> Pixels:
    """What a blur takes away, times 1 + amount / 256."""
    height, width = small.shape[:2]
    image = Image.fromarray(np.ascontiguousarray(small))
    blurred = np.asarray(image.filter(ImageFilter.BoxBlur((width * _BLUR, height * _BLUR))), np.int32)
    out = blurred + (((small.astype(np.int32) - blurred) * (UNIT + amount) + UNIT // 2) >> 8)
    return np.asarray(np.clip(out, 0, 255), np.uint8)


def _warp(small: Pixels, op: Op) -> Pixels:
    """An affine map about the centre, in fractions of width and height; what comes from outside is grey."""
    a, b, c, d, e, f = _affine(op)
    height, width = small.shape[:2]
    across, down = b * width / height, d * height / width
    matrix = (a, across, width * (0.5 + c - a / 2 - b / 2), down, e, height * (0.5 + f - d / 2 - e / 2))
    image = Image.fromarray(np.ascontiguousarray(small)).transform(
        (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=(MIDDLE,) * 3
    )
    return np.asarray(image)


def _affine(op: Op) -> tuple[float, float, float, float, float, float]:
    part = op.amount / 1000
    if op.name == "rotate":
        cosine, sine = math.cos(math.radians(op.amount / 10)), math.sin(math.radians(op.amount / 10))
        return cosine, sine, 0.0, -sine, cosine, 0.0
    across, down = (part if op.name == "shear_x" else 0.0), (part if op.name == "shear_y" else 0.0)
    right, below = (part if op.name == "shift_x" else 0.0), (part if op.name == "shift_y" else 0.0)
    return 1.0, across, right, down, 1.0, below
