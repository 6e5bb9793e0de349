"""Keras 3's layers and ops, each with the tf_keras layers that compute the same."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ModelError
from edgekd.quantize.tfmot import custom_layers, tf_keras

# Config that matters only in training, or that tf_keras names differently.
_DROPPED = ("dtype", "trainable", "synchronized", "name", "activation")
_SAME = (
    "Conv2D", "DepthwiseConv2D", "Dense", "ReLU", "Concatenate", "ZeroPadding2D", "GlobalAveragePooling2D",
    "GlobalMaxPooling2D", "AveragePooling2D", "MaxPooling2D", "Flatten", "Reshape",
)  # fmt: skip
_SUMS = ("Add", "Multiply", "Subtract")
# A short fine-tune on soft targets does without dropout.
NOTHING_AT_INFERENCE = ("Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "Identity")


class LayerBuilder:
    """Builds the tf_keras layers.

    ``ending`` is the last operation of the Keras 3 model, ``copies`` the layers whose weights are not set yet.
    """

    def __init__(self, ending: Any) -> None:
        self.ending = ending
        self.copies: list[tuple[Any, list[NDArray[Any]]]] = []
        self.origin: dict[str, Any] = {}
        self._names: set[str] = set()

    def finish(self) -> None:
        """Give every layer its weights."""
        for layer, weights in self.copies:
            layer.set_weights(weights)

    def add(self, kind: Any, name: str, *inputs: Any, **config: Any) -> Any:
        """Call a new layer, under a unique name."""
        unique_name, number = name, 1
        while unique_name in self._names:
            unique_name, number = f"{name}_{number}", number + 1
        self._names.add(unique_name)
        return kind(**config, name=unique_name)(inputs[0] if len(inputs) == 1 else list(inputs))

    def add_custom(self, kind: str, name: str, x: Any, **config: Any) -> Any:
        """Call one of ``custom_layers``."""
        return self.add(custom_layers()[kind], name, x, **config)

    def add_copy(self, kind: Any, source: Any, name: str, x: Any, weights: list[NDArray[Any]], **config: Any) -> Any:
        """Call a new layer with ``weights`` of the Keras 3 layer ``source``."""
        y = self.add(kind, name, x, **config)
        layer = y._keras_history.layer
        self.copies.append((layer, weights))
        self.origin[layer.name] = source
        return y


def unsupported_layer(operation: Any, why: str) -> ModelError:
    """Return the error for an operation without a counterpart."""
    return ModelError(
        f"the layer {operation.name} ({type(operation).__name__}) can't be trained quantization-aware: {why}. Replace "
        f"it by one of {', '.join(sorted(EMITTERS))}, or quantize after training (leave quantize.qat out)"
    )


def activation_name(operation: Any) -> str:
    """Name of an operation's activation, "linear" if it has none."""
    activation = getattr(operation, "activation", None)
    return "linear" if activation is None else str(getattr(activation, "__name__", activation))


def _config(layer: Any, kind: Any) -> dict[str, Any]:
    """The part of a Keras 3 layer's config that the tf_keras class accepts."""
    parameters = inspect.signature(kind.__init__).parameters
    return {
        key: value
        for key, value in layer.get_config().items()
        if key in parameters
        and key not in _DROPPED
        and not key.endswith(("_initializer", "_regularizer", "_constraint"))
    }


def _same(builder: LayerBuilder, layer: Any, *args: Any, **kwargs: Any) -> Any:
    """A layer with the same class in tf_keras, followed by its activation."""
    kind = getattr(tf_keras().layers, type(layer).__name__)
    inputs = args[0] if isinstance(args[0], (list, tuple)) else args
    weights, config = layer.get_weights(), _config(layer, kind)
    if weights:
        y = builder.add_copy(kind, layer, layer.name, inputs[0], weights, **config)
    else:
        y = builder.add(kind, layer.name, *inputs, **config)
    return y if layer is builder.ending else _add_activation(builder, layer, activation_name(layer), y)


def _batch_norm(builder: LayerBuilder, layer: Any, x: Any) -> Any:
    kind = custom_layers()["FixedMoments"]
    config = _config(layer, tf_keras().layers.BatchNormalization)
    return builder.add_copy(kind, layer, layer.name, x, layer.get_weights(), **config)


def _separable(builder: LayerBuilder, layer: Any, x: Any) -> Any:
    layers, config, weights = tf_keras().layers, layer.get_config(), layer.get_weights()
    options = {key: config[key] for key in ("strides", "padding", "dilation_rate", "depth_multiplier", "kernel_size")}
    x = builder.add_copy(
        layers.DepthwiseConv2D, layer, f"{layer.name}_depthwise", x, weights[:1], use_bias=False, **options
    )
    pointwise = {"filters": config["filters"], "kernel_size": 1, "use_bias": config["use_bias"]}
    x = builder.add_copy(layers.Conv2D, layer, f"{layer.name}_pointwise", x, weights[1:], **pointwise)
    return _add_activation(builder, layer, activation_name(layer), x)


