"""A model whose outputs are in another order than the classes: no file with the wrong labels is written."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from edgekd.cli import group
from edgekd.errors import GateFailed

# Colour, red, green and blue of its photos, and the number of its output.
COLOURS = {"blue": ((20, 20, 220), 1), "green": ((20, 220, 20), 2), "red": ((220, 20, 20), 0)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name, (colour, _) in COLOURS.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = np.clip(np.array(colour) + random.integers(-20, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).resize((24 + number, 24)).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def red_blue_green(path: Path) -> Path:
    """A classifier of the mean colour, of pixels 0 to 255."""
    image = keras.Input((16, 16, 3))
    scaled = keras.layers.Rescaling(1 / 255)(image)
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 1)(scaled))
    logits = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(image, logits(pooled))
    weights = [np.eye(3, 4)[np.newaxis, np.newaxis], np.zeros(4), np.zeros((4, 3)), np.zeros(3)]
    for channel, name in enumerate(("red", "green", "blue")):
        weights[2][channel, COLOURS[name][1]] = 8
    model.set_weights(weights)
    model.save(path)
    return path


def test_nothing_is_written_until_the_order_is_given(photos: Path, tmp_path: Path) -> None:
    model, out = red_blue_green(tmp_path / "model.keras"), tmp_path / "out"
    argv = ["export", str(model), "--data", str(photos), "--out", str(out), "--format", "tflite"]
    with pytest.raises(GateFailed, match="--classes red,blue,green"):
        group.main(argv, standalone_mode=False)
    assert not out.exists()
    group.main([*argv, "--classes", "red,blue,green"], standalone_mode=False)
    assert [path.name for path in out.glob("*.tflite")] == ["model.float32.tflite"]
