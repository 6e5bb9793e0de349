"""Photos for the tests of data: each seed gives one that no perceptual hash takes for another."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def pixels(seed: int, height: int = 24, width: int = 32) -> np.ndarray:
    """A blurred random pattern, uint8 [height, width, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def content(seed: int, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of such a photo."""
    stream = io.BytesIO()
    Image.fromarray(pixels(seed)).save(stream, kind, **options)
    return stream.getvalue()


def write(path: Path, data: bytes) -> Path:
    """Write a file and the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def class_folders(root: Path, counts: dict[str, int], first_seed: int = 0) -> Path:
    """A folder per class of distinct PNGs, named 000.png and on."""
    seed = first_seed
    for name, count in counts.items():
        for number in range(count):
            write(root / name / f"{number:03d}.png", content(seed))
            seed += 1
    return root
