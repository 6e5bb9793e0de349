"""A user's folder of photos with several tags, the colours that they show, and a teacher of sigmoids that sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from composed_photos import SPLITS, compose_photos
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from support import Project

COLOURS = ("blue", "green", "red")
_PHOTOS = {"train": 48, "val": 24, "test": 32}
_SIDE = 40
RECIPE = """
name = "tags"
[data]
source = "tags.csv"
task = "multi-label"
[data.views]
views = 2
flip = true
[teacher]
model = "colours.onnx"
classes = ["red", "green", "blue"]
pixel_range = [0, 1]
mirror = true
[student]
model = "cnn:4@32"
allow_larger = true
[distill.schedule]
epochs = 12
batch_size = 16
learning_rate = 0.02
[export]
calibration = 16
[bench]
launches = 2
seconds_per_launch = 0.05
warmup_max_s = 0.05
"""


def colour_tags(here: Path) -> Project:
    """``tags.csv`` with its photos, ``colours.onnx`` and the recipe ``tags.toml`` in ``here``."""
    rng = np.random.default_rng(0)
    parts: dict[str, dict[str, list[Path]]] = {split: {} for split in SPLITS}
    for split in SPLITS:
        for channel, colour in enumerate(("red", "green", "blue")):
            folder = here / "parts" / split / colour
            folder.mkdir(parents=True)
            for number in range(6):
                _save_noise(folder / f"{number}.png", rng, channel)
            parts[split][colour] = sorted(folder.iterdir())
    grey = [here / "parts" / f"grey-{number}.png" for number in range(4)]
    for path in grey:
        _save_noise(path, rng, None)
    compose_photos(here, parts, _PHOTOS, without={"train": grey[:2], "test": grey[2:]}, side=_SIDE)
    save_teacher(here / "colours.onnx")
    (here / "tags.toml").write_text(RECIPE, encoding="utf-8")
    return Project(here)


def save_teacher(path: Path, ending: str = "Sigmoid") -> None:
    """A network of pixels 0..1 [N, 3, 40, 40] to a score of red, green and blue, by how much of each there is."""
    others = np.full((3, 3, 1, 1), -0.5, np.float32)
    others[range(3), range(3)] = 1
    weights = {
        "others": others, "gain": 60 * np.eye(3, dtype=np.float32), "shift": np.full(3, -2, np.float32),
    }  # fmt: skip
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "others"], ["more"]),
            helper.make_node("Relu", ["more"], ["shown"]),
            helper.make_node("GlobalAveragePool", ["shown"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["row"]),
            helper.make_node("Gemm", ["row", "gain", "shift"], ["logits"]),
            helper.make_node(ending, ["logits"], ["scores"]),
        ],
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, _SIDE, _SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def _save_noise(path: Path, rng: np.random.Generator, channel: int | None) -> None:
    pixels = rng.integers(60, 120, (_SIDE, _SIDE, 1)).repeat(3, axis=2)
    if channel is not None:
        pixels[..., channel] += 100
    Image.fromarray(pixels.astype(np.uint8)).save(path)
