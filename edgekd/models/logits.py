"""Make a Keras classifier end in logits, so that a softmax can never be applied twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.outputs import SMALLEST, Ending, judge_outputs, softmax_for_tags
from edgekd.models.rebuild import apply_copy, copy_state, functional
from edgekd.task import Task
from edgekd.training.scores import tag_probabilities

TWO_CLASSES = "two_classes"
"""Name of the layer that turns one sigmoid's input into two logits."""
_LINEAR, _SOFTMAX, _LOG_SOFTMAX, _SIGMOID = "linear", "softmax", "log_softmax", "sigmoid"


def logits_model(model: Any, name: str, task: Task | None = "single-label") -> Any:
    """Return ``model`` with a trailing softmax taken off: a layer, an activation, or the end of a model nested in it.

    So is a log-softmax.

    One sigmoid, or one logit, becomes two logits, 0 and its own. Where the ``task`` is "multi-label", sigmoids are
    taken off instead, and with None either is. The weights are shared.

    Raises ModelError where the output is not [N, C] or ends in another squashing activation.
    """
    check_classifier(model, name)
    model = functional(model)
    bare, squash = _without_squash(model, name)
    classes = model.output_shape[-1]
    if task == "multi-label":
        if squash in (_SOFTMAX, _LOG_SOFTMAX):
            raise softmax_for_tags(name)
        return bare
    if squash in (_SOFTMAX, _LOG_SOFTMAX):
        if classes == 1:
            raise ModelError(
                f"{name} applies a softmax to one score, which is then always 1. Save it again with a sigmoid"
            )
        bare, again = _without_squash(bare, name)
        if again == _SOFTMAX:
            raise ModelError(
                f"{name} applies a softmax to a softmax, which flattens its answers. Save it again with one, or none"
            )
    if squash == _SIGMOID and classes != 1 and task == "single-label":
        raise ModelError(
            f"{name} ends in a 'sigmoid' activation with {classes} independent scores, and not "
            "one choice among classes. A teacher ends in logits or in a softmax (of two classes: in one sigmoid); "
            'photos with tags, data.task = "multi-label", take sigmoids'
        )
    if classes == 1 and (squash == _SIGMOID or _is_logit(model)):
        return _two_logits(bare)
    return bare


def check_classifier(model: Any, name: str) -> None:
    """Raises ModelError unless ``model`` takes one image and gives one row of class scores."""
    inputs, outputs = list(getattr(model, "inputs", None) or ()), list(getattr(model, "outputs", None) or ())
    if not inputs:
        raise ModelError(
            f"{name} is a model of a class of its own, whose layers can't be seen. Build it as "
            "keras.Model(inputs, outputs) and save it again"
        )
    if len(inputs) > 1 or len(inputs[0].shape) != 4:
        shapes = ", ".join(_shape_text(tensor.shape) for tensor in inputs)
        raise ModelError(f"{name} takes {shapes}: edgekd takes models of one image, [N, H, W, C], and nothing else")
    if len(outputs) > 1 or len(outputs[0].shape) != 2:
        shapes = ", ".join(_shape_text(tensor.shape) for tensor in outputs)
        raise ModelError(f"{name} gives {shapes}: edgekd takes models that give one row of class scores, [N, C]")


def apply_squash(model: Any, name: str) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
    """What makes of the logits [N, C] of ``logits_model(model, name)`` the outputs of ``model`` itself again."""
    _, squash = _without_squash(functional(model), name)
    if squash == _SOFTMAX:
        return _softmax
    if squash == _LOG_SOFTMAX:
        return lambda logits: np.log(_softmax(logits))
    if model.output_shape[-1] != 1:
        return tag_probabilities if squash == _SIGMOID else lambda logits: logits
    if squash == _SIGMOID:
        return lambda logits: 1 / (1 + np.exp(-(logits[:, 1:] - logits[:, :1]).astype(np.float64)))
    return (lambda logits: logits[:, 1:]) if _is_logit(functional(model)) else (lambda logits: logits)


