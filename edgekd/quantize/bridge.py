"""Rebuilds a Keras 3 model in tf_keras: layer by layer, weights copied, and checked to compute the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ModelError
from edgekd.quantize.bridge_layers import (
    EMITTERS,
    NOTHING_AT_INFERENCE,
    LayerBuilder,
    activation_name,
    unsupported_layer,
)
from edgekd.quantize.float_model import FloatModel
from edgekd.quantize.tfmot import tf_keras
from edgekd.task import Task

TOLERANCE = 1e-5
_BATCH = 4
_MOST_PHOTOS = 16
# Whole layers, or ops, that are the softmax or the sigmoids; of others it is only the activation.
_ENDINGS = ("Softmax", "Activation", "Sigmoid")


@dataclass(frozen=True)
class BridgedModel:
    """A tf_keras ``model`` of what ``source.pixel_range`` makes of pixels [N, H, W, 3] to logits [N, C].

    ``origin`` is the Keras 3 layer that each tf_keras layer with weights was made of, by the latter's name, and
    ``difference`` the largest between the logits of the two.
    """

    model: Any
    float_model: FloatModel
    origin: dict[str, Any]
    difference: float


def bridge(float_model: FloatModel, photos: NDArray[np.uint8] | None = None) -> BridgedModel:
    """Rebuild ``float_model.core`` without its softmax, or sigmoids, as a flat tf_keras model.

    BatchNorm's moments stay fixed.

    ``photos`` [N, H, W, 3] are real ones, on which the two are compared; seeded pixels where there are none.

    Raises ModelError naming a layer that has no counterpart, or the first one that computes something else.
    """
    walk = _Walk(_final_activation(float_model.core, float_model.task))
    image = tf_keras().Input((float_model.height, float_model.width, 3), name="image")
    logits = walk.through(float_model.core, image)
    # The name is stored in files: one numbered by Keras would change every file.
    model = tf_keras().Model(image, logits, name="student")
    walk.builder.finish()
    return BridgedModel(model, float_model, walk.builder.origin, _difference(float_model, model, walk, photos))


class _Walk:
    """One pass over a Keras 3 graph that calls a tf_keras layer for each operation."""

    def __init__(self, ending: Any) -> None:
        self.ending, self.builder = ending, LayerBuilder(ending)
        self.outputs: dict[int, tuple[Any, Any]] = {}

    def through(self, model: Any, inputs: Any) -> Any:
        return _functional(model)._run_through_graph(inputs, operation_fn=self._operation)

    def is_ending(self, operation: Any) -> bool:
        return operation is self.ending and type(operation).__name__ in _ENDINGS

    def _operation(self, operation: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if _is_model(operation):
                return self.through(operation, args[0])
            if id(operation) in self.outputs:
                raise ModelError(
                    f"the layer {operation.name} is used twice, and each use needs its own range. Give each use "
                    "its own layer"
                )
            y = self._bridge_operation(
                operation, args, {k: v for k, v in kwargs.items() if k not in ("training", "mask")}
            )
            self.outputs[id(operation)] = operation, y
            return y

        return call

    def _bridge_operation(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        kind = type(operation).__name__
        if not type(operation).__module__.startswith("keras."):
            raise unsupported_layer(operation, "it is a custom class")
        if kind in NOTHING_AT_INFERENCE or self.is_ending(operation):
            return args[0]
        if kind not in EMITTERS:
            raise unsupported_layer(operation, f"edgekd has no int8 form of a {kind}")
        return EMITTERS[kind](self.builder, operation, *args, **kwargs)


def _is_model(operation: Any) -> bool:
    import keras

    return isinstance(operation, keras.Model)


def _functional(model: Any) -> Any:
    import keras

    if isinstance(model, keras.Sequential) and model._functional is not None:
        return model._functional
    if not hasattr(model, "_run_through_graph"):
        raise ModelError(
            f"{model.name} is a subclassed model, whose layers can't be read. Build it as keras.Model(inputs, outputs)"
        )
    return model


def _final_activation(model: Any, task: Task) -> Any:
    """The operation that computes a model's probabilities."""
    operation = model.outputs[0]._keras_history.operation
    if _is_model(operation):
        return _final_activation(_functional(operation), task)
    kind, activation = ("Softmax", "softmax") if task == "single-label" else ("Sigmoid", "sigmoid")
    if type(operation).__name__ == kind or activation_name(operation) == activation:
        return operation
    layer = "a Softmax layer" if task == "single-label" else "a layer with the activation sigmoid"
    raise ModelError(
        f"{model.name} makes its probabilities by {operation.name} ({type(operation).__name__}), and training needs "
        f"its logits. Let it end in logits, or in {layer}"
    )


def _difference(float_model: FloatModel, model: Any, walk: _Walk, photos: NDArray[np.uint8] | None) -> float:
    """The largest difference of the logits. Raises ModelError naming the first layer that differs."""
    if photos is None or not len(photos):
        size = (_BATCH, float_model.height, float_model.width, 3)
        photos = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    pixels = photos[:_MOST_PHOTOS].astype(np.float32)
    within = float_model.range_in_graph
    image = (pixels * within["scale"] + within["offset"]).astype(np.float32)
    expected = _values(float_model.core, image, walk)
    outputs = [(operation, y) for operation, y in walk.outputs.values() if not walk.is_ending(operation)]
    ours = tf_keras().Model(model.input, [y for _, y in outputs])(image, training=False)
    difference = 0.0
    for (operation, _), y in zip(outputs, ours, strict=True):
        values, goal = np.asarray(y), expected[id(operation)]
        # Of logits, also where probabilities are compared: rounding errors of large ones show in these.
        scale = max(1.0, float(np.abs(values).max()))
        if operation is walk.ending:  # A layer that has the softmax, or the sigmoid, for its activation.
            values = float_model.probabilities(values)
        difference = float(np.abs(values - goal).max())
        if not difference <= TOLERANCE * scale:
            raise ModelError(
                f"the layer {operation.name} ({type(operation).__name__}) gives other values in tf_keras, by up to "
                f"{difference:.3g}, so the student can't be trained quantization-aware. Replace the layer, or quantize "
                "after training (leave quantize.qat out)"
            )
    return difference


def _values(model: Any, image: NDArray[np.float32], walk: _Walk) -> dict[int, NDArray[np.float32]]:
    """The output of every operation of the Keras 3 model, by the operation's id."""
    values: dict[int, NDArray[np.float32]] = {}

    def record(operation: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if _is_model(operation):
                return _functional(operation)._run_through_graph(args[0], operation_fn=record)
            output = operation(*args, **kwargs)
            values[id(operation)] = np.asarray(output)
            return output

        return call

    _functional(model)._run_through_graph(image, operation_fn=record)
    return values
