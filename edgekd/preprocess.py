"""The one definition of how a photo's bytes become an input: integers only, so that any language can repeat it.

Specification, version 1. All divisions written ``//`` and shifts ``>>`` are of non-negative integers.

1. *Decode.* JPEG (MPO), PNG, WEBP, BMP, GIF or TIFF, known by content and never by name; the first frame or image only.
   JPEG as libjpeg-turbo decodes by default (accurate integer IDCT, fancy chroma upsampling) and WEBP as libwebp does
   (fancy upsampling), at full size: never subsampled while decoding. Colour profiles, gamma and XMP are ignored, and
   alpha is not premultiplied. More than 100,000,000 pixels: refused.
2. *To 8-bit RGB*, pixel by pixel:

   a. 16 bits a channel (alpha too): ``v >> 8``. Grey of 1, 2 or 4 bits: ``v * 255``, ``v * 85`` or ``v * 17``.
   b. Grey: the value in all three channels. Palette: the colour (and alpha, if any) of its entry.
   c. A PNG's transparent grey or colour (tRNS): alpha 0 where all channels, as stored, equal it, else 255. For 16-bit
      grey all 16 bits are compared, for 16-bit RGB the high bytes.
   d. Alpha ``a``: each channel ``c`` becomes ``(c * a + 255 * (255 - a) + 127) // 255``, that is, over white.
   e. CMYK (a JPEG stores 255 minus each; YCCK is first converted to CMYK by libjpeg): with ``n = 255 - k``,
      ``t = x * n + 128`` and ``m = (t + (t >> 8)) >> 8``, each of red, green, blue is ``n - m`` for x = c, m, y.
   f. HEIC and AVIF are read where this machine has a decoder, as that decoder turns them into 8-bit RGB; a port of
      this specification need not read them. Anything else (signed, 32-bit or float samples, YCbCr, LAB, premultiplied
      grey, 12 bits): refused.

3. *Orientation.* Exif tag 0x0112 (type SHORT or LONG) in the first directory of the Exif block (a JPEG's APP1 segment
   that begins ``Exif``, 0, 0; a PNG's eXIf chunk; a WEBP's EXIF chunk), or in a TIFF's own first directory. For 5 to 8
   rows and columns change places; then for 3, 4, 7 and 8 the rows are reversed, top to bottom, and for 2, 3, 6 and 7
   the columns, left to right. Any other value, or none: nothing. No decoder may have turned the photo before.
4. *Crop* of the W x H photo for a target of w x h. ``whole``: all of it, the aspect ratio is not kept. ``center``: if
   ``W * h > H * w``, a box of ``max(1, H * w // h)`` by H, else of W by ``max(1, W * h // w)``; its left edge is
   ``(W - box width) // 2`` and its top ``(H - box height) // 2``. What follows sees only the box, from its own (0, 0).
5. *Resize*, each axis as Pillow's BILINEAR does it (a triangle as wide as the reduction, so antialiased). Always rows
   first, from width W to w, rounded to uint8; then columns, from height H to h. One axis, from ``n`` samples to ``m``,
   skipped if ``n == m``, in IEEE double precision without reassociation:

   a. ``scale = n / m``; ``support = max(1.0, scale)``; for every output ``i``: ``center = (i + 0.5) * scale``.
   b. First input ``lo = max(0, trunc(center - support + 0.5))``; end ``hi = min(n, trunc(center + support + 0.5))``.
   c. For ``j`` in ``0 .. hi - lo - 1``: ``x = abs((j + lo - center + 0.5) * (1.0 / support))`` and
      ``k[j] = 1.0 - x if x < 1.0 else 0.0``; ``sum`` adds them in this order from 0.0; then each ``k[j] = k[j] / sum``.
   d. Fixed point with 22 bits: ``K[j] = trunc(0.5 + k[j] * 4194304.0)``.
   e. Each channel: ``out = clip((2097152 + sum of in[lo + j] * K[j]) >> 22, 0, 255)``. It fits in 32 signed bits.

   The box starts at 0, so fused multiply-add, where a compiler uses it, rounds no differently. The result is uint8 RGB
   [height, width, 3]; range and mean are inside the model's graph.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from edgekd.errors import DataError, MemoryShortage
from edgekd.photo_input import crop_box, resample, shrink
from edgekd.photo_pixels import MAX_PIXELS, Photo, Pixels, decode, exif_orientation, open_photo, turn_upright
from edgekd.storage import read_regular_file

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "Photo",
    "Pixels",
    "Preprocessing",
    "check_pixels",
    "crop_box",
    "decode",
    "exif_orientation",
    "preprocess",
    "resample",
    "resize",
    "turn_upright",
]

# The longest file that is read: 100 million pixels of 8 bytes, and what a file has besides.
MAX_BYTES = 1 << 30


class Preprocessing(BaseModel):
    """A model's input: its size in pixels, and which part of a photo it shows.

    Args:
        height: Rows of the input, 1 to 8192 pixels.
        width: Columns of the input, 1 to 8192 pixels.
        crop: "whole" (all of the photo, the aspect ratio is not kept) or "center" (the largest centred box).

    Example:
        >>> Preprocessing(height=224, width=224, crop="center").to_json()
        '{"crop": "center", "height": 224, "resize": "pillow-bilinear-antialias", "version": 1, "width": 224}'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(ge=1, le=8192, strict=True)
    width: int = Field(ge=1, le=8192, strict=True)
    crop: Literal["whole", "center"] = "whole"
    resize: Literal["pillow-bilinear-antialias"] = "pillow-bilinear-antialias"
    version: Literal[1] = 1

    def to_json(self) -> str:
        """One line of JSON with sorted keys."""
        return json.dumps(self.model_dump(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Preprocessing:
        """The inverse of ``to_json``. Raises DataError."""
        try:
            return cls.model_validate_json(text)
        except ValueError as error:
            raise DataError(f"this preprocessing record cannot be used: {error}") from None


def resize(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    """Crop and resize decoded pixels uint8 [H, W, 3] to the model's input. Raises DataError."""
    check_pixels(pixels)
    left, top, width, height = crop_box(pixels.shape[1], pixels.shape[0], preprocessing)
    return resample(pixels[top : top + height, left : left + width], preprocessing.height, preprocessing.width)


def preprocess(content: bytes | str | os.PathLike[str], name: str | None, preprocessing: Preprocessing) -> Pixels:
    """From a photo to the model's input; ``edgekd.preprocess_photo`` is this function.

    Args:
        content: A photo's bytes, or its path.
        name: How messages call the photo; None: its path.
        preprocessing: Size and crop of the input.

    Returns:
        uint8 RGB [height, width, 3].

    Raises:
        DecodeError: The bytes are not a photo that can be decoded.
        DataError: The file cannot be read.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> stream = io.BytesIO()
        >>> Image.new("RGB", (20, 10), (255, 0, 0)).save(stream, "PNG")
        >>> pixels = preprocess(stream.getvalue(), "red.png", Preprocessing(height=4, width=4))
        >>> pixels.shape, pixels[0, 0].tolist()
        ((4, 4, 3), [255, 0, 0])
    """
    if isinstance(content, bytes):
        return shrink(open_photo(content, name or "the photo"), preprocessing)
    path = Path(content)
    try:
        photo = read_regular_file(path, MAX_BYTES)
    except MemoryError:
        raise MemoryShortage(f"there is not enough memory to read {path}. Free some") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Give the path of a photo") from None
    return shrink(open_photo(photo, name or str(path)), preprocessing)


def check_pixels(pixels: Pixels) -> None:
    """Raise DataError unless ``pixels`` is uint8 [H, W, 3] and not empty."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise DataError(
            f"pixels must be uint8 RGB [height, width, 3], got {pixels.dtype} {list(pixels.shape)}. "
            "Use what preprocess.decode returned"
        )
