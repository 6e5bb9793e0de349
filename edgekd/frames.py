"""How a frame of a camera becomes an input: the one definition, in integers, which the ports follow.

Specification of frames, version 1. It replaces steps 1 to 3 of ``edgekd.preprocess``'s, whose steps 4 and 5 (crop and
resize) follow. ``>>`` rounds down, of negative numbers too. Equal planes give equal inputs, byte for byte. A camera's
frame and a JPEG of the same scene give inputs that are close and not equal: a frame has half the resolution in colour,
and nothing smooths it.

F1. *Planes.* A frame has W x H pixels. A plane is a buffer of bytes with an offset, a row stride and a pixel stride:
    its sample in column ``x`` of row ``y`` is byte ``offset + y * row stride + x * pixel stride``. The buffer may end
    with the last sample of the last row. RGBA is one plane whose samples are four bytes. YUV 4:2:0 (YUV_420_888 of
    Android) is a plane Y of W x H samples, and planes U (Cb) and V (Cr) of ``(W + 1) // 2`` x ``(H + 1) // 2``. NV12
    and NV21 have planes U and V in one buffer, with a pixel stride of 2, one byte apart (U first in NV12, V first in
    NV21); I420 has three planes with a pixel stride of 1.
F2. *To 8-bit RGB.* RGBA: the first three bytes; the fourth is ignored, since a frame is opaque. YUV: full range by
    ITU-R BT.601, as JFIF and the cameras of Android have it; the chroma of pixel ``(x, y)`` is sample
    ``(x >> 1, y >> 1)``, without interpolation. With ``d = U - 128`` and ``e = V - 128``, where clip keeps a value in
    0 to 255::

        R = clip(Y + ((91881 * e + 32768) >> 16))
        G = clip(Y + ((-22554 * d - 46802 * e + 32768) >> 16))
        B = clip(Y + ((116130 * d + 32768) >> 16))

F3. *Rotation.* A frame is turned clockwise by 0, 90, 180 or 270 degrees to stand upright: orientation 1, 6, 3 or 8 of
    step 3. It is not mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import DataError
from edgekd.photo_input import InputSize, shrink
from edgekd.photo_pixels import MAX_PIXELS, Pixels, StoredPhoto

SPECIFICATION_VERSION = 1
ORIENTATIONS = {0: 1, 90: 6, 180: 3, 270: 8}


@dataclass(frozen=True)
class Plane:
    """A buffer uint8 [N] and where its samples lie, in bytes (specification F1)."""

    content: NDArray[np.uint8]
    row_stride: int
    pixel_stride: int
    offset: int = 0

    def samples(self, width: int, height: int, sample_bytes: int = 1) -> NDArray[np.uint8]:
        """A view uint8 [height, width, sample_bytes]. Raises DataError where the buffer is too short."""
        row = (width - 1) * self.pixel_stride + sample_bytes
        if self.offset < 0 or self.pixel_stride < sample_bytes or (self.row_stride < row and height > 1):
            raise DataError(
                f"a plane of {width} x {height} samples has offset {self.offset}, row stride {self.row_stride} and "
                f"pixel stride {self.pixel_stride}, so its samples overlap. Give the strides that the camera states"
            )
        needed = self.offset + (height - 1) * self.row_stride + row
        if self.content.size < needed:
            raise DataError(
                f"a plane of {width} x {height} samples needs {needed} bytes and has {self.content.size}. "
                "Give all of the camera's buffer"
            )
        return np.lib.stride_tricks.as_strided(
            self.content[self.offset :],
            (height, width, sample_bytes),
            (self.row_stride, self.pixel_stride, 1),
            writeable=False,
        )


@dataclass(frozen=True)
class Frame:
    """A camera's frame as it lies in memory.

    Args:
        width: Pixels of a row, as stored.
        height: Rows, as stored.
        layout: "rgba" (one plane) or "yuv420" (planes Y, U, V).
        planes: The planes, in this order.
        rotation_degrees: Degrees clockwise that turn it upright: 0, 90, 180 or 270.

    Raises: DataError.
    """

    width: int
    height: int
    layout: Literal["rgba", "yuv420"]
    planes: tuple[Plane, ...]
    rotation_degrees: int = 0

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1 or self.width * self.height > MAX_PIXELS:
            raise DataError(f"a frame must have 1 to {MAX_PIXELS} pixels, got {self.width} x {self.height}")
        if self.rotation_degrees not in ORIENTATIONS:
            raise DataError(f"a frame's rotation must be 0, 90, 180 or 270 degrees, got {self.rotation_degrees}")
        wanted = {"rgba": 1, "yuv420": 3}.get(self.layout)
        if wanted != len(self.planes):
            raise DataError(f"a frame of {self.layout} has {wanted} planes, got {len(self.planes)}")


def frame_pixels(frame: Frame) -> Pixels:
    """A frame as RGB, uint8 [height, width, 3], not turned yet (specification F2). Raises DataError."""
    width, height = frame.width, frame.height
    if frame.layout == "rgba":
        return np.ascontiguousarray(frame.planes[0].samples(width, height, 4)[..., :3])
    luma = frame.planes[0].samples(width, height)[..., 0].astype(np.int32)
    d, e = (_full_size(plane, width, height).astype(np.int32) - 128 for plane in frame.planes[1:])
    red = luma + ((91881 * e + 32768) >> 16)
    green = luma + ((-22554 * d - 46802 * e + 32768) >> 16)
    blue = luma + ((116130 * d + 32768) >> 16)
    return np.stack([red, green, blue], axis=-1).clip(0, 255).astype(np.uint8)


def preprocess_frame(frame: Frame, preprocessing: InputSize) -> Pixels:
    """From a frame to a model's input, uint8 RGB [height, width, 3] (F1 to F3, then 4 and 5). Raises DataError."""
    image = StoredPhoto.of_pixels(frame_pixels(frame)).image
    return shrink(StoredPhoto(image, ORIENTATIONS[frame.rotation_degrees], ()), preprocessing)


def _full_size(plane: Plane, width: int, height: int) -> NDArray[np.uint8]:
    """A chroma plane with its samples repeated to ``height`` rows of ``width``."""
    halves = plane.samples((width + 1) // 2, (height + 1) // 2)[..., 0]
    return halves.repeat(2, axis=0)[:height].repeat(2, axis=1)[:, :width]
