"""Keras 3's layers and ops, each with what makes the same of tf_keras layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ModelError
from edgekd.quantize.tfmot import own_layers, tf_keras

# What only training looks at, and what tf_keras calls otherwise.
_DROPPED = ("dtype", "trainable", "synchronized", "name", "activation")
_SAME = (
    "Conv2D", "DepthwiseConv2D", "Dense", "ReLU", "Concatenate", "ZeroPadding2D", "GlobalAveragePooling2D",
    "GlobalMaxPooling2D", "AveragePooling2D", "MaxPooling2D", "Flatten", "Reshape",
)  # fmt: skip
_SUMS = ("Add", "Multiply", "Subtract")
# Dropout is for a student's own training: a short fine-tune towards a teacher's answers does without.
NOTHING_AT_INFERENCE = ("Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "Identity")


class Growing:
    """The tf_keras layers called so far.

    ``softmax`` is the operation that ends the Keras 3 model, ``copies`` the layers that still lack their weights.
    """

    def __init__(self, softmax: Any) -> None:
        self.softmax = softmax
        self.copies: list[tuple[Any, list[NDArray[Any]]]] = []
        self.origin: dict[str, Any] = {}
        self._names: set[str] = set()

    def finish(self) -> None:
        """Give every layer its weights."""
        for layer, weights in self.copies:
            layer.set_weights(weights)

    def add(self, kind: Any, name: str, *inputs: Any, **config: Any) -> Any:
        """Call a new layer of a name that is not taken yet."""
        free, number = name, 1
        while free in self._names:
            free, number = f"{name}_{number}", number + 1
        self._names.add(free)
        return kind(**config, name=free)(inputs[0] if len(inputs) == 1 else list(inputs))

    def own(self, kind: str, name: str, x: Any, **config: Any) -> Any:
        """Call one of this package's own layers."""
        return self.add(own_layers()[kind], name, x, **config)

    def copied(self, kind: Any, source: Any, name: str, x: Any, weights: list[NDArray[Any]], **config: Any) -> Any:
        """Call a new layer that gets ``weights``, made of the Keras 3 layer ``source``."""
        y = self.add(kind, name, x, **config)
        layer = y._keras_history.layer
        self.copies.append((layer, weights))
        self.origin[layer.name] = source
        return y


def no_way(operation: Any, why: str) -> ModelError:
    """That an operation has no counterpart, and what to do."""
    return ModelError(
        f"the layer {operation.name} ({type(operation).__name__}) can't be trained quantization-aware: {why}. Replace "
        f"it by one of {', '.join(sorted(EMITTERS))}, or quantize after training (leave quantize.qat out)"
    )


def activation_name(operation: Any) -> str:
    """The activation at an operation's end, "linear" where it has none."""
    activation = getattr(operation, "activation", None)
    return "linear" if activation is None else str(getattr(activation, "__name__", activation))


def _config(layer: Any, kind: Any) -> dict[str, Any]:
    """What the tf_keras class of that name takes of a Keras 3 layer's config."""
    taken = inspect.signature(kind.__init__).parameters
    return {
        key: value
        for key, value in layer.get_config().items()
        if key in taken and key not in _DROPPED and not key.endswith(("_initializer", "_regularizer", "_constraint"))
    }


def _same(made: Growing, layer: Any, *args: Any, **kwargs: Any) -> Any:
    """A layer whose class of the same name in tf_keras does the same, and its activation behind it."""
    kind = getattr(tf_keras().layers, type(layer).__name__)
    inputs = args[0] if isinstance(args[0], (list, tuple)) else args
    weights, config = layer.get_weights(), _config(layer, kind)
    if weights:
        y = made.copied(kind, layer, layer.name, inputs[0], weights, **config)
    else:
        y = made.add(kind, layer.name, *inputs, **config)
    return y if layer is made.softmax else _activated(made, layer, activation_name(layer), y)


def _batch_norm(made: Growing, layer: Any, x: Any) -> Any:
    kind = own_layers()["FixedMoments"]
    config = _config(layer, tf_keras().layers.BatchNormalization)
    return made.copied(kind, layer, layer.name, x, layer.get_weights(), **config)


def _separable(made: Growing, layer: Any, x: Any) -> Any:
    layers, config, weights = tf_keras().layers, layer.get_config(), layer.get_weights()
    shared = {key: config[key] for key in ("strides", "padding", "dilation_rate", "depth_multiplier", "kernel_size")}
    x = made.copied(layers.DepthwiseConv2D, layer, f"{layer.name}_depthwise", x, weights[:1], use_bias=False, **shared)
    pointwise = {"filters": config["filters"], "kernel_size": 1, "use_bias": config["use_bias"]}
    x = made.copied(layers.Conv2D, layer, f"{layer.name}_pointwise", x, weights[1:], **pointwise)
    return _activated(made, layer, activation_name(layer), x)


