"""Cameras' photos without labels, a list of them in which two can't be read, and a small .onnx teacher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tiny_student import smooth_images

CLASSES = ("apple", "moon", "zebra")
RECIPE = f"""
name = "cameras"
[data]
source = "labelled"
unlabelled = "cameras"
views = {{ views = 2 }}
[teacher]
model = "teacher.onnx"
classes = {list(CLASSES)}
pixel_range = [0, 1]
[student]
model = "cnn:4@32"
[distill]
labels = "none"
"""


def save_onnx(path: Path) -> None:
    """A classifier by the colours of a photo's quarters, as PyTorch would export it."""
    kernel = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32) * 4
    nodes = [
        helper.make_node("AveragePool", ["image"], ["quarters"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["quarters"], ["flat"]),
        helper.make_node("MatMul", ["flat", "kernel"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])]
        for name, shape in (("image", (3, 32, 32)), ("probabilities", (3,)))
    ]
    graph = helper.make_graph(nodes, "net", *ends, [numpy_helper.from_array(kernel, "kernel")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def make_cameras(here: Path, photos: int) -> Path:
    """A folder with ``cameras.toml``, 45 labelled photos, ``cameras``, and ``list.txt`` of these and 2 others."""
    for number, photo in enumerate(smooth_images(photos + 45, 40)):
        kind = "cameras" if number < photos else f"labelled/{CLASSES[number % 3]}"
        (here / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(here / kind / f"{number:04d}.png")
    save_onnx(here / "teacher.onnx")
    (here / "cameras.toml").write_text(RECIPE, encoding="utf-8")
    (here / "half.png").write_bytes((here / "cameras" / "0000.png").read_bytes()[:200])
    names = [f"cameras/{number:04d}.png" for number in range(photos)]
    (here / "list.txt").write_text("\n".join([*names[: photos // 2], "half.png", "gone.png", *names[photos // 2 :]]))
    return here
