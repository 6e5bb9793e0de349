"""Steps 1 to 3 of ``edgekd.preprocess``'s specification as code: from a photo's bytes to pixels.

Devices run it too: ``bench.agents.photo_archive`` sends it with the few modules that it imports.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from edgekd.errors import DecodeError, MemoryShortage
from edgekd.photo_formats import describe_unknown, readable_formats, suffixes_by_format

MAX_PIXELS = 100_000_000
_TOO_MANY = f"has more than {MAX_PIXELS} pixels: refused as a possible decompression bomb. Scale it down first"
_ORIENTATION = 0x0112
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class StoredPhoto:
    """A photo as it lies in its file: an 8-bit RGB image, its Exif orientation, what was unusual about the file."""

    image: Image.Image
    orientation: int
    notes: tuple[str, ...]

    @staticmethod
    def of_pixels(pixels: Pixels) -> StoredPhoto:
        """Upright RGB pixels uint8 [H, W, 3] that come from no file, such as a camera's frame."""
        return StoredPhoto(Image.fromarray(pixels), 1, ())


@dataclass(frozen=True)
class Photo:
    """A decoded photo: ``pixels`` uint8 RGB [H, W, 3], and what was unusual about its file."""

    pixels: Pixels
    notes: tuple[str, ...]


def open_photo(content: bytes, name: str) -> StoredPhoto:
    """Decode a photo's bytes to 8-bit RGB (specification 1 and 2); ``name`` is for notes and messages.

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
        rgb = _to_rgb(image, content)
    except Exception as error:  # a malformed file can raise anything from a decoder
        if _is_out_of_memory(error):
            raise MemoryShortage(
                f"there is not enough memory to decode {name} ({image.width} x {image.height} pixels). Free some, or "
                "scale the photo down"
            ) from None
        reason = f"does not decode as {image.format}: {str(error) or error!r}"
        raise DecodeError(f"{name} is damaged or cut short and {reason}. Replace the file or remove it") from None
    # Pillow has turned a TIFF already.
    orientation = 1 if image.format == "TIFF" else exif_orientation(image.info.get("exif"))
    if orientation != 1:
        notes.append("EXIF-rotated")
    return StoredPhoto(rgb, orientation, (*notes, *_several_frames(content, name)))


def decode(content: bytes, name: str) -> Photo:
    """Decode a photo's bytes to upright 8-bit RGB (specification 1 to 3); ``name`` is for notes and messages.

    Raises: DecodeError.
    """
    stored = open_photo(content, name)
    return Photo(np.ascontiguousarray(turn_upright(np.array(stored.image), stored.orientation)), stored.notes)


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


def _to_rgb(image: Image.Image, content: bytes) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    return Image.fromarray(_rgb_pixels(image, content))


def _rgb_pixels(image: Image.Image, content: bytes) -> Pixels:
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
