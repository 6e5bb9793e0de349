"""Bias correction: int8 biases take back by how much rounding and clipping shift a channel, on average over photos.

A layer is linear up to its activation, so the mean of a channel follows from the mean of the layer's input. The float
graph gives that input, as it is and in the steps of the int8 file; what the int8 weights make of the second is held
against what the float weights make of the first, and the difference goes into the bias. Each layer is corrected for
what its own weights and its own input lose, so all are done in one run of the float graph. Only biases change: no file
grows, and an .onnx that is made of the .tflite has the same ones.

Source: Nagel et al., arXiv:1906.04721, section 4.2, with means measured on photos instead of derived.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.formats import tflite_file
from edgekd.formats.tflite_file import TfliteGraph, TfliteOp, TfliteTensor
from edgekd.quantize.calibration import CalibratedModel
from edgekd.quantize.ptq import Conversion
from edgekd.quantize.saturation import unshare_constant

# Photos that means are taken over: a mean needs fewer than a range.
_MOST_PHOTOS = 64
_KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_SAME = 0

Floats = NDArray[np.float64]


def correct_bias(conversion: Conversion, calibrated: CalibratedModel) -> Conversion | None:
    """The int8 conversion of a calibrated model with biases corrected on its calibration photos.

    None where the layers of the two can't be told to be the same, or none has a bias in integers.
    """
    real = tflite_file.read(calibrated.content, "the calibrated model")
    graph = tflite_file.read(conversion.content, "the int8 conversion")
    layers, others = _layers(graph), _layers(real)
    if [graph.tensors[op.inputs[1]].shape for op in layers] != [real.tensors[op.inputs[1]].shape for op in others]:
        return None
    # Spread over all of them, because they may be in the order of their classes.
    count = len(calibrated.images)
    images = calibrated.images[np.linspace(0, count - 1, min(count, _MOST_PHOTOS)).astype(int)]
    pairs = [(other.inputs[0], graph.tensors[op.inputs[0]]) for op, other in zip(layers, others, strict=True)]
    means = _input_means(calibrated.content, replace(calibrated, images=images).inputs(), pairs)
    model, changed = tflite_file.parse(conversion.content, "the int8 conversion"), 0
    for op, other, (exact, in_steps) in zip(layers, others, means, strict=True):
        lacking = _product(real, other, exact) - _product(graph, op, in_steps)
        changed += _rewrite_bias(model, graph, op, lacking, _bias(real, other))
    if not changed:
        return None
    record = {**conversion.record, "bias_corrected_on": len(images)}
    return replace(conversion, content=tflite_file.pack(model), record=record)


def _layers(graph: TfliteGraph) -> list[TfliteOp]:
    return [op for op in graph.ops if op.name in _KINDS and graph.tensors[op.inputs[1]].data is not None]


def _input_means(
    content: bytes, inputs: Iterable[NDArray[Any]], pairs: Sequence[tuple[int, TfliteTensor]]
) -> list[tuple[Floats, Floats]]:
    """Run a float .tflite; the mean over ``inputs`` of a tensor of each pair, as it is and in the other's steps."""
    from edgekd.runtime.litert import open_interpreter

    interpreter = open_interpreter(content, threads=2, xnnpack=False, preserve_all_tensors=True)
    image = int(interpreter.get_input_details()[0]["index"])
    exact, in_steps = ([np.zeros(()) for _ in pairs] for _ in range(2))
    count = 0
    for values in inputs:
        interpreter.set_tensor(image, values)
        interpreter.invoke()
        for place, (index, other) in enumerate(pairs):
            tensor = interpreter.get_tensor(index)
            exact[place] = exact[place] + tensor
            in_steps[place] = in_steps[place] + _in_steps(tensor, other)
        count += 1
    return [(np.asarray(a / count), np.asarray(b / count)) for a, b in zip(exact, in_steps, strict=True)]


def _in_steps(values: NDArray[Any], tensor: TfliteTensor) -> Floats:
    """Real numbers as an integer tensor holds them; as they are where it is a float one."""
    if tensor.type not in ("INT8", "UINT8") or len(tensor.scales) != 1:
        return np.asarray(values, np.float64)
    limits = np.iinfo(np.int8 if tensor.type == "INT8" else np.uint8)
    scale, zero = float(tensor.scales[0]), int(tensor.zero_points[0])
    steps = np.rint(values / scale) + zero
    return np.asarray((steps.clip(limits.min, limits.max) - zero) * scale, np.float64)


