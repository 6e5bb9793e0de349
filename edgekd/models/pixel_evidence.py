"""Which pixel values a Keras model takes, where its first layers show it.

A layer that rescales proves nothing by being there: what counts is what the first layers make of pixels 0..255. Values
of a usual range mean that the model takes 0..255; anything else leaves it open, and the user is asked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.pixel_range import MIX_LAYER, affine_layers

# Black, white, the colours, and an arbitrary one: pixels [P, 1, 1, 3].
_PROBES = np.array(
    [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [17, 130, 244]], np.float32
).reshape(-1, 1, 1, 3)
# Layers that do not change a constant image at inference.
_IDENTITIES = (
    "InputLayer", "Identity", "Cast", "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "Resizing",
    "CenterCrop", "Cropping2D", "Pipeline", "Copy", "Convert_to_tensor", "ConvertToTensor",
)  # fmt: skip
_POINTWISE = (
    "Rescaling", "Normalization", "Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Clip", "Negative", "Flip",
    "GetItem", "Stack", "Concatenate", "Take", "Minimum", "Maximum",
)  # fmt: skip
_MIXING = ("Flip", "GetItem", "Stack", "Concatenate", "Take")
# Spans of white minus black that networks are trained with: 0..1 to a normalization of bright photos.
_SPAN = (0.5, 32.0)
# A mean subtracted from pixels 0..255, as in the networks converted from Caffe.
_MEANS = (50.0, 205.0)
Values = npt.NDArray[np.float64]


def find_pixel_evidence(model: Any) -> str | None:
    """Say how a model of [N, H, W, 3] shows that it takes pixel values 0..255; None if it does not."""
    reached = _end_of_preprocessing(_graph(model), _PROBES)
    for values in reached:
        if values.shape == _PROBES.shape and (evidence := _judge(values.reshape(-1, 3).astype(np.float64))):
            return evidence
    return None


def fold_preprocessing(model: Any) -> Any:
    """Replace first layers that mix channels, as Caffe's networks do, by one affine layer; else return ``model``.

    Slices and stacks of channels would be ops of their own in a converted file, and int8 would round between them.
    """
    import keras

    nodes = _preprocessing_nodes(model)
    if not any(type(node.operation).__name__ in _MIXING for node in nodes):
        return model
    last = nodes[-1].output_tensors[0]
    readers = {id(t) for node in nodes for t in node.input_tensors}
    ends = [node.output_tensors[0] for node in nodes if id(node.output_tensors[0]) not in readers]
    if len(ends) != 1 or tuple(last.shape) != tuple(model.inputs[0].shape):
        return model
    prefix = keras.Model(model.inputs[0], ends[0])
    sides = [size or 1 for size in last.shape[1:3]]

    def preprocess(pixels: Any) -> Any:
        images = np.broadcast_to(pixels, (len(pixels), *sides, 3))
        return keras.ops.convert_to_numpy(prefix(images))[:, :1, :1]

    try:
        first = affine_layers(preprocess)
    except ModelError:
        return model
    x = image = keras.Input(model.inputs[0].shape[1:], name="image")
    for layer in first:
        x = layer(x)
    return keras.Model(image, keras.Model(ends[0], model.outputs[0])(x), name=model.name)


def _preprocessing_nodes(model: Any) -> list[Any]:
    """The nodes of the outermost graph that work pixel by pixel, in order."""
    import keras

    if not hasattr(model, "_nodes_by_depth") or len(model.inputs) != 1:
        return []
    values: dict[int, Any] = {id(model.inputs[0]): keras.ops.convert_to_tensor(_PROBES)}
    nodes = []
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.input_tensors or any(id(tensor) not in values for tensor in node.input_tensors):
                continue
            if isinstance(node.operation, keras.Model):
                continue
            if (output := _apply(node.operation, node, values)) is not None:
                values[id(node.output_tensors[0])] = output
                nodes.append(node)
    return nodes


def _judge(values: Values) -> str | None:
    black, white = values[0], values[1]
    span = np.abs(white - black)
    if _SPAN[0] <= span.max() <= _SPAN[1] and span.min() > _SPAN[0] / 2:
        low, high = values[:2].min(), values[:2].max()
        return f"its first layers bring pixels 0..255 to {low:.3g}..{high:.3g}"
    if np.allclose(span, 255, atol=1) and all(_MEANS[0] <= -shift <= _MEANS[1] for shift in black):
        return f"its first layers subtract a mean of pixels 0..255 ({', '.join(f'{-v:.4g}' for v in black)})"
    return None


def _graph(model: Any) -> Any:
    import keras

    if isinstance(model, keras.Sequential) and model.built:
        return keras.Model(model.inputs, model.outputs[0])
    return model


def _end_of_preprocessing(model: Any, probes: Any) -> list[npt.NDArray[Any]]:
    """What the first layers make of ``probes``, wherever a layer of another kind reads it."""
    import keras

    if not hasattr(model, "_nodes_by_depth") or len(model.inputs) != 1:
        return []
    values: dict[int, Any] = {id(model.inputs[0]): keras.ops.convert_to_tensor(probes)}
    reached: list[npt.NDArray[Any]] = []
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            inputs = list(node.input_tensors)
            if not inputs or any(id(tensor) not in values for tensor in inputs):
                continue
            operation = node.operation
            if isinstance(operation, keras.Model):
                inner = _end_of_preprocessing(_graph(operation), values[id(inputs[0])])
                reached += inner
            elif (output := _apply(operation, node, values)) is not None:
                values[id(node.output_tensors[0])] = output
            else:
                reached += [keras.ops.convert_to_numpy(values[id(tensor)]) for tensor in inputs]
    return reached


def _apply(operation: Any, node: Any, values: dict[int, Any]) -> Any:
    """The output of a layer that works pixel by pixel, None for any other."""
    import keras

    kind = type(operation).__name__
    if kind in _IDENTITIES or kind.startswith("Random") or kind in ("AutoContrast", "RandAugment", "MixUp", "CutMix"):
        return values[id(node.input_tensors[0])]
    if kind == "BatchNormalization":
        mean, variance = (np.asarray(value) for value in (operation.moving_mean, operation.moving_variance))
        return (values[id(node.input_tensors[0])] - mean) / np.sqrt(variance + operation.epsilon)
    is_mix = isinstance(operation, keras.layers.Conv2D) and operation.name.startswith(MIX_LAYER)
    if kind not in _POINTWISE and not is_mix:
        return None
    arguments, keywords = node.arguments.fill_in(values)
    try:
        return operation(*arguments, **keywords)
    except Exception:  # an op that does not work on a single pixel
        return None
