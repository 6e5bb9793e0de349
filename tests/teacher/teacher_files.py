"""One small classifier of pixels 0..1 in every format that a teacher may come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tiny_student import smooth_images, spread_head

CLASSES = ("apple", "moon", "zebra")
SIZE = 32
PHOTOS = smooth_images(24, SIZE)


def photos_at(size: tuple[int, int]) -> np.ndarray:
    """The same photos at any size."""
    from edgekd.preprocess import resample

    return np.stack([resample(photo, *size) for photo in PHOTOS])


def build(ending: str = "softmax", *, size: int | None = SIZE, classes: int = 3) -> Any:
    """Pixels 0..1 to ``ending``: logits, softmax, layer, nested, twice, hidden, sigmoid."""
    keras.utils.set_random_seed(3)
    image = keras.Input((size, size, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3, strides=2, activation="relu")(image))
    activation = ending if ending in ("softmax", "sigmoid") else None
    head = keras.layers.Dense(classes, activation=activation)
    model = keras.Model(image, head(pooled), name="net")
    if classes > 1:
        spread_head(head, np.asarray(keras.Model(image, pooled)(PHOTOS / np.float32(255))))
    if ending == "hidden":
        # An exponential over its sum: a softmax that no name gives away.
        raised = keras.ops.exp(model.output)
        return keras.Model(image, raised / keras.ops.sum(raised, axis=1, keepdims=True))
    if ending in ("layer", "nested", "twice"):
        layers = [keras.layers.Softmax()] * (2 if ending == "twice" else 1)
        x = model.output
        for layer in layers:
            x = type(layer)()(x)
        model = keras.Model(image, x, name="net")
    if ending == "nested":
        outer = keras.Input((size, size, 3))
        return keras.Sequential([keras.layers.Input((size, size, 3)), keras.Model(outer, model(outer))])
    return model


def logits_of_net(images: np.ndarray = PHOTOS) -> np.ndarray:
    """What `build` is worth, in float32 logits up to a constant a row."""
    return np.asarray(build("logits")(images / np.float32(255)))


def same_logits(logits: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, a constant a row aside."""
    return float(np.abs((logits - logits.mean(1, keepdims=True)) - (expected - expected.mean(1, keepdims=True))).max())


def save_onnx(path: Path, ending: str = "Softmax", *, batch: int | str = "N", side: int | str = SIZE) -> Path:
    """The network as PyTorch would export it: channels first."""
    conv, dense = (layer for layer in build("logits").layers if layer.weights)
    kernel, bias = conv.get_weights()
    head, head_bias = dense.get_weights()
    constants = {"k": kernel.transpose(3, 2, 0, 1), "b": bias, "h": head, "c": head_bias}
    nodes = [
        helper.make_node("Conv", ["image", "k", "b"], ["x"], strides=[2, 2]),
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "h", "c"], ["z"]),
    ]
    last = "z"
    for number, op in enumerate(ending.split()):
        nodes.append(helper.make_node(op, [last], [f"s{number}"], **({"axis": 1} if op == "Softmax" else {})))
        last = f"s{number}"
    graph = helper.make_graph(
        nodes, "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [batch, 3])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