def _activation(made: Growing, layer: Any, x: Any) -> Any:
    return _activated(made, layer, activation_name(layer), x, layer.name)


def _activated(made: Growing, layer: Any, name: str, x: Any, call_it: str = "") -> Any:
    """``x`` behind the activation of that name; sums and products where TFLite has no one op for it."""
    layers, own = tf_keras().layers, call_it or f"{layer.name}_{name}"
    if name == "linear":
        return x
    if name in ("relu", "relu6"):
        return made.add(layers.ReLU, own, x, max_value=6.0 if name == "relu6" else None)
    if name in ("hard_silu", "hard_swish"):
        return made.own("HardSwish", own, x)
    if name == "hard_sigmoid":
        shifted = made.own("Shift", f"{own}_shift", x, value=3.0)
        return made.own("Scale", own, made.add(layers.ReLU, f"{own}_relu6", shifted, max_value=6.0), value=1 / 6)
    if name in ("sigmoid", "tanh"):
        return made.add(layers.Activation, own, x, activation=name)
    if name in ("silu", "swish"):
        gate = made.add(layers.Activation, f"{own}_sigmoid", x, activation="sigmoid")
        return made.add(layers.Multiply, own, x, gate)
    raise no_way(layer, f"its activation is {name}")


def _relu_op(made: Growing, operation: Any, x: Any) -> Any:
    return _activated(made, operation, type(operation).__name__.lower(), x, operation.name)


def _named_op(name: str) -> Callable[..., Any]:
    return lambda made, operation, x: _activated(made, operation, name, x, operation.name)


def _leaky(made: Growing, layer: Any, x: Any) -> Any:
    return made.add(tf_keras().layers.LeakyReLU, layer.name, x, alpha=float(layer.negative_slope))


def _affine(made: Growing, name: str, x: Any, scale: Any, offset: Any) -> Any:
    """scale · x + offset, by numbers or by one a channel."""
    scale, offset = np.squeeze(np.asarray(scale, np.float64)), np.squeeze(np.asarray(offset, np.float64))
    if np.any(scale != 1):
        x = made.own("Scale", name, x, value=scale.tolist())
    return made.own("Shift", f"{name}_shift", x, value=offset.tolist()) if np.any(offset != 0) else x


def _rescaling(made: Growing, layer: Any, x: Any) -> Any:
    return _affine(made, layer.name, x, layer.scale, layer.offset)


def _normalization(made: Growing, layer: Any, x: Any) -> Any:
    mean, spread = np.asarray(layer.mean, np.float64), np.sqrt(np.asarray(layer.variance, np.float64))
    spread = np.maximum(spread, 1e-7)
    return _affine(made, layer.name, x, 1 / spread, -mean / spread)


def _arithmetic(kind: str) -> Callable[..., Any]:
    """An op of two tensors, or of a tensor and a number."""

    def emit(made: Growing, operation: Any, x: Any, y: Any) -> Any:
        symbolic = [hasattr(value, "_keras_history") for value in (x, y)]
        if all(symbolic):
            if kind == "Divide":
                raise no_way(operation, "it divides by a tensor")
            return made.add(getattr(tf_keras().layers, kind), operation.name, x, y)
        if not symbolic[0] and kind in ("Subtract", "Divide"):
            raise no_way(operation, f"a constant stands first in {kind.lower()}")
        tensor, value = (x, y) if symbolic[0] else (y, x)
        number = np.asarray(value, np.float64)
        if kind in ("Add", "Subtract"):
            return _affine(made, operation.name, tensor, 1.0, number if kind == "Add" else -number)
        return _affine(made, operation.name, tensor, number if kind == "Multiply" else 1 / number, 0.0)

    return emit


def _both(layer: Callable[..., Any], op: Callable[..., Any]) -> Callable[..., Any]:
    """Keras has a layer and an op of that name."""

    def emit(made: Growing, operation: Any, *args: Any, **kwargs: Any) -> Any:
        import keras

        return (layer if isinstance(operation, keras.layers.Layer) else op)(made, operation, *args, **kwargs)

    return emit


EMITTERS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(_SAME, _same),
    **{kind: _both(_same, _arithmetic(kind)) for kind in _SUMS},
    "BatchNormalization": _batch_norm,
    "SeparableConv2D": _separable,
    "Activation": _activation,
    "LeakyReLU": _leaky,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    "Relu": _relu_op,
    "Relu6": _relu_op,
    "Sigmoid": _named_op("sigmoid"),
    "Tanh": _named_op("tanh"),
    "Silu": _named_op("silu"),
    "HardSigmoid": _named_op("hard_sigmoid"),
    "HardSilu": _named_op("hard_silu"),
    "Divide": _arithmetic("Divide"),
    "TrueDivide": _arithmetic("Divide"),
}
