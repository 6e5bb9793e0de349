"""Make a Keras classifier end in logits, so that a softmax can never be applied twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.outputs import SMALLEST, Ending, judge_outputs

TWO_CLASSES = "two_classes"
"""Name of the layer that turns one sigmoid's input into two logits."""
_LINEAR, _SOFTMAX, _SIGMOID = "linear", "softmax", "sigmoid"


def logits_model(model: Any, name: str) -> Any:
    """Return ``model`` with a trailing softmax taken off: a layer, an activation, or the end of a model nested in it.

    A single sigmoid becomes two logits, 0 and its own. The weights are shared.

    Raises ModelError where the output is not [N, C] or ends in another squashing activation.
    """
    import keras

    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.output_shape) != 2:
        raise ModelError(f"{name} must take one image and give one row of class scores, not {model.output_shape}")
    model = _functional(model)
    bare, squash = _without_squash(model, name)
    if squash == _SOFTMAX:
        bare, again = _without_squash(bare, name)
        if again == _SOFTMAX:
            raise ModelError(
                f"{name} applies a softmax to a softmax, which flattens its answers. Save it again with one, or none"
            )
    if squash == _SIGMOID:
        if model.output_shape[-1] != 1:
            raise ModelError(
                f"{name} ends in a 'sigmoid' activation with {model.output_shape[-1]} independent scores, and not "
                "one choice among classes. A teacher ends in logits or in a softmax (of two classes: in one sigmoid)"
            )
        two = keras.layers.Dense(2, use_bias=False, trainable=False, name=TWO_CLASSES)
        bare = keras.Model(bare.inputs, two(bare.output), name=model.name)
        two.set_weights([np.array([[0.0, 1.0]], np.float32)])
    return bare


def logits_from_outputs(model: Any, rows: npt.NDArray[np.float32], name: str) -> Any:
    """``model``, which gives ``rows`` [N, C] for real photos, and a logarithm behind it if those are probabilities.

    For a softmax that ``logits_model`` could not see. Raises ModelError as ``judge_outputs`` does.
    """
    import keras

    ending: Ending = "logits" if isinstance(model.layers[-1], keras.layers.Dense) else "unknown"
    if judge_outputs(ending, rows, name).kind != "probabilities":
        return model
    return keras.Model(model.inputs, keras.ops.log(keras.ops.maximum(model.output, SMALLEST)), name=model.name)


def _without_squash(model: Any, name: str) -> tuple[Any, str]:
    """The model before its last activation, and which that was: linear, softmax or sigmoid."""
    import keras

    last = _functional(model.layers[-1])
    if hasattr(last, "operations"):
        inner, squash = _without_squash(last, name)
        if squash == _LINEAR:
            return model, squash
        return keras.Model(model.inputs, inner(_fed(model)), name=model.name), squash
    activation = _SOFTMAX if isinstance(last, keras.layers.Softmax) else _activation(last)
    if activation in (_LINEAR, "", "log_softmax"):
        return model, _LINEAR
    if isinstance(last, (keras.layers.Dense, keras.layers.Activation, keras.layers.Softmax)):
        if activation not in (_SOFTMAX, _SIGMOID):
            raise ModelError(
                f"{name} ends in a {activation!r} activation; a classifier must end in logits or in a softmax"
            )
        if isinstance(last, keras.layers.Dense):
            twin = keras.layers.Dense(last.units, use_bias=last.use_bias, name=last.name)
            logits = twin(_fed(model))
            twin.set_weights(last.get_weights())
            return keras.Model(model.inputs, logits, name=model.name), activation
        return keras.Model(model.inputs, _fed(model), name=model.name), activation
    return model, _LINEAR


def _functional(model: Any) -> Any:
    """A `Sequential` as the functional model that it is; anything else as it comes."""
    import keras

    if isinstance(model, keras.Sequential) and model.built:
        return keras.Model(model.inputs, model.outputs[0], name=model.name)
    return model


def _fed(model: Any) -> Any:
    """The tensor that the model's last layer is fed in this model."""
    # A layer that is used elsewhere too has other inputs there; the last one's call is the one that gave the output.
    history = model.output._keras_history
    return history.operation._inbound_nodes[history.node_index].input_tensors[0]


def onto(model: Any, image: Any, first: list[Any] | None = None) -> Any:
    """Apply a copy of ``model``, layer by layer, to the Keras input ``image`` after the layers ``first``; its output.

    The graph stays flat, so that a slice can cut it and a converter can fold it; the input size may differ.
    """
    import keras

    prepared = image
    for layer in first or []:
        prepared = layer(prepared)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        args = keras.tree.map_structure(lambda tensor: prepared if tensor is image else tensor, args)
        return layer(*args, **kwargs)

    tensors = [image] if isinstance(model.input, list) else image
    clone = keras.models.clone_model(model, input_tensors=tensors, call_function=call)
    _copy_weights(model, clone)
    return clone.output


def _copy_weights(model: Any, clone: Any) -> None:
    # By name: the layers of ``first`` are in the clone too.
    for layer in model.layers:
        if layer.weights:
            clone.get_layer(layer.name).set_weights(layer.get_weights())


def _activation(layer: Any) -> str:
    activation = getattr(layer, "activation", None)
    return str(getattr(activation, "__name__", "")) if activation is not None else ""
