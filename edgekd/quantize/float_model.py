"""Prepares a float student for conversion: where its pixel range is applied, and how it ends: in exactly one softmax,
or for tags in exactly one sigmoid each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError, ModelError
from edgekd.models.load import load_model, row_of_scores
from edgekd.models.logits import logits_model
from edgekd.models.pixel_evidence import fold_preprocessing
from edgekd.models.rebuild import check_rebuilt, copy_model, images_for, in_float32, reason_of
from edgekd.quantize.model_ending import call, functional, last_activation, missing_ending, two_classes
from edgekd.task import Task
from edgekd.training.scores import tag_probabilities

INPUT_NAME = "image"
OUTPUT_NAME = "probabilities"
# Stands in files: by default Keras counts, and a run that was resumed would give other bytes.
_NAME = "classifier"


@dataclass(frozen=True)
class PixelRange:
    """A scalar Rescaling at a model's start: a pixel's value in the graph is ``scale * pixel + offset``."""

    scale: float
    offset: float

    @property
    def zero_point(self) -> int | None:
        """The pixel that stands for 0, if there is one: then the input's own quantization can be the range."""
        pixel = -self.offset / self.scale
        nearest = round(pixel)
        return nearest if 0 <= nearest <= 255 and abs(pixel - nearest) < 1e-4 else None


@dataclass(frozen=True)
class FloatModel:
    """What a conversion starts from.

    ``model`` takes float32 pixel values 0..255 [N, H, W, 3]; ``core`` takes what ``pixel_range`` makes of them, and is
    ``model`` itself where ``pixel_range`` is None. Both give probabilities [N, C]: of one choice among classes or, for
    the ``task`` "multi-label", of each tag by itself.
    """

    model: Any
    core: Any
    pixel_range: PixelRange | None
    height: int
    width: int
    classes: int
    parameters: int
    task: Task = "single-label"

    @property
    def range_in_graph(self) -> dict[str, float]:
        """``scale`` and ``offset`` between the pixel and the first op; 1 and 0 where an ordinary layer does it."""
        pixel_range = self.pixel_range
        return (
            {"scale": pixel_range.scale, "offset": pixel_range.offset} if pixel_range else {"scale": 1.0, "offset": 0.0}
        )

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[Any]:
        """What the softmax, or the sigmoids, make of logits [N, C]."""
        if self.task == "multi-label":
            return tag_probabilities(logits)
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def load_float_model(model: Any, task: Task | None = None) -> FloatModel:
    """Prepare a Keras 3 model, or the ``.keras`` file at a path.

    Without a ``task``, several sigmoids at its end are those of tags, and anything else is one choice among classes.

    Raises ExportError, also where its end contradicts the task.
    """
    import keras

    if isinstance(model, (str, os.PathLike)):
        model = load_model(Path(model))
    if not isinstance(model, keras.Model):
        raise ExportError(f"a Keras 3 model or the path of a .keras file is needed, got {type(model).__name__}")
    _check_weights(model)
    model = _unrolled(row_of_scores(_in_float32(model)))
    if task != "multi-label":
        model = two_classes(model)
    height, width, classes = _geometry(model)
    if task != "multi-label" and last_activation(functional(model)) == "log_softmax":
        model = logits_model(model, model.name)
    graph = fold_preprocessing(functional(model))
    task = task or ("multi-label" if last_activation(graph) == "sigmoid" else "single-label")
    ending = missing_ending(graph, height, width, task)
    rescaling = _leading_rescaling(graph)
    full_model = _wrap(graph, height, width, ending)
    core, pixel_range = full_model, None
    if rescaling is not None and rescaling[0].zero_point is not None:
        pixel_range = rescaling[0]
        core = _wrap(keras.Model(rescaling[1], graph.output, name=graph.name), height, width, ending)
    return FloatModel(full_model, core, pixel_range, height, width, classes, model.count_params(), task)


def divide_keras_logits(float_model: FloatModel, temperature: float) -> FloatModel:
    """The same with logits divided by ``temperature`` in ``model``; unchanged where that is 1. Raises ExportError."""
    import keras

    if temperature == 1.0:
        return float_model
    try:
        bare = logits_model(float_model.model, float_model.model.name, float_model.task)
    except ModelError as error:
        raise ExportError(f"the temperature can't be written into the model: {error}") from None
    scaled = keras.layers.Rescaling(1 / temperature, name="calibrated_logits")(bare.output)
    squash = "sigmoid" if float_model.task == "multi-label" else "softmax"
    output = keras.layers.Activation(squash, name=OUTPUT_NAME)(scaled)
    return replace(float_model, model=keras.Model(bare.inputs, output, name=_NAME))


