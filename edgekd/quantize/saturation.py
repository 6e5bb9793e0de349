"""Weights whose products no CPU saturates: the same int8 outputs with and without VNNI, and on ARM.

On x86 without VNNI, ONNX Runtime multiplies by VPMADDUBSW, which adds the products of two neighbouring bytes in 16
bits and saturates: uint8 255 x (127 + 127) is 64,770 and becomes 32,767. A channel with two neighbours that could do
that gets a scale so much coarser that they cannot, and its weights and bias are rounded anew, in the .tflite already,
so that both files keep one quantization.

Source: Intel, intrinsics guide, _mm256_maddubs_epi16; ONNX Runtime, quantization documentation, "When and why do I
need to try U8U8 data type"; MLAS' packing along K (qgemm_kernel_avx2.cpp, convsym.cpp).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.formats import tflite_file
from edgekd.formats.tflite_file import TfliteGraph, TfliteOp

# 255 x 128 is 32,640 and 255 x 129 is 32,895: past the largest int16, 32,767.
LARGEST_PAIR = 128
# Two weights that add up to no more than this, as reals, do not add up to more than LARGEST_PAIR once rounded.
_PAIR_BEFORE_ROUNDING = LARGEST_PAIR - 1
_HALF_A_STEP = 0.501
_RGB = 3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WeightRange:
    """How a file's weights changed: of ``channels``, ``narrowed`` got a scale coarser by ``largest`` at most.

    ``from_float`` of those were rounded from float weights, the others from the int8 ones.
    """

    channels: int
    narrowed: int
    largest: float
    from_float: int

    def record(self) -> dict[str, str]:
        """Facts for a file's provenance."""
        reason = "no two neighbouring products exceed 16 bits: CPUs without VNNI give the answers of those with it"
        if not self.narrowed:
            return {"weight_range": "s8, full range", "weight_range_reason": reason}
        source = {self.narrowed: "float", 0: "int8"}.get(self.from_float, f"{self.from_float} float, else int8")
        return {
            "weight_range": f"s8, {self.narrowed} of {self.channels} channels narrowed",
            "weight_range_reason": f"{reason}; scales up to {self.largest:.2f} times coarser, from {source} weights",
        }


