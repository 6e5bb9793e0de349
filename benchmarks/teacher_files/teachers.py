"""Small classifiers of traffic lights as a user would have them: trained in Keras, saved in several formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
SIZE = 32
# Outputs of the classifier that knows many more classes than the photos have.
MANY = 1001


@dataclass(frozen=True)
class Teacher:
    """One file: the ``[teacher]`` table that names it, and what it is by itself.

    ``probabilities`` gives [N, C] of the data's classes for photos [N, 32, 32, 3], by Keras, before any conversion.
    """

    name: str
    what: str
    table: dict[str, Any]
    classes: tuple[str, ...]
    probabilities: Callable[[Images], npt.NDArray[np.float64]]


def train(images: Images, labels: npt.NDArray[np.int64], classes: int, epochs: int, *, adapted: bool) -> Any:
    """A network of pixels 0..255 behind an adapted `Normalization`, or of 0..1; of two classes, with one sigmoid."""
    import keras

    keras.utils.set_random_seed(11)
    pixels = images.astype(np.float32) / (1 if adapted else 255)
    image = x = keras.Input((SIZE, SIZE, 3))
    if adapted:
        first = keras.layers.Normalization()
        first.adapt(pixels)
        x = first(x)
    for number, filters in enumerate((16, 32)):
        x = keras.layers.Conv2D(filters, 3, strides=2, activation="relu", name=f"conv{number}")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    head = keras.layers.Dense(1, "sigmoid") if classes == 2 else keras.layers.Dense(classes, "softmax")
    model = keras.Model(image, head(x))
    loss = "binary_crossentropy" if classes == 2 else "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(3e-3), loss)
    model.fit(pixels, labels, epochs=epochs, batch_size=16, verbose=0)
    return model


def save_tflite(path: Path, model: Any, images: Images | None = None) -> Path:
    """A float .tflite, or with calibration ``images`` one whose input, output and ops are int8."""
    import tensorflow as tf

    from edgekd.quiet import quiet

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if images is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None] / np.float32(255)] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    with quiet():
        path.write_bytes(converter.convert())
    return path


def save_onnx(path: Path, model: Any) -> Path:
    """The network as PyTorch would export it: channels first, any number of images."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    first, second, head = (layer for layer in model.layers if layer.weights)
    constants = {}
    for name, layer in (("a", first), ("b", second)):
        kernel, bias = layer.get_weights()
        constants |= {f"{name}_kernel": kernel.transpose(3, 2, 0, 1), f"{name}_bias": bias}
    constants["kernel"], constants["bias"] = head.get_weights()
    nodes = [
        helper.make_node("Conv", ["image", "a_kernel", "a_bias"], ["a"], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["ar"]),
        helper.make_node("Conv", ["ar", "b_kernel", "b_bias"], ["b"], strides=[2, 2]),
        helper.make_node("Relu", ["b"], ["br"]),
        helper.make_node("GlobalAveragePool", ["br"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "kernel", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    graph = helper.make_graph(
        nodes, "lights",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", int(head.units)])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def with_more_outputs(model: Any) -> Any:
    """The same network with outputs for classes that none of the photos has, as one of ImageNet has."""
    import keras

    last = model.layers[-1]
    kernel, bias = last.get_weights()
    others = MANY - kernel.shape[1]
    head = keras.layers.Dense(MANY, "softmax")
    many = keras.Model(model.input, head(last.input))
    # Far less likely than any of the classes that there are.
    head.set_weights([np.pad(kernel, ((0, 0), (0, others))), np.pad(bias, (0, others), constant_values=-12.0)])
    return many
