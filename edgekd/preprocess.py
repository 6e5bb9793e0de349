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

import io
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field

from edgekd.errors import DataError, DecodeError, MemoryShortage
from edgekd.photo_formats import describe_unknown, readable_formats, suffixes_by_format
from edgekd.storage import read_regular_file

MAX_PIXELS = 100_000_000
_TOO_MANY = f"has more than {MAX_PIXELS} pixels: refused as a possible decompression bomb. Scale it down first"
# The longest file that is read: 100 million pixels of 8 bytes, and what a file has besides.
MAX_BYTES = 1 << 30
_ORIENTATION = 0x0112
Pixels = NDArray[np.uint8]


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


@dataclass(frozen=True)
class Photo:
    """A decoded photo: ``pixels`` uint8 RGB [H, W, 3], and what was unusual about its file."""

    pixels: Pixels
    notes: tuple[str, ...]


def decode(content: bytes, name: str) -> Photo:
    """Decode a photo's bytes to upright 8-bit RGB (specification 1 to 3); ``name`` is for notes and messages.

    Raises: DecodeError.
    """
    image = _open(content, name)
    if image.width * image.height > MAX_PIXELS:
        raise DecodeError(f"{name} has {image.width} x {image.height} pixels and so {_TOO_MANY}")
    _refuse_unsupported(image, content, name)
    notes = _notes(image, content, name)
    image.info.pop("xmp", None)  # Pillow would turn a TIFF by an orientation that stands in its XMP only
    try:
        image.load()
        pixels = _to_rgb(image, content)
    except Exception as error:  # a malformed file can raise anything from a decoder
        if _is_out_of_memory(error):
            raise MemoryShortage(
                f"there is not enough memory to decode {name} ({image.width} x {image.height} pixels). Free some, or "
                "scale the photo down"
            ) from None
        reason = f"does not decode as {image.format}: {str(error) or error!r}"
        raise DecodeError(f"{name} is damaged or cut short and {reason}. Replace the file or remove it") from None
    if image.format != "TIFF":  # Pillow has turned a TIFF already
        orientation = exif_orientation(image.info.get("exif"))
        if orientation != 1:
            notes.append("EXIF-rotated")
            pixels = turn_upright(pixels, orientation)
    return Photo(np.ascontiguousarray(pixels), (*notes, *_several_frames(content, name)))


