"""What slices of a network cost, by shapes alone: the network is built once for an input size, and no slice of it is.

Parameters and MACs are exact. The rest describes what costs that must be measured depend on: the weights, channels and
ops of an int8 file, and the largest activations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from edgekd.models.blocks import blocks_of
from edgekd.models.logits import onto
from edgekd.students.bottleneck import Bottleneck, bottlenecks_of

_NORM_VALUES = 4


@dataclass(frozen=True)
class Cost:
    """Of one student: its ``parameters`` and ``macs``, and what the costs of its int8 file follow from.

    ``weights`` are the bytes of its int8 weights, ``channels`` the outputs of ops with weights (each has a bias and
    scales), ``ops`` its ops, ``activations`` all values that ops write, and ``peak`` the most that one op reads and
    writes, in bytes.
    """

    parameters: int = 0
    macs: int = 0
    weights: int = 0
    channels: int = 0
    ops: int = 0
    activations: int = 0
    peak: int = 0

    def __add__(self, other: Cost) -> Cost:
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return Cost(**{**sums, "peak": max(self.peak, other.peak)})


@dataclass(frozen=True)
class Layer:
    """A layer's shapes: ``kind``, kernel places, channels in and out, places (height x width) in and out.

    ``extra`` are the channels that a skip connection holds meanwhile, at ``places_in``.
    """

    kind: str
    kernel: int
    inputs: int
    outputs: int
    places_in: int
    places: int
    bias: bool
    extra: int = 0

    def cost(self) -> Cost:
        """What it costs."""
        if self.kind == "norm":
            return Cost(parameters=_NORM_VALUES * self.outputs)
        held = self.inputs * self.places_in + self.outputs * self.places + self.extra
        shared = {"activations": self.outputs * self.places, "peak": held}
        if self.kind == "other":
            return Cost(ops=1, **shared)
        products = self.kernel * (1 if self.kind == "depthwise" else self.inputs)
        weights = products * self.outputs
        return Cost(
            parameters=weights + self.outputs * self.bias, macs=weights * self.places, weights=weights,
            channels=self.outputs, ops=1, **shared,
        )  # fmt: skip


@dataclass(frozen=True)
class Part:
    """What belongs to a block of the network, or stands before the first: its fixed layers, and its bottleneck's.

    ``narrowed`` are layers whose channels in or out are the block's hidden ones: (layer, "in" | "out" | "both").
    ``skipped`` says whether a skip connection bypasses it, so that it can be left out.
    """

    number: int
    fixed: tuple[Layer, ...]
    narrowed: tuple[tuple[Layer, str], ...] = ()
    hidden: int = 0
    skipped: bool = False
    outputs: int = 0

    def cost(self, width: int | None = None) -> Cost:
        """What it costs with that many hidden channels; None: all."""
        total = sum((layer.cost() for layer in self.fixed), Cost())
        for layer, where in self.narrowed:
            total += _with_width(layer, where, self.hidden if width is None else width).cost()
        return total


@dataclass(frozen=True)
class NetworkShape:
    """A network at an input size: its ``parts``, the first of which is what stands before block 1."""

    size: int
    parts: tuple[Part, ...]

    def cost(self, cut: int, classes: int, widths: Mapping[int, int] | None = None) -> Cost:
        """The cost of the slice of the first ``cut`` blocks.

        Args:
            cut: Number of blocks.
            classes: Outputs of its head.
            widths: Hidden channels of blocks by their numbers from 1; 0: the block is left out. Others keep all.
        """
        total, last = Cost(), self.parts[0].outputs
        for part in self.parts[: cut + 1]:
            width = (widths or {}).get(part.number)
            if width == 0:
                continue
            total += part.cost(width)
            last = part.outputs
        return total + head_cost(last, classes)

    def narrowable(self, cut: int) -> list[Part]:
        """Of the first ``cut`` blocks those that have hidden channels."""
        return [part for part in self.parts[1 : cut + 1] if part.hidden]


def head_cost(channels: int, classes: int) -> Cost:
    """What the pooling and the dense layer at the end cost, and the softmax behind them."""
    dense = Layer("dense", 1, channels, classes, 1, 1, True)
    return dense.cost() + Cost(ops=2)


def shape_of(network: Any, size: int) -> NetworkShape:
    """The shapes of a flat Keras network at an input size, block by block. It needs blocks (`blocks_of`)."""
    whole, blocks = at_size(network, size), blocks_of(network)
    found = {block.depthwise[0]: block for block in bottlenecks_of(whole)}
    numbers = {block.name: number for number, block in enumerate(blocks, 1)}
    groups: list[list[Any]] = [[] for _ in range(len(blocks) + 1)]
    place = 0
    for layer in whole.layers:
        name = next((name for name in numbers if layer.name.startswith(f"{name}_")), None)
        # What has no block's name stands behind the last block seen.
        place = numbers[name] if name else place
        groups[place].append(layer)
    return NetworkShape(size, tuple(_part(number, group, found, whole) for number, group in enumerate(groups)))


def cnn_cost(model: Any) -> Cost:
    """The cost of any flat Keras model."""
    layers = [layer for keras_layer in model.layers if (layer := _layer(keras_layer)) is not None]
    return sum((layer.cost() for layer in layers), Cost(ops=2))


def at_size(network: Any, size: int) -> Any:
    """The network up to its last block's end, at an input size of ``size`` pixels."""
    import keras

    blocks = blocks_of(network)
    trunk = keras.Model(network.inputs, network.get_layer(blocks[-1].last_layer).output)
    image = keras.Input((size, size, 3), name="image")
    return keras.Model(image, onto(trunk, image))


