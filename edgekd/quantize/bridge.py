"""A Keras 3 model as a tf_keras one: layer by layer, weights copied, and checked to compute the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ModelError
from edgekd.quantize.bridge_layers import EMITTERS, NOTHING_AT_INFERENCE, Growing, activation_name, no_way
from edgekd.quantize.float_model import Source
from edgekd.quantize.tfmot import tf_keras

TOLERANCE = 1e-5
_BATCH = 4
# Whole layers that are the softmax; of others it is only the activation.
_SOFTMAX = ("Softmax", "Activation")


@dataclass(frozen=True)
class Bridged:
    """A tf_keras ``model`` of what ``source.pixel_range`` makes of pixels [N, H, W, 3] to logits [N, C].

    ``origin`` is the Keras 3 layer that each tf_keras layer with weights was made of, by the latter's name, and
    ``difference`` the largest between the logits of the two.
    """

    model: Any
    source: Source
    origin: dict[str, Any]
    difference: float


def bridge(source: Source) -> Bridged:
    """Make ``source.core`` without its softmax a flat tf_keras model. BatchNorm keeps its moments, all else trains.

    Raises ModelError naming a layer that has no counterpart, or the first one that computes something else.
    """
    walk = _Walk(_final_softmax(source.core))
    image = tf_keras().Input((source.height, source.width, 3), name="image")
    logits = walk.through(source.core, image)
    # Its name gets into files: one that Keras counts up would make each file another.
    model = tf_keras().Model(image, logits, name="student")
    walk.made.finish()
    return Bridged(model, source, walk.made.origin, _difference(source, model, walk))


class _Walk:
    """One pass over a Keras 3 graph that calls a tf_keras layer wherever an operation is met."""

    def __init__(self, softmax: Any) -> None:
        self.softmax, self.made = softmax, Growing(softmax)
        self.seen: dict[int, tuple[Any, Any]] = {}

    def through(self, model: Any, inputs: Any) -> Any:
        return _functional(model)._run_through_graph(inputs, operation_fn=self._operation)

    def is_softmax(self, operation: Any) -> bool:
        return operation is self.softmax and type(operation).__name__ in _SOFTMAX

    def _operation(self, operation: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if _is_model(operation):
                return self.through(operation, args[0])
            if id(operation) in self.seen:
                raise ModelError(
                    f"the layer {operation.name} is used twice, and each use needs a range of its own. Give each use "
                    "its own layer"
                )
            y = self._bridged(operation, args, {k: v for k, v in kwargs.items() if k not in ("training", "mask")})
            self.seen[id(operation)] = operation, y
            return y

        return call

    def _bridged(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        kind = type(operation).__name__
        if not type(operation).__module__.startswith("keras."):
            raise no_way(operation, "its class is your own")
        if kind in NOTHING_AT_INFERENCE or self.is_softmax(operation):
            return args[0]
        if kind not in EMITTERS:
            raise no_way(operation, f"there is no way from a {kind} to an int8 form here")
        return EMITTERS[kind](self.made, operation, *args, **kwargs)


def _is_model(operation: Any) -> bool:
    import keras

    return isinstance(operation, keras.Model)


def _functional(model: Any) -> Any:
    import keras

    if isinstance(model, keras.Sequential) and model._functional is not None:
        return model._functional
    if not hasattr(model, "_run_through_graph"):
        raise ModelError(
            f"{model.name} is a model of your own class, whose layers can't be seen. Build it as keras.Model(inputs, "
            "outputs)"
        )
    return model


def _final_softmax(model: Any) -> Any:
    """The operation that makes the probabilities of a model that gives some."""
    operation = model.outputs[0]._keras_history.operation
    if _is_model(operation):
        return _final_softmax(_functional(operation))
    if type(operation).__name__ == "Softmax" or activation_name(operation) == "softmax":
        return operation
    raise ModelError(
        f"{model.name} makes its probabilities by {operation.name} ({type(operation).__name__}), and training needs "
        "its logits. Let it end in logits, or in a Softmax layer"
    )


def _difference(source: Source, model: Any, walk: _Walk) -> float:
    """The largest difference of the logits on seeded pixels. Raises ModelError naming the first layer that differs."""
    pixels = np.random.default_rng(0).integers(0, 256, (_BATCH, source.height, source.width, 3)).astype(np.float32)
    within = source.range_in_graph
    image = (pixels * within["scale"] + within["offset"]).astype(np.float32)
    wanted = _values(source.core, image, walk)
    compared = [(operation, y) for operation, y in walk.seen.values() if not walk.is_softmax(operation)]
    ours = tf_keras().Model(model.input, [y for _, y in compared])(image, training=False)
    difference = 0.0
    for (operation, _), y in zip(compared, ours, strict=True):
        given, goal = np.asarray(y), wanted[id(operation)]
        # Of logits, also where probabilities are compared: rounding errors of large ones show in these.
        scale = max(1.0, float(np.abs(given).max()))
        if operation is walk.softmax:  # A layer that has the softmax for its activation.
            given = np.exp(given - given.max(axis=-1, keepdims=True))
            given /= given.sum(axis=-1, keepdims=True)
        difference = float(np.abs(given - goal).max())
        if not difference <= TOLERANCE * scale:
            raise ModelError(
                f"the layer {operation.name} ({type(operation).__name__}) gives other values in tf_keras, by up to "
                f"{difference:.3g}, so the student can't be trained quantization-aware. Replace the layer, or quantize "
                "after training (leave quantize.qat out)"
            )
    return difference


def _values(model: Any, image: NDArray[np.float32], walk: _Walk) -> dict[int, NDArray[np.float32]]:
    """What every operation of the Keras 3 model gives, by its id."""
    found: dict[int, NDArray[np.float32]] = {}

    def watched(operation: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if _is_model(operation):
                return _functional(operation)._run_through_graph(args[0], operation_fn=watched)
            given = operation(*args, **kwargs)
            found[id(operation)] = np.asarray(given)
            return given

        return call

    _functional(model)._run_through_graph(image, operation_fn=watched)
    return found
