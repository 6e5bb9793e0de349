"""From a photo's pixel values to what a network is fed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Layout = Literal["nhwc", "nchw"]
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

    @property
    def limits(self) -> tuple[float, float]:
        """What black and white become, over all channels: the least and the largest value."""
        ends = [
            value for scale, shift in zip(self.scale, self.shift, strict=True) for value in (shift, 255 * scale + shift)
        ]
        return min(ends), max(ends)


def of_mean_std(mean: npt.ArrayLike, std: npt.ArrayLike, source: str) -> Pixels:
    """``(pixel - mean) / std`` of pixel values 0..255, one number or three each."""
    means, stds = (np.broadcast_to(np.asarray(values, np.float64), (3,)) for values in (mean, std))
    return Pixels(three_of(1 / stds), three_of(-means / stds), source=source)


def three_of(values: npt.NDArray[np.float64]) -> _Three:
    """An array of three numbers as a tuple."""
    first, second, third = (float(value) for value in values)
    return first, second, third


@dataclass(frozen=True)
class Feed:
    """From photos to an input tensor: pixel values, then quantization, type and layout.

    ``dtype`` is the input's; a quantized one holds ``round(value / scale) + zero_point``.
    """

    pixels: Pixels
    dtype: str = "float32"
    scale: float | None = None
    zero_point: int = 0
    layout: Layout = "nhwc"

    @property
    def takes_bytes(self) -> bool:
        """Whether the network takes pixel values as they are, as bytes or as floats 0..255, in the order RGB."""
        if self.pixels.bgr or self.dtype not in ("uint8", "float32"):
            return False
        if self.dtype == "float32":
            return self.pixels.untouched
        ramp = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 16, 16, 3)
        return bool((Feed(self.pixels, self.dtype, self.scale, self.zero_point)(ramp) == ramp).all())

    def __call__(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Photos uint8 RGB [N, H, W, 3] as the network takes them: [N, H, W, 3] or [N, 3, H, W]."""
        fed = self.pixels(images)
        if self.scale is not None:
            fed = np.round(fed / np.float32(self.scale)) + self.zero_point
        dtype = np.dtype(self.dtype)
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            fed = np.clip(np.round(fed), limits.min, limits.max)
        fed = fed.transpose(0, 3, 1, 2) if self.layout == "nchw" else fed
        return np.ascontiguousarray(fed.astype(dtype))
