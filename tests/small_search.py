"""Photos of two classes, a tiny teacher of four blocks, and a recipe that searches its student."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

RECIPE = """
[data]
source = "photos"
split = { val = 0.25, test = 0.2 }
views = { views = 2 }
[teacher]
model = "teacher.keras"
pixel_range = [0, 255]
accept_weak = true
fine_tune_blocks = 0
[student]
model = "auto"
[student.budget]
max_parameters = %s
minutes = 30
[distill]
schedule = { epochs = 2, batch_size = 8 }
"""
SIZE = 32
BLOCKS = ((8, 1), (8, 1), (16, 2), (16, 1))
"""Channels and stride of each inverted residual block of the teacher."""


def teacher(blocks: Sequence[tuple[int, int]] = BLOCKS, classes: int = 2) -> Any:
    """A stem, inverted residual blocks and a head."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False, name="stem_conv")(image)
    for number, (filters, stride) in enumerate(blocks, 1):
        name, skip = f"block{number}", x
        for part in (
            layers.Conv2D(32, 1, use_bias=False, name=f"{name}_expand"), layers.BatchNormalization(name=f"{name}_bn1"),
            layers.ReLU(6.0, name=f"{name}_relu1"),
            layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=f"{name}_depthwise"),
            layers.BatchNormalization(name=f"{name}_bn2"), layers.ReLU(6.0, name=f"{name}_relu2"),
            layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project"),
            layers.BatchNormalization(name=f"{name}_bn3"),
        ):  # fmt: skip
            x = part(x)
        if stride == 1:
            x = layers.Add(name=f"{name}_add")([skip, x])
    return keras.Model(image, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)))


def make_search(here: Path, blocks: Sequence[tuple[int, int]] = BLOCKS) -> Path:
    """A folder with ``photos`` and ``teacher.keras``."""
    random = np.random.default_rng(0)
    for name, low in (("dark", 60), ("light", 130)):
        (here / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(low, low + 60, (SIZE, SIZE, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(here / "photos" / name / f"{number}.png")
    teacher(blocks).save(here / "teacher.keras")
    return here