def _activation(builder: LayerBuilder, layer: Any, x: Any) -> Any:
    return _add_activation(builder, layer, activation_name(layer), x, layer.name)


def _add_activation(builder: LayerBuilder, layer: Any, name: str, x: Any, new_layer_name: str = "") -> Any:
    """Apply the named activation to ``x``, as sums and products where TFLite has no single op for it."""
    layers, new_name = tf_keras().layers, new_layer_name or f"{layer.name}_{name}"
    if name == "linear":
        return x
    if name in ("relu", "relu6"):
        return builder.add(layers.ReLU, new_name, x, max_value=6.0 if name == "relu6" else None)
    if name in ("hard_silu", "hard_swish"):
        return builder.add_custom("HardSwish", new_name, x)
    if name == "hard_sigmoid":
        shifted = builder.add_custom("Shift", f"{new_name}_shift", x, value=3.0)
        return builder.add_custom(
            "Scale", new_name, builder.add(layers.ReLU, f"{new_name}_relu6", shifted, max_value=6.0), value=1 / 6
        )
    if name in ("sigmoid", "tanh"):
        return builder.add(layers.Activation, new_name, x, activation=name)
    if name in ("silu", "swish"):
        gate = builder.add(layers.Activation, f"{new_name}_sigmoid", x, activation="sigmoid")
        return builder.add(layers.Multiply, new_name, x, gate)
    raise unsupported_layer(layer, f"its activation is {name}")


def _relu_op(builder: LayerBuilder, operation: Any, x: Any) -> Any:
    return _add_activation(builder, operation, type(operation).__name__.lower(), x, operation.name)


def _named_op(name: str) -> Callable[..., Any]:
    return lambda builder, operation, x: _add_activation(builder, operation, name, x, operation.name)


def _leaky(builder: LayerBuilder, layer: Any, x: Any) -> Any:
    return builder.add(tf_keras().layers.LeakyReLU, layer.name, x, alpha=float(layer.negative_slope))


def _affine(builder: LayerBuilder, name: str, x: Any, scale: Any, offset: Any) -> Any:
    """scale · x + offset, with scalars or one value per channel."""
    scale, offset = np.squeeze(np.asarray(scale, np.float64)), np.squeeze(np.asarray(offset, np.float64))
    if np.any(scale != 1):
        x = builder.add_custom("Scale", name, x, value=scale.tolist())
    return builder.add_custom("Shift", f"{name}_shift", x, value=offset.tolist()) if np.any(offset != 0) else x


def _rescaling(builder: LayerBuilder, layer: Any, x: Any) -> Any:
    return _affine(builder, layer.name, x, layer.scale, layer.offset)


def _normalization(builder: LayerBuilder, layer: Any, x: Any) -> Any:
    mean, spread = np.asarray(layer.mean, np.float64), np.sqrt(np.asarray(layer.variance, np.float64))
    spread = np.maximum(spread, 1e-7)
    return _affine(builder, layer.name, x, 1 / spread, -mean / spread)


def _arithmetic(kind: str) -> Callable[..., Any]:
    """An op of two tensors, or of a tensor and a number."""

    def emit(builder: LayerBuilder, operation: Any, x: Any, y: Any) -> Any:
        symbolic = [hasattr(value, "_keras_history") for value in (x, y)]
        if all(symbolic):
            if kind == "Divide":
                raise unsupported_layer(operation, "it divides by a tensor")
            return builder.add(getattr(tf_keras().layers, kind), operation.name, x, y)
        if not symbolic[0] and kind in ("Subtract", "Divide"):
            raise unsupported_layer(operation, "its first operand is a constant")
        tensor, value = (x, y) if symbolic[0] else (y, x)
        number = np.asarray(value, np.float64)
        if kind in ("Add", "Subtract"):
            return _affine(builder, operation.name, tensor, 1.0, number if kind == "Add" else -number)
        return _affine(builder, operation.name, tensor, number if kind == "Multiply" else 1 / number, 0.0)

    return emit


def _both(layer: Callable[..., Any], op: Callable[..., Any]) -> Callable[..., Any]:
    """Choose between a Keras layer and a Keras op of the same name."""

    def emit(builder: LayerBuilder, operation: Any, *args: Any, **kwargs: Any) -> Any:
        import keras

        return (layer if isinstance(operation, keras.layers.Layer) else op)(builder, operation, *args, **kwargs)

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