def _softmax(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    shares: npt.NDArray[Any] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def _two_logits(bare: Any) -> Any:
    """``bare``, which gives one logit [N, 1], with the two logits 0 and its own [N, 2]."""
    import keras

    two = keras.layers.Dense(2, use_bias=False, trainable=False, name=TWO_CLASSES)
    model = keras.Model(bare.inputs, two(bare.output), name=bare.name)
    two.set_weights([np.array([[0.0, 1.0]], np.float32)])
    return model


def _is_logit(model: Any) -> bool:
    """Whether its output is a weighted sum, with nothing behind it."""
    import keras

    last = functional(_last(model))
    if hasattr(last, "operations"):
        return _is_logit(last)
    if _passes(last):
        return _is_logit(keras.Model(model.inputs, _fed(model)))
    return isinstance(last, _weighted_layers()) and _activation(last) in (_LINEAR, "")


def logits_from_outputs(model: Any, rows: npt.NDArray[np.float32], name: str, task: Task = "single-label") -> Any:
    """``model``, which gives ``rows`` [N, C] for real photos, and a logarithm behind it if those are probabilities.

    For a softmax, or sigmoids, that ``logits_model`` could not see. Raises ModelError as ``judge_outputs`` does.
    """
    import keras

    ending: Ending = "logits" if isinstance(_last(model), keras.layers.Dense) else "unknown"
    kind = judge_outputs(ending, rows, name, task=task).kind
    if kind not in ("probabilities", "sigmoids"):
        return model
    if kind == "sigmoids":
        within = keras.ops.clip(model.output, SMALLEST, float(np.nextafter(np.float32(1), np.float32(0))))
        return keras.Model(model.inputs, keras.ops.log(within) - keras.ops.log(1 - within), name=model.name)
    return keras.Model(model.inputs, keras.ops.log(keras.ops.maximum(model.output, SMALLEST)), name=model.name)


def _without_squash(model: Any, name: str) -> tuple[Any, str]:
    """The model before its last activation, and which that was: linear, softmax, log_softmax or sigmoid."""
    import keras

    last = functional(_last(model))
    if hasattr(last, "operations"):
        inner, squash = _without_squash(last, name)
        if squash == _LINEAR:
            return model, squash
        return keras.Model(model.inputs, inner(_fed(model)), name=model.name), squash
    if _passes(last):
        inner, squash = _without_squash(keras.Model(model.inputs, _fed(model), name=model.name), name)
        return (model, squash) if squash == _LINEAR else (inner, squash)
    if _flattens_scores(last, model):
        inner, squash = _without_squash(keras.Model(model.inputs, _fed(model), name=model.name), name)
        row = keras.layers.Reshape(model.output_shape[1:])
        return (model, squash) if squash == _LINEAR else (keras.Model(inner.inputs, row(inner.output)), squash)
    activation = _squash_of(last)
    if activation in (_LINEAR, ""):
        return model, _LINEAR
    if activation not in (_SOFTMAX, _LOG_SOFTMAX, _SIGMOID):
        raise ModelError(f"{name} ends in a {activation!r} activation; a classifier must end in logits or in a softmax")
    if isinstance(last, _weighted_layers()):
        twin = type(last).from_config({**last.get_config(), "activation": None})
        logits = twin(_fed(model))
        copy_state(last, twin)
        return keras.Model(model.inputs, logits, name=model.name), activation
    return keras.Model(model.inputs, _fed(model), name=model.name), activation


def _passes(last: Any) -> bool:
    """Whether it gives what it is fed, at inference."""
    import keras

    if isinstance(last, keras.layers.Activation):
        return _activation(last) == _LINEAR
    return isinstance(last, (keras.layers.Identity, keras.layers.Dropout))


def _flattens_scores(last: Any, model: Any) -> bool:
    """Whether it makes a row [N, C] of scores [N, 1, 1, C], those of a last layer that is a convolution."""
    import keras

    return isinstance(last, (keras.layers.Flatten, keras.layers.Reshape)) and set(_fed(model).shape[1:-1]) == {1}


def _weighted_layers() -> tuple[Any, ...]:
    """The layers that a classifier's scores come from; each may have an activation."""
    import keras

    return keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Conv2D


def _squash_of(last: Any) -> str:
    """The activation that a layer or an op of `keras.ops` ends in."""
    import keras

    if isinstance(last, keras.layers.Softmax) or type(last).__name__ == "Softmax":
        return _SOFTMAX
    if isinstance(last, (*_weighted_layers(), keras.layers.Activation)):
        return _activation(last)
    return {"Sigmoid": _SIGMOID, "LogSoftmax": _LOG_SOFTMAX}.get(type(last).__name__, _LINEAR)


def _last(model: Any) -> Any:
    """The layer, or the op of `keras.ops`, that gives the model's output; not always the last of its layers."""
    return model.outputs[0]._keras_history.operation


def _fed(model: Any) -> Any:
    """The tensor that the model's last layer is fed in this model."""
    # A layer that is used elsewhere too has other inputs there; this call is the one that gave the output.
    history = model.outputs[0]._keras_history
    return history.operation._inbound_nodes[history.node_index].input_tensors[0]


def onto(model: Any, image: Any, first: list[Any] | None = None) -> Any:
    """Apply a copy of ``model``, layer by layer, to the Keras input ``image`` after the layers ``first``; its output.

    The graph stays flat, so that a slice can cut it and a converter can fold it; the input size may differ.
    """
    for layer in first or []:
        image = layer(image)
    return apply_copy(model, image)


def _shape_text(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join(['N', *('?' if size is None else str(size) for size in shape[1:])])}]"


def _activation(layer: Any) -> str:
    activation = getattr(layer, "activation", None)
    return str(getattr(activation, "__name__", "")) if activation is not None else ""