def crop_box(width: int, height: int, preprocessing: Preprocessing) -> tuple[int, int, int, int]:
    """Left, top, width and height of the part that is shown of a photo (specification 4)."""
    if preprocessing.crop == "whole":
        return 0, 0, width, height
    if width * preprocessing.height > height * preprocessing.width:
        box_width, box_height = max(1, height * preprocessing.width // preprocessing.height), height
    else:
        box_width, box_height = width, max(1, width * preprocessing.height // preprocessing.width)
    return (width - box_width) // 2, (height - box_height) // 2, box_width, box_height


def resample(pixels: Pixels, height: int, width: int) -> Pixels:
    """Resize uint8 [H, W, 3] to [height, width, 3] (specification 5)."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    # One axis a call: asked for both, Pillow 13 chooses by the sizes which goes first, and older ones do not.
    across = image.resize((width, image.height), Image.Resampling.BILINEAR)
    return np.array(across.resize((width, height), Image.Resampling.BILINEAR))


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
        return resize(decode(content, name or "the photo").pixels, preprocessing)
    path = Path(content)
    try:
        photo = read_regular_file(path, MAX_BYTES)
    except MemoryError:
        raise MemoryShortage(f"there is not enough memory to read {path}. Free some") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Give the path of a photo") from None
    return resize(decode(photo, name or str(path)).pixels, preprocessing)


def check_pixels(pixels: Pixels) -> None:
    """Raise DataError unless ``pixels`` is uint8 [H, W, 3] and not empty."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise DataError(
            f"pixels must be uint8 RGB [height, width, 3], got {pixels.dtype} {list(pixels.shape)}. "
            "Use what preprocess.decode returned"
        )


def exif_orientation(block: object) -> int:
    """The orientation, 1 to 8, in an Exif block's first directory; 1 where there is none or it is malformed."""
    if not isinstance(block, bytes):
        return 1
    tiff = block.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, start)
        for entry in range(entries):
            tag, kind = struct.unpack_from(order + "HH", tiff, start + 2 + 12 * entry)
            if tag == _ORIENTATION and kind in (3, 4):
                (value,) = struct.unpack_from(order + {3: "H", 4: "I"}[kind], tiff, start + 2 + 12 * entry + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def turn_upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an Exif orientation, 1 to 8, of [H, W, 3] pixels."""
    upright = pixels.swapaxes(0, 1) if orientation >= 5 else pixels
    if orientation in (3, 4, 7, 8):
        upright = upright[::-1]
    if orientation in (2, 3, 6, 7):
        upright = upright[:, ::-1]
    return upright


def _open(content: bytes, name: str) -> Image.Image:
    if not content:
        raise DecodeError(f"{name} is empty (0 bytes). Copy it again or remove it")
    try:
        return Image.open(io.BytesIO(content), formats=readable_formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DecodeError(f"{name} {_TOO_MANY}") from None
    except UnidentifiedImageError:
        raise DecodeError(f"{name} {describe_unknown(content)}") from None
    except MemoryError:
        raise MemoryShortage(f"there is not enough memory to open {name}. Free some") from None
    except Exception as error:  # a malformed header can raise anything
        raise DecodeError(
            f"{name} has a damaged header: {str(error) or error!r}. Replace the file or remove it"
        ) from None


def _notes(image: Image.Image, content: bytes, name: str) -> list[str]:
    notes = []
    suffix = PurePath(name).suffix.lower()
    if suffix and image.format and suffix not in suffixes_by_format()[image.format]:
        notes.append(f"{image.format} named {suffix}")
    if image.mode in ("RGBA", "LA", "PA", "CMYK", "P"):
        notes.append("palette" if image.mode == "P" else image.mode)
    if _bits(image, content) == 16:
        notes.append("16-bit")
    if image.mode in ("P", "1", "L", "RGB", "I;16") and "transparency" in image.info:
        notes.append("transparent colour")
    if _tag(image, _ORIENTATION) in range(2, 9):
        notes.append("EXIF-rotated")
    return notes


def _is_out_of_memory(error: Exception) -> bool:
    # Pillow's decoders report it as an OSError of these words.
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()


def _several_frames(content: bytes, name: str) -> list[str]:
    # Opened again, because counting moves an image to later frames, and one of them may be damaged.
    try:
        frames: object = getattr(_open(content, name), "n_frames", 1)
    except Exception:  # a damaged later frame can raise anything, and does not matter
        frames = "several"
    return [] if frames == 1 else [f"first of {frames} frames"]


def _to_rgb(image: Image.Image, content: bytes) -> Pixels:
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB")
    elif image.mode in ("CMYK", "RGBX"):
        image = image.convert("RGB")
    values = np.asarray(image.convert("L") if image.mode == "1" else image)
    key = image.info.get("transparency") if image.mode in ("1", "L", "I;16", "RGB") else None
    alpha = None if key is None else _key_alpha(values, key, _bits(image, content))
    if image.mode in ("LA", "RGBA"):
        values, alpha = values[..., :-1], values[..., -1]
    if values.dtype != np.uint8:
        values = (values >> 8).astype(np.uint8)
    if values.ndim == 2:
        values = values[..., np.newaxis]
    rgb: Pixels = np.array(np.broadcast_to(values, (*values.shape[:2], 3)))
    if alpha is not None:
        _over_white(rgb, alpha)
    return rgb


def _refuse_unsupported(image: Image.Image, content: bytes, name: str) -> None:
    supported = ("1", "L", "LA", "P", "PA", "RGB", "RGBX", "RGBA", "CMYK", "I;16", "I;16B", "I;16L")
    # Pillow leaves 12 bits unscaled, and 16-bit grey with white as zero uninverted.
    unscaled = _tag(image, 258) == 12 or (image.mode.startswith("I;16") and _tag(image, 262) == 0)
    if image.mode not in supported or unscaled:
        raise DecodeError(
            f"{name} holds {image.mode} samples ({_bits(image, content)} bits), which have no one meaning as a photo. "
            "Convert it to 8-bit RGB first"
        )


def _key_alpha(values: NDArray[Any], key: object, bits: int) -> Pixels:
    key_values = np.atleast_1d(np.asarray(key, np.int64))
    if values.ndim == 3:
        key_values = key_values >> 8 if bits == 16 else key_values
        same = (values == key_values).all(axis=-1)
    else:
        # A key of 2 or 4 bits is stored unscaled; one of a bit Pillow has scaled.
        same = values == int(key_values[0]) * {2: 85, 4: 17}.get(bits, 1)
    return np.where(same, 0, 255).astype(np.uint8)


def _over_white(rgb: Pixels, alpha: Pixels) -> None:
    # In blocks of rows, because uint16 copies of 100 million pixels are 1.2 GB.
    for top in range(0, rgb.shape[0], 256):
        a = alpha[top : top + 256, :, np.newaxis].astype(np.uint16)
        block = rgb[top : top + 256]
        block[...] = (block * a + 255 * (255 - a) + 127) // 255


def _bits(image: Image.Image, content: bytes) -> int:
    if image.format == "PNG":
        return content[24]
    bits = _tag(image, 258)
    return bits if isinstance(bits, int) else 8


def _tag(image: Image.Image, tag: int) -> object:
    value = getattr(image, "tag_v2", {}).get(tag)
    return value[0] if isinstance(value, tuple) and value else value