def _part(number: int, group: Sequence[Any], found: Mapping[str, Bottleneck], whole: Any) -> Part:
    block = next((found[layer.name] for layer in group if layer.name in found), None)
    outputs = _channels(group[-1].output) if group else 0
    if block is None:
        fixed = tuple(layer for one in group if (layer := _layer(one)) is not None)
        return Part(number, fixed, outputs=outputs)
    roles = {
        block.expand[0]: "out", block.expand[1]: "both", block.depthwise[0]: "both", block.depthwise[1]: "both",
        block.project[0]: "in",
    }  # fmt: skip
    extra = math.prod(whole.get_layer(block.skip).output.shape[1:]) if block.skip else 0
    layers = {one.name: layer for one in group if (layer := _layer(one, extra)) is not None}
    return Part(
        number,
        tuple(layer for name, layer in layers.items() if name not in roles),
        tuple((layer, roles[name]) for name, layer in layers.items() if name in roles),
        hidden=_channels(whole.get_layer(block.depthwise[0]).output),
        skipped=block.merged is not None, outputs=outputs,
    )  # fmt: skip


def _layer(layer: Any, extra: int = 0) -> Layer | None:
    """A Keras layer's shapes; None of one that costs nothing of its own in an int8 file."""
    import keras

    layers = keras.layers
    if isinstance(layer, layers.BatchNormalization):
        channels = _channels(layer.output)
        return Layer("norm", 1, channels, channels, 0, 0, False)
    kinds = ((layers.DepthwiseConv2D, "depthwise"), (layers.Conv2D, "conv"), (layers.Dense, "dense"))
    kind = next((name for of, name in kinds if isinstance(layer, of)), None)
    if kind is None:
        if not isinstance(layer, (layers.Add, layers.Concatenate, layers.Multiply, layers.MaxPooling2D)):
            return None
        output, source = layer.output, layer.input[0] if isinstance(layer.input, list) else layer.input
        return Layer("other", 1, _channels(source), _channels(output), _places(source), _places(output), False, extra)
    kernel = math.prod(layer.kernel_size) if kind != "dense" else 1
    return Layer(
        kind, kernel, _channels(layer.input) // getattr(layer, "groups", 1), _channels(layer.output),
        _places(layer.input), _places(layer.output), bool(layer.use_bias), extra,
    )  # fmt: skip


def _with_width(layer: Layer, where: str, width: int) -> Layer:
    values = {field.name: getattr(layer, field.name) for field in fields(layer)}
    if where in ("in", "both"):
        values["inputs"] = width
    if where in ("out", "both"):
        values["outputs"] = width
    return Layer(**values)


def _channels(tensor: Any) -> int:
    return int(tensor.shape[-1])


def _places(tensor: Any) -> int:
    return math.prod(int(side) for side in tensor.shape[1:-1])
