"""What a Keras model ends in, and what is missing there: one softmax, or for tags one sigmoid each."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError
from edgekd.models.logits import logits_model
from edgekd.models.rebuild import reason_of
from edgekd.task import Task


def call(model: Any, image: Any) -> Any:
    """Call a model for inference on one input, in the structure it was built with (bare, a list or a dict)."""
    import keras

    structure = getattr(model, "input", None)
    return model(keras.tree.map_structure(lambda _: image, structure), training=False)


def functional(model: Any) -> Any:
    """A model's graph: a Sequential is rebuilt as one, and a subclassed model, which has none, called as one layer."""
    import keras

    if isinstance(model, keras.Sequential):
        x = image = keras.Input(model.input_shape[1:])
        for layer in model.layers:
            x = layer(x)
        return keras.Model(image, x, name=model.name)
    if hasattr(model, "operations"):
        return model
    image = keras.Input(model.input_shape[1:])
    return keras.Model(image, model(image), name=model.name)


def last_activation(model: Any) -> str | None:
    """The name of the last layer's activation, also in nested models; None if it has none."""
    import keras

    layer = model.outputs[0]._keras_history.operation
    if isinstance(layer, keras.Model):
        return last_activation(layer) if getattr(layer, "outputs", None) else None
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    if type(layer).__name__ == "Sigmoid":  # The op of `keras.ops`.
        return "sigmoid"
    activation = getattr(layer, "activation", None)
    return None if activation is None else str(getattr(activation, "__name__", activation))


def two_classes(model: Any) -> Any:
    """A model with one sigmoid or one logit as one with two logits, -z/2 and z/2; any other as it is."""
    import keras

    outputs = getattr(model, "outputs", None) or []
    if len(outputs) != 1 or tuple(outputs[0].shape[1:]) != (1,) or not hasattr(model, "operations"):
        return model
    activation = last_activation(functional(model))
    if activation not in (None, "linear", "sigmoid"):
        raise ExportError(f"{model.name} has one output that ends in {activation}; a sigmoid or a logit is needed")
    bare = logits_model(model, model.name) if activation == "sigmoid" else model
    if activation == "sigmoid":
        # ``logits_model`` gives the logits 0 and z.
        bare = keras.Model(bare.inputs, bare.layers[-1].input)
    two = keras.layers.Dense(2, use_bias=False, trainable=False, name="two_classes")
    logits = keras.Model(bare.inputs, two(bare.outputs[0]), name=model.name)
    two.set_weights([np.array([[-0.5, 0.5]], np.float32)])
    return logits


def missing_ending(model: Any, height: int, width: int, task: Task) -> Literal["softmax", "sigmoid"] | None:
    """What turns a model's outputs into probabilities of the task; None where they are that already."""
    activation = last_activation(model)
    if activation not in (None, "linear", *(("sigmoid",) if task == "multi-label" else ("softmax",))):
        raise _wrong_ending(model, activation, task)
    # Judged by the values, because a layer, an op or a nested model can compute the softmax.
    is_softmax = _is_softmax(model, height, width)
    if task == "single-label":
        if activation == "softmax" and not is_softmax:
            raise ExportError(f"{model.name} ends in a softmax that is not over the classes. Give it axis=-1")
        return None if is_softmax else "softmax"
    if activation == "sigmoid":
        return None
    if is_softmax:
        raise _wrong_ending(model, "softmax", task)
    return "sigmoid"


def _wrong_ending(model: Any, activation: str | None, task: Task) -> ExportError:
    if task == "multi-label":
        return ExportError(
            f"{model.name} ends in {activation}; tags need a sigmoid each, or logits (no activation). Give its last "
            "layer activation=None"
        )
    tags = ". Several sigmoids are of tags, and photos with tags have the task multi-label" * (activation == "sigmoid")
    return ExportError(
        f"{model.name} ends in {activation}; logits (no activation) or softmax are needed, or one sigmoid for "
        f"two classes. Give its last layer activation=None{tags}"
    )


def _is_softmax(model: Any, height: int, width: int) -> bool:
    """Whether outputs for two images are probabilities that sum to 1. Raises ExportError where they are no numbers."""
    import keras

    pixels = np.random.default_rng(0).integers(0, 256, (2, height, width, 3)).astype(np.float32)
    try:
        outputs: NDArray[np.float32] = keras.ops.convert_to_numpy(call(model, pixels))
    except Exception as error:  # Keras and its backend raise many kinds.
        raise ExportError(f"Keras itself does not run {model.name} on an image: {reason_of(error)}") from None
    if not np.isfinite(outputs).all():
        raise ExportError(
            f"{model.name} gives NaN or infinity on pixels 0..255. Look at its weights and its input range"
        )
    sums = outputs.sum(axis=1)
    return bool((outputs >= 0).all() and (np.abs(sums - 1) < 1e-3).all())