def saturating_channels(weights: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Which rows of weights int8 [O, K] hold neighbours 2j, 2j + 1 whose products with uint8 can exceed 16 bits."""
    return np.asarray(_largest_pairs(weights.astype(np.float64)) > LARGEST_PAIR)


def narrow_weights(
    content: bytes, float_content: bytes | None = None, *, name: str = "the int8 conversion"
) -> tuple[bytes, WeightRange]:
    """Make the scale of every channel that could saturate coarser; returns the .tflite and what changed.

    ``float_content`` is the float32 .tflite of the same model: layers whose weights agree with the int8 ones to half a
    step are rounded from those, others from the int8 ones. The content is returned unchanged if nothing can saturate.
    Raises: ArtifactError for a damaged file.
    """
    graph = tflite_file.read(content, name)
    layers = list(_layers(graph))
    model, factors, from_float = tflite_file.parse(content, name), [np.ones(0)], 0
    for layer, real in zip(layers, _float_rows(layers, float_content), strict=True):
        if layer.rows.dtype != np.int8:
            # A float op.
            continue
        factors.append(_factors(layer, real))
        if (factors[-1] > 1).any():
            _rewrite(model, graph, layer, real, factors[-1])
            from_float += 0 if real is None else int((factors[-1] > 1).sum())
    all_factors = np.concatenate(factors)
    weight_range = WeightRange(
        len(all_factors), int((all_factors > 1).sum()), float(all_factors.max(initial=1)), from_float
    )
    if not weight_range.narrowed:
        return content, weight_range
    return tflite_file.pack(model), weight_range


@dataclass(frozen=True, eq=False)
class _Layer:
    """A layer that runs as a matrix product: its weights [O, K] in the order in which MLAS packs them along K.

    ``lines`` is the height of its filter where it may read a photo, else 0.
    """

    op: TfliteOp
    rows: NDArray[Any]
    scales: Floats
    # Axes that bring the tensor to [O, ...] and back.
    to_rows: tuple[int, ...]
    lines: int = 0

    def tensor_of(self, rows: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """Rows [O, K] in the file's layout."""
        axes_moved = rows.reshape([shape[axis] for axis in self.to_rows])
        return np.ascontiguousarray(axes_moved.transpose(np.argsort(self.to_rows)))


def _layers(graph: TfliteGraph) -> Iterator[_Layer]:
    for op in graph.ops:
        if op.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            continue
        weights = graph.tensors[op.inputs[1]]
        order = tuple(range(len(weights.shape)))
        if op.name == "DEPTHWISE_CONV_2D":
            if weights.shape[3] == graph.tensors[op.inputs[0]].shape[3]:
                # One weight a position and channel: these kernels multiply in 32 bits.
                continue
            order = (3, 0, 1, 2)
        if weights.data is not None:
            rows = weights.data.transpose(order).reshape(weights.shape[order[0]], -1)
            lines = weights.shape[1] if op.name == "CONV_2D" and weights.shape[3] == _RGB else 0
            yield _Layer(op, rows, weights.scales.astype(np.float64), order, lines)


def _float_rows(layers: list[_Layer], content: bytes | None) -> list[Floats | None]:
    """Each layer's float weights in int8 steps; None if the int8 weights were not rounded from them."""
    others = [] if content is None else list(_layers(tflite_file.read(content, "the float32 conversion")))
    if len(others) != len(layers):
        return [None] * len(layers)
    float_rows: list[Floats | None] = []
    for layer, other in zip(layers, others, strict=True):
        steps = None
        if layer.rows.dtype == np.int8 and other.rows.shape == layer.rows.shape and other.rows.dtype == np.float32:
            steps = other.rows / layer.scales.reshape(-1, 1)
        fits = steps is not None and np.abs(steps - layer.rows).max() <= _HALF_A_STEP
        float_rows.append(steps if fits else None)
    return float_rows


def _largest_pairs(rows: NDArray[Any]) -> Floats:
    """By row [O, K], the largest sum of the positive or negative parts of two neighbours."""
    even = np.zeros((len(rows), rows.shape[1] + rows.shape[1] % 2))
    even[:, : rows.shape[1]] = rows
    pairs = even.reshape(len(rows), -1, 2)
    return np.asarray(np.maximum(pairs.clip(min=0).sum(2), (-pairs).clip(min=0).sum(2)).max(axis=1, initial=0))


def _pairs_in_any_order(layer: _Layer, rows: NDArray[Any]) -> Floats:
    """``_largest_pairs``; of a layer on a photo, whichever of two neighbours in a line of its filter are paired.

    An .onnx has such a layer on groups of columns, where pairs do not run on from one line of the filter to the next.
    """
    largest = _largest_pairs(rows)
    if layer.lines:
        lines = rows.reshape(len(rows), layer.lines, -1)
        for before in (0, 1):
            even = np.pad(lines, [(0, 0), (0, 0), (before, (lines.shape[2] + before) % 2)])
            largest = np.maximum(largest, _largest_pairs(even.reshape(len(rows), -1)))
    return largest


def _factors(layer: _Layer, real: Floats | None) -> Floats:
    """By how much each channel's scale must grow; 1 where nothing can saturate."""
    growth = _pairs_in_any_order(layer, layer.rows if real is None else real) / _PAIR_BEFORE_ROUNDING
    saturating = _pairs_in_any_order(layer, layer.rows) > LARGEST_PAIR
    factors = np.where(saturating, growth.clip(min=1), 1.0)
    # One scale for all rows has one factor.
    return factors if len(layer.scales) > 1 else np.full_like(factors, factors.max())


def _rewrite(model: Any, graph: TfliteGraph, layer: _Layer, real: Floats | None, factors: Floats) -> None:
    """Replace a layer's weights by coarser ones, and its bias by one in the same steps."""
    weights = graph.tensors[layer.op.inputs[1]]
    rounded = np.rint((layer.rows if real is None else real) / factors[:, None])
    rows = np.where(factors[:, None] > 1, rounded, layer.rows).astype(np.int8)
    assert not saturating_channels(rows).any()
    growth = factors if len(layer.scales) > 1 else factors[:1]
    _replace(model, layer.op, 1, layer.tensor_of(rows, weights.shape), growth)
    if len(layer.op.inputs) > 2 and layer.op.inputs[2] >= 0:
        bias = graph.tensors[layer.op.inputs[2]].data
        assert bias is not None
        _replace(model, layer.op, 2, np.rint(bias / factors).astype(bias.dtype), growth)


def _replace(model: Any, op: TfliteOp, position: int, data: NDArray[Any], growth: Floats) -> None:
    """Replace an op's constant, with a larger scale."""
    tensor = unshare_constant(model, model.subgraphs[0].operators[op.index], position)
    tensor.quantization = copy.copy(tensor.quantization)
    tensor.quantization.scale = (np.asarray(tensor.quantization.scale, np.float64) * growth).astype(np.float32)
    model.buffers[tensor.buffer].data = np.frombuffer(data.tobytes(), np.uint8)


def unshare_constant(model: Any, operator: Any, position: int) -> Any:
    """The tensor at an op's input, copied where another op reads it, its buffer where another tensor has it."""
    graph, index = model.subgraphs[0], int(operator.inputs[position])
    if sum(list(other.inputs).count(index) for other in graph.operators) > 1:
        graph.tensors.append(copy.copy(graph.tensors[index]))
        operator.inputs = np.array(operator.inputs)
        operator.inputs[position] = len(graph.tensors) - 1
    tensor = graph.tensors[operator.inputs[position]]
    if sum(other.buffer == tensor.buffer for other in graph.tensors) > 1:
        model.buffers.append(copy.copy(model.buffers[tensor.buffer]))
        tensor.buffer = len(model.buffers) - 1
    return tensor
