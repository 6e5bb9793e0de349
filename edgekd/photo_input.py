"""Steps 4 and 5 of ``edgekd.preprocess``'s specification as code: from pixels to an input. Devices run it too."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from PIL import Image

from edgekd.photo_pixels import Pixels, StoredPhoto

# Rows, or columns, that are shrunk at once.
_BAND = 128
_BILINEAR, _FLIP_X, _FLIP_Y = (
    Image.Resampling.BILINEAR,
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.FLIP_TOP_BOTTOM,
)


class InputSize(Protocol):
    """A model's input in pixels and which part of a photo it shows, such as ``edgekd.Preprocessing``."""

    @property
    def height(self) -> int:
        """Rows."""
        ...

    @property
    def width(self) -> int:
        """Columns."""
        ...

    @property
    def crop(self) -> Literal["whole", "center"]:
        """All of the photo, or the largest centred box."""
        ...


def crop_box(width: int, height: int, target: InputSize) -> tuple[int, int, int, int]:
    """Left, top, width and height of the part that is shown of a photo (specification 4)."""
    if target.crop == "whole":
        return 0, 0, width, height
    if width * target.height > height * target.width:
        box_width, box_height = max(1, height * target.width // target.height), height
    else:
        box_width, box_height = width, max(1, width * target.height // target.width)
    return (width - box_width) // 2, (height - box_height) // 2, box_width, box_height


def resample(pixels: Pixels, height: int, width: int) -> Pixels:
    """Resize uint8 [H, W, 3] to [height, width, 3] (specification 5)."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    # One axis a call: asked for both, Pillow 13 chooses by the sizes which goes first, and older ones do not.
    across = image.resize((width, image.height), Image.Resampling.BILINEAR)
    return np.array(across.resize((width, height), Image.Resampling.BILINEAR))


def shrink(photo: StoredPhoto, target: InputSize) -> Pixels:
    """Specification 3 to 5 of a photo as it is stored: what cropping and resizing its upright pixels gives.

    Rows of an upright photo that lies on its side are columns of the stored one, so that it is turned when it is small.
    Mirrored samples are summed in another order: each flip stays before the axis that it belongs to.
    """
    image, swapped = photo.image, photo.orientation >= 5
    flip_x, flip_y = photo.orientation in (2, 3, 6, 7), photo.orientation in (3, 4, 7, 8)
    width, height = (image.height, image.width) if swapped else image.size
    left, top, box_width, box_height = crop_box(width, height, target)
    left = width - left - box_width if flip_x else left
    top = height - top - box_height if flip_y else top
    box = (left, top, left + box_width, top + box_height)
    image = _shrink_rows(image, (box[1], box[0], box[3], box[2]) if swapped else box, target.width, swapped, flip_x)
    if flip_y:
        image = image.transpose(_FLIP_X if swapped else _FLIP_Y)
    size = (target.width, target.height)
    image = image.resize(size[::-1] if swapped else size, _BILINEAR)
    return np.array(image.transpose(Image.Transpose.TRANSPOSE) if swapped else image)


def _shrink_rows(
    image: Image.Image, box: tuple[int, int, int, int], width: int, swapped: bool, flip: bool
) -> Image.Image:
    """The box of an image with its rows (where ``swapped``, its columns) resized to ``width``, flipped before.

    Band by band: rows are not mixed with each other, and what a processor's cache holds is not copied through memory.
    """
    left, top, right, bottom = box
    out = Image.new("RGB", (right - left, width) if swapped else (width, bottom - top))
    start, end = (left, right) if swapped else (top, bottom)
    for first in range(start, end, _BAND):
        last = min(first + _BAND, end)
        band = image.crop((first, top, last, bottom) if swapped else (left, first, right, last))
        if flip:
            band = band.transpose(_FLIP_Y if swapped else _FLIP_X)
        small = band.resize((last - first, width) if swapped else (width, last - first), _BILINEAR)
        out.paste(small, (first - start, 0) if swapped else (0, first - start))
    return out