def _product(graph: TfliteGraph, op: TfliteOp, mean: Floats) -> Floats:
    """The mean of each channel [O] of a layer's output, without bias and activation, from its mean input."""
    weights = _weights(graph, op)
    if op.name == "FULLY_CONNECTED":
        return np.asarray(weights @ mean.reshape(-1, weights.shape[1]).mean(axis=0))
    seen = _seen_by_kernel(mean[0], op, weights.shape[1:3], graph.tensors[op.outputs[0]].shape[1:3])
    if op.name == "CONV_2D":
        # Of a grouped convolution each group reads its own channels.
        groups = seen.shape[2] // weights.shape[3]
        parts = zip(np.split(weights, groups), np.split(seen, groups, axis=2), strict=True)
        return np.concatenate([np.einsum("ohwi,hwi->o", part, read) for part, read in parts])
    return np.asarray((weights[0] * np.repeat(seen, weights.shape[3] // seen.shape[2], axis=2)).sum(axis=(0, 1)))


def _seen_by_kernel(mean: Floats, op: TfliteOp, kernel: tuple[int, ...], out: tuple[int, ...]) -> Floats:
    """What each place of a kernel [KH, KW, C] reads of a mean input [H, W, C], on average over the output's places."""
    options = op.options
    steps = (int(options.strideH), int(options.strideW))
    gaps = (int(options.dilationHFactor), int(options.dilationWFactor))
    padded = mean
    for axis in (0, 1):
        reach = (out[axis] - 1) * steps[axis] + (kernel[axis] - 1) * gaps[axis] + 1
        missing = max(0, reach - mean.shape[axis]) if int(options.padding) == _SAME else 0
        width = [(0, 0), (0, 0), (0, 0)]
        width[axis] = (missing // 2, missing - missing // 2)
        # A padded zero is the real number 0 in both graphs.
        padded = np.pad(padded, width)
    seen = np.empty((*kernel, mean.shape[2]))
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            rows = slice(row * gaps[0], row * gaps[0] + (out[0] - 1) * steps[0] + 1, steps[0])
            columns = slice(column * gaps[1], column * gaps[1] + (out[1] - 1) * steps[1] + 1, steps[1])
            seen[row, column] = padded[rows, columns].mean(axis=(0, 1))
    return seen


def _weights(graph: TfliteGraph, op: TfliteOp) -> Floats:
    tensor = graph.tensors[op.inputs[1]]
    assert tensor.data is not None
    if tensor.type == "FLOAT32" or not len(tensor.scales):
        return tensor.data.astype(np.float64)
    shape = [1] * tensor.data.ndim
    shape[tensor.axis if len(tensor.scales) > 1 else 0] = len(tensor.scales)
    return np.asarray(tensor.data * tensor.scales.astype(np.float64).reshape(shape))


def _bias(graph: TfliteGraph, op: TfliteOp) -> Floats | None:
    """A float layer's bias [O]; None where it has none."""
    data = graph.tensors[op.inputs[2]].data if len(op.inputs) > 2 and op.inputs[2] >= 0 else None
    return None if data is None else data.astype(np.float64)


def _rewrite_bias(model: Any, graph: TfliteGraph, op: TfliteOp, lacking: Floats, bias: Floats | None) -> int:
    """Set a layer's int32 bias to the float one and what its products lack [O]; 1 where it has such a bias, else 0."""
    if bias is None or len(op.inputs) < 3 or op.inputs[2] < 0:
        return 0
    tensor = graph.tensors[op.inputs[2]]
    if tensor.type != "INT32" or not len(tensor.scales):
        return 0
    limits = np.iinfo(np.int32)
    steps = np.rint((bias + lacking) / tensor.scales.astype(np.float64)).clip(limits.min, limits.max)
    target = unshare_constant(model, model.subgraphs[0].operators[op.index], 2)
    model.buffers[target.buffer].data = np.frombuffer(steps.astype(np.int32).tobytes(), np.uint8)
    return 1
