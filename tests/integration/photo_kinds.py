"""A hundred photos of all the kinds that people have: real ones and made ones, stored again in each kind."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.golden.encode import encode_png, pack_rows
from edgekd.golden.photos import pattern

OF_EACH = 10
# A folder of larger photos for those who have some; without it, crops of traffic lights take their place.
ROAD = Path(os.environ.get("EDGEKD_ROAD_PHOTOS", os.devnull))
Pixels = NDArray[np.uint8]
Save = Callable[[Path, Pixels, int], None]


def write_photos(out: Path, road: Path = ROAD) -> list[Path]:
    """Write them to ``out`` as KIND-NN.SUFFIX; the same in every run on machines that have the same photos.

    Of each kind six are crops of traffic lights, two whole streets where ``road`` holds any (else crops), two made ones
    of up to 1.2 megapixels. Raises DataError where the traffic lights are not installed.
    """
    out.mkdir(parents=True, exist_ok=True)
    sources = _lights(), sorted(road.rglob("*.jp*g"))
    written = []
    for kind, (suffix, save) in KINDS.items():
        for number in range(OF_EACH):
            path = out / f"{kind}-{number:02d}{suffix}"
            save(path, _pixels(sources, kind, number), number)
            written.append(path)
    return sorted(written)


def kind_of(path: Path) -> str:
    """The kind in a written file's name."""
    return path.stem.rpartition("-")[0]


def _lights() -> list[Path]:
    folder, _ = traffic_light_folders()
    return [path for colour in ("green", "red", "yellow") for path in sorted((folder / colour).iterdir())[::7]]


def _pixels(sources: tuple[Sequence[Path], Sequence[Path]], kind: str, number: int) -> Pixels:
    lights, roads = sources
    seed = list(KINDS).index(kind) * OF_EACH + number
    if number >= 8:
        return pattern(640 + 97 * (seed % 9), 480 + 61 * (seed % 7), seed=seed)
    found = roads if roads and number >= 6 else lights
    with Image.open(found[seed * 5 % len(found)]) as image:
        return np.array(image.convert("RGB"))


def _noise(pixels: Pixels, number: int) -> Pixels:
    return np.random.default_rng(number).integers(0, 256, pixels.shape[:2], dtype=np.uint8)


def _jpeg(path: Path, pixels: Pixels, number: int) -> None:
    chroma = ("4:2:0", "4:2:2", "4:4:4")[number % 3]
    Image.fromarray(pixels).save(path, quality=60 + 4 * number, subsampling=chroma)


def _progressive(path: Path, pixels: Pixels, number: int) -> None:
    Image.fromarray(pixels).save(path, quality=95 - 5 * number, progressive=True, subsampling=2 - number % 3)


def _turned(path: Path, pixels: Pixels, number: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 2 + number % 7
    Image.fromarray(pixels).save(path, quality=90, exif=exif)


def _grey(path: Path, pixels: Pixels, number: int) -> None:
    Image.fromarray(pixels).convert("L").save(path, quality=90, progressive=number % 2 == 1)


def _cmyk(path: Path, pixels: Pixels, number: int) -> None:
    inks = 255 - pixels
    black = np.minimum(inks.min(axis=-1), 20 * number).astype(np.uint8)
    Image.fromarray(np.dstack([inks - black[..., np.newaxis], black]), "CMYK").save(path, quality=90)


def _alpha(path: Path, pixels: Pixels, number: int) -> None:
    ramp = np.linspace(0, 255, pixels.shape[1]).astype(np.uint8)
    alpha = np.where(_noise(pixels, number) < 128, ramp, 255).astype(np.uint8)
    Image.fromarray(np.dstack([pixels, alpha])).save(path)


def _palette(path: Path, pixels: Pixels, number: int) -> None:
    colours = (256, 16, 4, 2)[number % 4]
    clear = {"transparency": bytes(range(0, 256, 2))[:colours]} if number % 2 else {}
    Image.fromarray(pixels).quantize(colours).save(path, **clear)


def _deep(path: Path, pixels: Pixels, number: int) -> None:
    low = np.random.default_rng(number).integers(0, 256, pixels.shape, dtype=np.uint8)
    samples = pixels.astype(np.uint16) << 8 | low
    if number % 3 == 2:
        samples = samples[..., 0]
    size = (pixels.shape[1], pixels.shape[0])
    path.write_bytes(encode_png(size, 16, 0 if samples.ndim == 2 else 2, pack_rows(samples, 16)))


def _webp(path: Path, pixels: Pixels, number: int) -> None:
    Image.fromarray(pixels).save(path, quality=50 + 5 * number)


def _webp_lossless(path: Path, pixels: Pixels, number: int) -> None:
    image = Image.fromarray(np.dstack([pixels, _noise(pixels, number)]) if number % 2 else pixels)
    image.save(path, lossless=True, exact=True)


# Kind: the suffix, and what writes it. The first word of a kind is the format.
KINDS: dict[str, tuple[str, Save]] = {
    "jpeg-baseline": (".jpg", _jpeg),
    "jpeg-progressive": (".jpg", _progressive),
    "jpeg-exif-rotated": (".jpg", _turned),
    "jpeg-grey": (".jpg", _grey),
    "jpeg-cmyk": (".jpg", _cmyk),
    "png-alpha": (".png", _alpha),
    "png-palette": (".png", _palette),
    "png-16-bit": (".png", _deep),
    "webp-lossy": (".webp", _webp),
    "webp-lossless": (".webp", _webp_lossless),
}
