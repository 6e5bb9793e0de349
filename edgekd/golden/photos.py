"""Synthetic photos, one for every way in which a port of the preprocessing has been seen to fail."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgekd.golden.encode import bgr_profile, encode_png, interlace_rows, pack_rows
from edgekd.preprocess import Preprocessing

_SIZE = (97, 61)
_ORIENTATION = 0x0112
# The largest side of the photo that is larger than the input: a large input does not make a huge photo.
_MAX_SIDE = 1200
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class GoldenPhoto:
    """A photo's file: ``name`` says what it tests, ``kind`` is its format and its suffix."""

    name: str
    kind: str
    content: bytes


def golden_photos(preprocessing: Preprocessing) -> tuple[GoldenPhoto, ...]:
    """Photos of every format, depth, colour model and orientation, and of sizes around the model's input."""
    return (
        *_jpegs(), *_orientations(), *_sizes(preprocessing), *_pngs(), *_deep_pngs(), *_color_key_pngs(), *_webps(),
        *_others(),
    )  # fmt: skip


def pattern(width: int, height: int, seed: int = 0) -> Pixels:
    """Ramps, texture and hard edges, uint8 RGB [height, width, 3], by integers alone."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    red = x * 255 // max(1, width - 1)
    green = y * 255 // max(1, height - 1)
    blue = (x * (5 + seed) + y * (3 + 2 * seed)) % 256
    rgb = np.stack([red, green, blue], -1) + ((((x * x * 7 + y * y * 13) >> 2) & 31) - 16)[..., np.newaxis]
    for number in range(3):
        left, top = width * (2 + 3 * number + seed % 3) // 11, height * (3 + 2 * number) // 9
        inside = (x - left) ** 2 + (y - top) ** 2 < (min(width, height) // (4 + number)) ** 2
        rgb[inside] = 255 - rgb[inside][:, [1, 2, 0]]
    clipped: Pixels = np.clip(rgb, 0, 255).astype(np.uint8)
    return clipped


def _encode(pixels: Pixels, kind: str, mode: str | None = None, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels, mode).save(stream, kind, **options)
    return stream.getvalue()


def _jpegs() -> Iterator[GoldenPhoto]:
    def photo(name: str, content: bytes) -> GoldenPhoto:
        return GoldenPhoto(f"jpeg-{name}", "jpeg", content)

    rgb, grey = pattern(*_SIZE), pattern(*_SIZE, seed=1)[..., 0]
    cmyk = np.concatenate([pattern(*_SIZE, seed=2), pattern(*_SIZE, seed=3)[..., :1] // 2], -1)
    for chroma in ("4:2:0", "4:2:2", "4:4:4"):
        yield photo(f"baseline-{chroma.replace(':', '')}", _encode(rgb, "JPEG", quality=88, subsampling=chroma))
    yield photo("progressive-420", _encode(rgb, "JPEG", quality=80, progressive=True, subsampling="4:2:0"))
    yield photo("progressive-444", _encode(rgb, "JPEG", quality=95, progressive=True, subsampling="4:4:4"))
    yield photo("coarse", _encode(rgb, "JPEG", quality=12))
    yield photo("restart-markers", _encode(rgb, "JPEG", quality=75, restart_marker_blocks=3))
    yield photo("stored-as-rgb", _encode(rgb, "JPEG", quality=85, keep_rgb=True))
    yield photo("grey", _encode(grey, "JPEG", quality=85))
    yield photo("grey-progressive", _encode(grey, "JPEG", quality=85, progressive=True))
    inks = _encode(cmyk, "JPEG", "CMYK", quality=90)
    yield photo("cmyk", inks)
    adobe = inks.index(b"Adobe")
    yield photo("ycck", inks[: adobe + 11] + b"\2" + inks[adobe + 12 :])
    yield photo("with-profile", _encode(rgb, "JPEG", quality=88, icc_profile=bgr_profile()))


def _orientations() -> Iterator[GoldenPhoto]:
    rgb = pattern(*_SIZE, seed=4)
    for orientation in range(2, 9):
        content = _encode(rgb, "JPEG", quality=88, exif=_exif(orientation))
        yield GoldenPhoto(f"jpeg-orientation-{orientation}", "jpeg", content)
    long_entry = b"Exif\0\0MM\0*" + struct.pack(">IHHHIII", 8, 1, _ORIENTATION, 4, 1, 8, 0)
    yield GoldenPhoto("jpeg-orientation-8-long", "jpeg", _encode(rgb, "JPEG", quality=88, exif=long_entry))
    yield GoldenPhoto("png-orientation-6", "png", _encode(rgb, "PNG", exif=_exif(6)))
    yield GoldenPhoto("webp-orientation-5", "webp", _encode(rgb, "WEBP", lossless=True, exif=_exif(5)))


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return exif.tobytes()


def _sizes(preprocessing: Preprocessing) -> Iterator[GoldenPhoto]:
    width, height = preprocessing.width, preprocessing.height
    large = (min(_MAX_SIDE, 2 * width + 5), min(_MAX_SIDE, 3 * height + 7))
    yield GoldenPhoto("jpeg-large", "jpeg", _encode(pattern(*large, seed=5), "JPEG", quality=90))
    yield GoldenPhoto("jpeg-large-progressive", "jpeg", _encode(pattern(*large[::-1]), "JPEG", progressive=True))
    for name, (w, h) in {"1x1": (1, 1), "1x37": (1, 37), "53x1": (53, 1), "8x8": (8, 8), "17x3": (17, 3)}.items():
        yield GoldenPhoto(f"jpeg-{name}", "jpeg", _encode(pattern(w, h, seed=6), "JPEG", quality=90))
    for name, (w, h) in {"1x1": (1, 1), "1x300": (1, 300), "300x1": (300, 1), "7x5": (7, 5)}.items():
        yield GoldenPhoto(f"png-{name}", "png", _encode(pattern(w, h, seed=7), "PNG"))
    yield GoldenPhoto("png-size-of-the-input", "png", _encode(pattern(width, height, seed=8), "PNG"))
    yield GoldenPhoto("png-width-of-the-input", "png", _encode(pattern(width, 59, seed=9), "PNG"))


def _rgba() -> Pixels:
    alpha = pattern(*_SIZE, seed=11)[..., 2:]
    alpha[:9], alpha[-9:] = 0, 255
    return np.concatenate([pattern(*_SIZE, seed=10), alpha], -1)


def _palette(colours: int) -> Image.Image:
    image = Image.fromarray((pattern(*_SIZE, seed=12)[..., 0].astype(np.int64) * colours >> 8).astype(np.uint8), "P")
    ramp = np.arange(colours)
    entries = np.stack([ramp * 37 % 256, 255 - ramp * 11 % 256, ramp * ramp % 256], -1)
    image.putpalette(entries.astype(np.uint8).tobytes())
    return image


def _save(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _pngs() -> Iterator[GoldenPhoto]:
    def photo(name: str, content: bytes) -> GoldenPhoto:
        return GoldenPhoto(f"png-{name}", "png", content)

    rgb, rgba = pattern(*_SIZE, seed=10), _rgba()
    yield photo("rgb", _encode(rgb, "PNG"))
    yield photo("rgba", _encode(rgba, "PNG"))
    yield photo("grey", _encode(rgb[..., 0], "PNG"))
    yield photo("grey-alpha", _encode(np.ascontiguousarray(rgba[..., 2:]), "PNG", "LA"))
    yield photo("palette", _save(_palette(200), "PNG"))
    yield photo("palette-4-bit", _save(_palette(13), "PNG"))
    yield photo("palette-one-clear", _save(_palette(200), "PNG", transparency=77))
    yield photo("palette-alpha", _save(_palette(200), "PNG", transparency=bytes(range(0, 200, 2))))
    yield photo("interlaced", encode_png(_SIZE, 8, 2, interlace_rows(rgb), interlaced=True))
    yield photo("interlaced-rgba", encode_png(_SIZE, 8, 6, interlace_rows(rgba), interlaced=True))
    yield photo("with-profile", _encode(rgb, "PNG", icc_profile=bgr_profile()))
    yield photo("with-gamma", encode_png(_SIZE, 8, 2, pack_rows(rgb, 8), (b"gAMA", struct.pack(">I", 100000))))
    for bits in (1, 2, 4):
        yield photo(f"grey-{bits}-bit", encode_png(_SIZE, bits, 0, pack_rows(rgb[..., 0] >> (8 - bits), bits)))


def _deep_pngs() -> Iterator[GoldenPhoto]:
    high, low = _rgba().astype(np.uint16), np.concatenate([pattern(*_SIZE, seed=13), _rgba()[..., :1]], -1)
    deep = high << 8 | low
    for name, colour, channels in (("grey", 0, [0]), ("rgb", 2, [0, 1, 2]), ("grey-alpha", 4, [0, 3]),
                                   ("rgba", 6, [0, 1, 2, 3])):  # fmt: skip
        yield GoldenPhoto(
            f"png-16-bit-{name}", "png", encode_png(_SIZE, 16, colour, pack_rows(deep[..., channels], 16))
        )


def _color_key_pngs() -> Iterator[GoldenPhoto]:
    def photo(name: str, bits: int, colour: int, samples: NDArray[Any], *key: int) -> GoldenPhoto:
        chunk = (b"tRNS", struct.pack(f">{len(key)}H", *key))
        return GoldenPhoto(f"png-key-{name}", "png", encode_png(_SIZE, bits, colour, pack_rows(samples, bits), chunk))

    rgb = pattern(*_SIZE, seed=14)
    few = rgb >> 6
    coarse = rgb >> 7
    yield photo("rgb", 8, 2, coarse * 200, *(int(v) * 200 for v in coarse[30, 40]))
    yield photo("grey", 8, 0, few[..., 0] * 60, 60)
    yield photo("grey-2-bit", 2, 0, few[..., 0], 2)
    yield photo("grey-1-bit", 1, 0, rgb[..., 0] >> 7, 0)
    # Only samples whose low byte is 5 are clear.
    grey16 = few[..., 0].astype(np.uint16) * 0x1100 + (rgb[..., 1] & 1) * 5
    yield photo("16-bit-grey", 16, 0, grey16, 0x1105)
    # The low bytes are ignored.
    deep = coarse.astype(np.uint16) * 0x1100
    yield photo("16-bit-rgb", 16, 2, deep + (rgb & 1), *(int(v) for v in deep[30, 40]))


def _webps() -> Iterator[GoldenPhoto]:
    rgb, rgba = pattern(*_SIZE, seed=15), _rgba()
    yield GoldenPhoto("webp-lossless", "webp", _encode(rgb, "WEBP", lossless=True))
    yield GoldenPhoto("webp-lossless-rgba", "webp", _encode(rgba, "WEBP", lossless=True, exact=True))
    yield GoldenPhoto("webp-lossy", "webp", _encode(rgb, "WEBP", quality=80))
    yield GoldenPhoto("webp-lossy-rgba", "webp", _encode(rgba, "WEBP", quality=80))
    yield GoldenPhoto("webp-with-profile", "webp", _encode(rgb, "WEBP", lossless=True, icc_profile=bgr_profile()))


def _others() -> Iterator[GoldenPhoto]:
    rgb = pattern(*_SIZE, seed=16)
    yield GoldenPhoto("bmp-rgb", "bmp", _encode(rgb, "BMP"))
    yield GoldenPhoto("bmp-palette", "bmp", _save(_palette(200), "BMP"))
    yield GoldenPhoto("gif", "gif", _save(_palette(200), "GIF"))
    yield GoldenPhoto("gif-one-clear", "gif", _save(_palette(200), "GIF", transparency=77))
    yield GoldenPhoto("tiff-rgb", "tiff", _encode(rgb, "TIFF", compression="tiff_lzw"))
    yield GoldenPhoto("tiff-orientation-6", "tiff", _encode(rgb, "TIFF", exif=_exif(6)))
