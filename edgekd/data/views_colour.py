"""Levels and colours of a view: tables and 3 x 3 matrices of integers, the same on every machine."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from edgekd.preprocess import Pixels

UNIT = 256
MIDDLE = 128
_ONE = 4096
# Weights of red, green and blue in the luminance, and the turn of the hue about it, in thousandths.
_LUMINANCE = (213, 715, 72)
_TURN = ((-213, -715, 928), (143, 140, -283), (-787, 715, 72))


@functools.lru_cache(maxsize=4096)
def levels(brightness: int, contrast: int) -> Pixels:
    """The table [256] from a level to what a view makes of it: brightness, then contrast about 128, in 1/256."""
    value = np.clip((np.arange(256) * brightness + 128) >> 8, 0, 255)
    table: Pixels = np.clip(MIDDLE + (((value - MIDDLE) * contrast + 128) >> 8), 0, 255).astype(np.uint8)
    return table


@functools.lru_cache(maxsize=4096)
def colour_matrix(hue_deg: int, saturation: int) -> NDArray[np.int32]:
    """Integers [3, 3] in 1/4096 that turn the hue by whole degrees and scale the saturation by 1/256; greys stay.

    Source: the hueRotate and saturate matrices of W3C Filter Effects, section 9.6 (feColorMatrix).
    """
    # 1/65536 is far from any tie that the last bit of a cosine could turn.
    cosine, sine = (round(65536 * f(math.radians(hue_deg))) for f in (math.cos, math.sin))
    matrix = np.zeros((3, 3), np.int32)
    for out in range(3):
        for channel in range(3):
            chroma = (1000 if out == channel else 0) - _LUMINANCE[channel]
            chroma_part = (cosine * chroma + sine * _TURN[out][channel]) * saturation
            exact = _LUMINANCE[channel] * 65536 * UNIT + chroma_part
            whole = 1000 * 65536 * UNIT
            matrix[out, channel] = (2 * exact * _ONE + whole) // (2 * whole)
        matrix[out, out] += _ONE - int(matrix[out].sum())
    return matrix


def recolour(pixels: Pixels, hue_deg: int, saturation: int) -> Pixels:
    """Pixels uint8 [H, W, 3] through ``colour_matrix``, rounded to the nearest level."""
    if hue_deg == 0 and saturation == UNIT:
        return pixels
    # float32 holds these whole numbers (below 2**24) exactly, in whatever order they are added.
    table = colour_matrix(hue_deg, saturation).astype(np.float32)
    sums = pixels.reshape(-1, 3).astype(np.float32) @ table.T
    rounded = np.floor((sums + np.float32(_ONE // 2)) * np.float32(1 / _ONE))
    out: Pixels = np.clip(rounded, 0, 255).astype(np.uint8).reshape(pixels.shape)
    return out
