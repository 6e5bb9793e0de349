"""Which photo files can be read: by Pillow itself, or with its plug-in for HEIC."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util

from PIL import Image, features

# What edgekd.preprocess specifies byte for byte. The JPEG opener also opens MPO; EPS would start ghostscript.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
_ALIKE = {"MPO": "JPEG", "DIB": "BMP"}
_HEIF_SUFFIXES = (".heic", ".heics", ".heif", ".heifs", ".hif")
_AVIF_SUFFIXES = (".avif", ".avifs")
_PLUGINS = ("Avif", "Bmp", "Gif", "Jpeg", "Mpo", "Png", "Tiff", "WebP")
_HEIF_HINT = "install the plug-in (pip install pillow-heif), or convert them to JPEG"
_AVIF_HINT = "install a Pillow that reads AVIF (pip install --upgrade pillow), or convert them to JPEG"


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """The formats that this machine decodes, by Pillow's names: `FORMATS`, and AVIF and HEIF where it can."""
    formats: tuple[str, ...] = FORMATS
    if features.check("avif"):
        formats += ("AVIF",)
    if importlib.util.find_spec("pillow_heif") is not None:
        importlib.import_module("pillow_heif").register_heif_opener()
        formats += ("HEIF",)
    return formats


@functools.cache
def suffixes_by_format() -> dict[str, tuple[str, ...]]:
    """The file suffixes, in lower case, of every format that can be read, as Pillow registers them."""
    readable = readable_formats()
    for plugin in _PLUGINS:  # Each registers its suffixes when it is imported.
        with contextlib.suppress(ImportError):
            importlib.import_module(f"PIL.{plugin}ImagePlugin")
    table: dict[str, tuple[str, ...]] = {}
    for suffix, name in sorted(Image.EXTENSION.items()):
        if _ALIKE.get(name, name) in readable:
            table[name] = (*table.get(name, ()), suffix)
    # Cameras write several photos into one .jpg (MPO), and a .dib is a BMP.
    table["MPO"], table["JPEG"] = (*table["MPO"], *table["JPEG"]), (*table["JPEG"], ".mpo")
    table["BMP"] = (*table["BMP"], ".dib")
    return table


@functools.cache
def photo_suffixes() -> tuple[str, ...]:
    """The suffixes of all files that are taken for photos."""
    return tuple(sorted({suffix for suffixes in suffixes_by_format().values() for suffix in suffixes}))


def missing_decoder(suffix: str) -> str | None:
    """What to do about photos of this suffix that cannot be read here; None for any other file."""
    if suffix in photo_suffixes():
        return None
    return {**dict.fromkeys(_HEIF_SUFFIXES, _HEIF_HINT), **dict.fromkeys(_AVIF_SUFFIXES, _AVIF_HINT)}.get(suffix)


def describe_unknown(content: bytes) -> str:
    """What bytes are that no decoder here takes, and what to do: the rest of a sentence about a photo."""
    if content[4:8] != b"ftyp":
        return (
            f"is not a photo (it begins with {content[:8]!r}). Convert it to one of {', '.join(readable_formats())}, "
            "or remove it"
        )
    if content[8:12] in (b"avif", b"avis"):
        return f"is an AVIF photo. To use such photos, {_AVIF_HINT}"
    return f"is a HEIC photo. To use such photos, {_HEIF_HINT}"
