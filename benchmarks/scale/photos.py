"""The photos of this benchmark: seeded crops of the quickstart's traffic lights."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from edgekd.data.traffic_lights import traffic_light_folders


def photo_name(number: int) -> str:
    """A thousand to a folder."""
    return f"{number // 1000:04d}/{number:07d}.jpg"


def make_photos(folder: Path, count: int) -> None:
    """Seeded crops of real photos, 48 x 48, as JPEG."""
    if (folder / photo_name(count - 1)).is_file():
        return
    sources = [path for top in traffic_light_folders() for path in sorted(top.rglob("*.jpg"))]
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in sources]
    pictures = [picture for picture in pictures if min(picture.shape[:2]) >= 24]
    for number in range(count):
        path = folder / photo_name(number)
        if path.is_file():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        chance = np.random.default_rng(number)
        picture = pictures[number % len(pictures)]
        side = int(chance.integers(16, min(picture.shape[:2]) + 1))
        top, left = (int(chance.integers(0, size - side + 1)) for size in picture.shape[:2])
        stream = io.BytesIO()
        Image.fromarray(picture[top : top + side, left : left + side]).resize((48, 48)).save(stream, "JPEG", quality=90)
        path.write_bytes(stream.getvalue())