def fixed_batch(model: Any, dtype: str) -> Any:
    """Wrap a model with a batch of 1 and an input of ``dtype``, so that no op computes a shape at run time."""
    import keras

    _, height, width, channels = model.input_shape
    image = keras.Input(batch_shape=(1, height, width, channels), dtype=dtype, name=INPUT_NAME)
    pixels = image if dtype == "float32" else keras.ops.cast(image, "float32")
    return keras.Model(image, call(model, pixels), name=_NAME)


def _check_weights(model: Any) -> None:
    for layer in _flat_layers(model):
        bad = [w.name for w in layer.weights if not np.isfinite(np.asarray(w.value, np.float32)).all()]
        if bad:
            raise ExportError(
                f"{model.name} holds NaN or infinity in {', '.join(bad[:4])} of the layer {layer.name}. Train it again "
                "from the last good checkpoint"
            )


def _flat_layers(model: Any) -> Iterator[Any]:
    for layer in getattr(model, "layers", ()):
        inner = list(_flat_layers(layer))
        yield from inner or [layer]


def _in_float32(model: Any) -> Any:
    if len(getattr(model, "inputs", None) or ()) != 1:
        return model
    try:
        return in_float32(model, model.name)
    except ModelError as error:
        raise ExportError(str(error)) from None


def _unrolled(model: Any) -> Any:
    """A model whose recurrent layers go step by step through their input, because files have no loops.

    Raises ExportError where that gives other outputs.
    """
    if not _loops(model):
        return model
    try:
        unrolled = copy_model(model, copy=lambda layer: type(layer).from_config(_unroll(layer.get_config())))
        check_rebuilt(model, unrolled, images_for(model.inputs[0].shape, None), model.name)
    except (ValueError, TypeError, ModelError) as error:
        raise ExportError(f"{model.name} has loops that can't be written out: {reason_of(error)}") from None
    return unrolled


def _loops(model: Any) -> list[Any]:
    import keras

    layers = model._flatten_layers()
    return [layer for layer in layers if isinstance(layer, keras.layers.RNN) and not getattr(layer, "unroll", False)]


def _unroll(config: Any) -> Any:
    """A layer's config with every ``unroll`` in it set, of layers within it too."""
    if isinstance(config, dict):
        return {key: True if key == "unroll" else _unroll(value) for key, value in config.items()}
    return [_unroll(value) for value in config] if isinstance(config, list) else config


def _geometry(model: Any) -> tuple[int, int, int]:
    inputs = getattr(model, "inputs", None)
    if not inputs or len(inputs) != 1 or len(model.outputs) != 1:
        raise ExportError(
            f"{model.name} must be a built model with one input and one output. Build it, or wrap it as "
            "keras.Model(image, logits)"
        )
    shape, output = inputs[0].shape, model.outputs[0].shape
    if len(shape) != 4 or shape[3] != 3 or None in shape[1:]:
        raise ExportError(
            f"{model.name} takes {list(shape)}; an RGB image of fixed size [None, height, width, 3] is needed. "
            "Build it with keras.Input((height, width, 3))"
        )
    if len(output) != 2 or not output[1] or output[1] < 2:
        raise ExportError(f"{model.name} gives {list(output)}; one value per class, [None, C] with C >= 2, is needed")
    return int(shape[1]), int(shape[2]), int(output[1])


def _wrap(model: Any, height: int, width: int, ending: Literal["softmax", "sigmoid"] | None) -> Any:
    import keras

    image = keras.Input((height, width, 3), name=INPUT_NAME)
    output = call(model, image)
    if ending == "softmax":
        output = keras.layers.Softmax(name=OUTPUT_NAME)(output)
    elif ending == "sigmoid":
        output = keras.layers.Activation("sigmoid", name=OUTPUT_NAME)(output)
    return keras.Model(image, output, name=_NAME)


def _leading_rescaling(model: Any) -> tuple[PixelRange, Any] | None:
    # A Rescaling by two scalars that is the input's only consumer, and its output.
    import keras

    source = model.inputs[0]
    nodes = [node for level in model._nodes_by_depth.values() for node in level]
    users = [node for node in nodes if any(tensor is source for tensor in node.input_tensors)]
    if len(users) != 1 or not isinstance(users[0].operation, keras.layers.Rescaling):
        return None
    layer = users[0].operation
    scale, offset = np.asarray(layer.scale, np.float64), np.asarray(layer.offset, np.float64)
    if scale.ndim or offset.ndim or not scale > 0:
        return None
    return PixelRange(float(scale), float(offset)), users[0].output_tensors[0]
