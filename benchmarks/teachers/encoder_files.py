"""Encoders to be given to edgekd as files: networks cut before their heads, and one of known geometry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgekd.models import efficientnet_lite
from edgekd.quiet import quiet
from edgekd.teacher.transfer import features_of

_OPSET = 17


def cut(name: str, size: int) -> Any:
    """A built-in network of pixels 0..255 before its last layer."""
    return features_of(efficientnet_lite.build(size, name=name))


def projected(network: Any, dimensions: int) -> Any:
    """``network`` with its features projected onto ``dimensions`` random directions at right angles to each other."""
    import keras

    random = np.random.default_rng(0).normal(size=(network.output_shape[-1], dimensions))
    directions, _ = np.linalg.qr(random)
    layer = keras.layers.Dense(dimensions, use_bias=False, name="projection")
    model = keras.Model(network.inputs, layer(network.output))
    layer.set_weights([directions.astype(np.float32)])
    return model


def save_onnx(path: Path, model: Any) -> Path:
    """The model as PyTorch would export it: channels first."""
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="image")]
    with quiet():
        function = tf.function(lambda image: model(image, training=False), input_signature=signature)
        graph, _ = tf2onnx.convert.from_function(
            function, input_signature=signature, opset=_OPSET, inputs_as_nchw=["image"]
        )
    path.write_bytes(graph.SerializeToString())
    return path
