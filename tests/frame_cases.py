"""Frames as cameras lay them out in memory, with what Python makes of them, for every port to be held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.frames import Frame, Plane, preprocess_frame
from edgekd.photo_pixels import Pixels
from edgekd.preprocess import Preprocessing

Kind = Literal["rgba", "yuv", "nv21", "nv12", "i420"]
# In the order of the numbers by which a file of cases names them.
KINDS: tuple[Kind, ...] = ("rgba", "yuv", "nv21", "nv12", "i420")
ROTATIONS = (0, 90, 180, 270)
Samples = NDArray[np.uint8]


@dataclass(frozen=True)
class FrameCase:
    """A frame, how it lies in memory, and the input that is wanted of it."""

    kind: Kind
    frame: Frame
    preprocessing: Preprocessing

    def encode(self) -> bytes:
        """Twelve int32 (kind, sizes, rotation, input, crop, strides, count), buffers after their sizes, the tensor."""
        first, last, target = self.frame.planes[0], self.frame.planes[-1], self.preprocessing
        buffers = [plane.content for plane in self.frame.planes] if self.kind in ("rgba", "yuv") else [first.content]
        fields = (
            KINDS.index(self.kind), self.frame.width, self.frame.height, self.frame.rotation_degrees, target.width,
            target.height, ("whole", "center").index(target.crop), first.row_stride, first.pixel_stride,
            last.row_stride, last.pixel_stride, len(buffers),
        )  # fmt: skip
        parts = [np.array(fields, "<i4").tobytes()]
        for content in buffers:
            parts += [np.array([content.size], "<i4").tobytes(), content.tobytes()]
        return b"".join([*parts, preprocess_frame(self.frame, target).tobytes()])


def write_cases(path: Path, cases: Sequence[FrameCase]) -> None:
    """A file of cases, one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(case.encode() for case in cases))


def random_cases(count: int, seed: int, longest_side: int = 80) -> list[FrameCase]:
    """Frames of every kind and rotation, 1 to ``longest_side`` pixels a side, odd strides, for inputs of any size."""
    random = np.random.default_rng(seed)

    def side(most: int) -> int:
        return int(np.exp(random.uniform(0, np.log(most + 1))))

    cases = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        rotation = ROTATIONS[number // len(KINDS) % 4]
        frame = random_frame(random, kind, side(longest_side), side(longest_side), rotation, padding=bool(number % 3))
        target = Preprocessing(height=side(64), width=side(64), crop=("whole", "center")[int(random.integers(2))])
        cases.append(FrameCase(kind, frame, target))
    return cases


def random_frame(
    random: np.random.Generator, kind: Kind, width: int, height: int, rotation: int, *, padding: bool
) -> Frame:
    """Noise, a third of it at the bounds of what a byte holds."""

    def samples(rows: int, columns: int, channels: int = 1) -> Samples:
        noise = random.integers(0, 256, (rows, columns, channels), np.uint8)
        return np.where(random.integers(0, 3, noise.shape) == 0, (noise >> 7) * np.uint8(255), noise).astype(np.uint8)

    def gap(most: int) -> int:
        return int(random.integers(most)) if padding else 0

    halves = ((height + 1) // 2, (width + 1) // 2)
    if kind == "rgba":
        return Frame(width, height, "rgba", (laid_out(samples(height, width, 4), 4 + gap(3), gap(40)),), rotation)
    luma, u, v = samples(height, width), samples(*halves), samples(*halves)
    if kind == "yuv":
        chroma_step, chroma_gap = 1 + gap(3), gap(40)
        planes = (
            laid_out(luma, 1 + gap(2), gap(40)),
            laid_out(u, chroma_step, chroma_gap),
            laid_out(v, chroma_step, chroma_gap),
        )
        return Frame(width, height, "yuv420", planes, rotation)
    return packed(kind, luma[..., 0], u[..., 0], v[..., 0], rotation, padding=gap(40))


def laid_out(samples: Samples, pixel_stride: int, padding: int) -> Plane:
    """Samples uint8 [rows, columns, bytes] in memory, ``padding`` bytes after each row but the last."""
    rows, columns, size = samples.shape
    row_stride = (columns - 1) * pixel_stride + size + padding
    memory = np.full((rows, row_stride + pixel_stride), 0xA5, np.uint8)
    for byte in range(size):
        memory[:, byte : byte + columns * pixel_stride : pixel_stride] = samples[..., byte]
    content = np.ascontiguousarray(memory[:, :row_stride]).ravel()
    return Plane(content[: content.size - padding], row_stride, pixel_stride)


def packed(kind: Kind, luma: Samples, u: Samples, v: Samples, rotation: int, padding: int = 0) -> Frame:
    """One buffer of NV21, NV12 or I420 (which has no padding) from planes [H, W] and [(H + 1) / 2, (W + 1) / 2]."""
    height, width = luma.shape
    if kind == "i420":
        content = np.concatenate([luma.ravel(), u.ravel(), v.ravel()])
        half = u.shape[1]
        planes = (
            Plane(content, width, 1), Plane(content, half, 1, luma.size), Plane(content, half, 1, luma.size + u.size),
        )  # fmt: skip
        return Frame(width, height, "yuv420", planes, rotation)
    stride = width + width % 2 + padding
    rows = np.full((height + u.shape[0], stride), 0xA5, np.uint8)
    rows[:height, :width] = luma
    pair = (v, u) if kind == "nv21" else (u, v)
    for byte, plane in enumerate(pair):
        rows[height:, byte : 2 * u.shape[1] : 2] = plane
    content, start = rows.ravel()[: rows.size - padding], height * stride
    u_at, v_at = (start + 1, start) if kind == "nv21" else (start, start + 1)
    planes = (Plane(content, stride, 1), Plane(content, stride, 2, u_at), Plane(content, stride, 2, v_at))
    return Frame(width, height, "yuv420", planes, rotation)


def camera_frame(upright: Pixels, rotation: int, kind: Kind = "nv21") -> Frame:
    """A scene, upright RGB uint8 [H, W, 3], as a camera built in so that ``rotation`` degrees turn it upright gives it.

    Full range BT.601 (JFIF); the chroma of four pixels is their mean.
    """
    stored = np.rot90(upright, rotation // 90)
    red, green, blue = np.moveaxis(stored.astype(np.float64), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    u, v = (128 + (colour - luma) / span for colour, span in ((blue, 1.772), (red, 1.402)))
    y, u, v = (np.floor(plane + 0.5).clip(0, 255).astype(np.uint8) for plane in (luma, _halved(u), _halved(v)))
    return packed(kind, y, u, v, rotation)


def _halved(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of every two by two samples; the last row or column of an odd number stands twice."""
    height, width = plane.shape
    even = np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge")
    return np.asarray(even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).mean(axis=(1, 3)))
