"""Small encoders as PyTorch would export them: a convolution of the photo, and what is made of its maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS, SIDE = 6, 24


def kernel() -> np.ndarray:
    """The convolution's weights [3, 3, 3, C], channels last as Keras has them."""
    return np.random.default_rng(4).normal(size=(3, 3, 3, CHANNELS)).astype(np.float32)


def node(op: str, source: str, result: str, *more: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, [source, *more], [result], **attributes)


_MAPS = node("Relu", "x", "maps")
_TOKENS = [
    node("Reshape", "maps", "flat", "shape"), node("Transpose", "flat", "tokens", perm=[0, 2, 1]),
]  # fmt: skip
_VECTOR = [node("GlobalAveragePool", "maps", "p"), node("Flatten", "p", "vector")]
OUTPUTS: dict[str, list[onnx.NodeProto]] = {
    "vector": _VECTOR,
    "maps": [],
    "tokens": _TOKENS,
    "last": [node("Transpose", "maps", "last", perm=[0, 2, 3, 1])],
    "constant": [*_VECTOR, node("Mul", "vector", "constant", "zero")],
    "nan": [*_VECTOR, node("Mul", "vector", "zeroed", "zero"), node("Div", "zeroed", "nan", "zeroed")],
}


def save_encoder(path: Path, outputs: Sequence[str] = ("vector",), *, side: int = SIDE) -> Path:
    """An encoder of pixels 0..1, [N, 3, side, side], with some outputs of `OUTPUTS`."""
    constants = {
        "k": np.ascontiguousarray(kernel().transpose(3, 2, 0, 1)), "zero": np.zeros(1, np.float32),
        "shape": np.array([0, CHANNELS, -1], np.int64),
    }  # fmt: skip
    nodes = {step.output[0]: step for name in outputs for step in OUTPUTS[name]}
    used = {name for step in nodes.values() for name in step.input} | {"k"}
    graph = helper.make_graph(
        [node("Conv", "image", "x", "k", strides=[2, 2]), _MAPS, *nodes.values()], "encoder",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, side, side])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    return path


def keras_encoder_model() -> Any:
    """The same network in Keras, to a vector."""
    import keras

    image = keras.Input((SIDE, SIDE, 3))
    layer = keras.layers.Conv2D(CHANNELS, 3, strides=2, activation="relu", use_bias=False)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(layer(image)))
    layer.set_weights([kernel()])
    return model
