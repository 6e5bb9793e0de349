"""A common form for the graphs of .tflite and .onnx files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

QUANTIZE = ("QUANTIZE", "QuantizeLinear")
DEQUANTIZE = ("DEQUANTIZE", "DequantizeLinear")
INTEGERS_8 = ("int8", "uint8")
FLOATS = ("float32", "float16", "float64", "bfloat16")

Kind = Literal["conv", "depthwise", "dense", "matmul", "quantize", "dequantize", "other"]
Shape = tuple[int | str, ...]


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor. ``shape`` is None if unknown; a free dimension is its name, or -1."""

    key: str
    name: str
    dtype: str
    shape: Shape | None
    scales: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32), repr=False)
    zero_points: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    axis: int = 0
    constant: bool = False
    size_bytes: int = 0
    data: NDArray[Any] | None = field(default=None, repr=False)

    @property
    def sizes(self) -> tuple[int, ...] | None:
        """Its shape with 1 for a free batch; None if any other dimension is free or unknown."""
        if self.shape is None:
            return None
        sizes = tuple(1 if i == 0 and _is_free(size) else size for i, size in enumerate(self.shape))
        return None if any(_is_free(size) for size in sizes) else tuple(int(size) for size in sizes)

    def real(self) -> NDArray[np.float64] | None:
        """A constant's values, dequantized."""
        if self.data is None or self.data.dtype.kind not in "fiub":
            return None
        values = self.data.astype(np.float64)
        if not len(self.scales):
            return values
        shape = [1] * values.ndim
        if len(self.scales) > 1:
            shape[self.axis] = len(self.scales)
        zero_points = self.zero_points if len(self.zero_points) else np.zeros(len(self.scales), np.int64)
        return np.asarray((values - zero_points.reshape(shape)) * self.scales.astype(np.float64).reshape(shape))


@dataclass(frozen=True, eq=False)
class Op:
    """One op; an absent input is an empty key. ``precision`` is its arithmetic, ``builtin`` is false for custom ops.

    ``bodies`` are the graphs that it runs: both branches of an If, the body of a loop, what a composite stands for.
    """

    index: int
    type: str
    name: str
    kind: Kind
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    precision: str
    builtin: bool = True
    attributes: dict[str, Any] = field(default_factory=dict, repr=False)
    bodies: tuple[Network, ...] = field(default=(), repr=False)


@dataclass(frozen=True, eq=False)
class Network:
    """A graph's tensors by key, its ops in order, and the keys of its inputs and outputs."""

    format: Literal["tflite", "onnx"]
    values: dict[str, Value]
    ops: tuple[Op, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @cached_property
    def producers(self) -> dict[str, Op]:
        """The op that computes each tensor."""
        return {key: op for op in self.ops for key in op.outputs}

    @cached_property
    def consumers(self) -> dict[str, tuple[Op, ...]]:
        """The ops that read each tensor."""
        consumers: dict[str, dict[int, Op]] = {}
        for op in self.ops:
            for key in op.inputs:
                consumers.setdefault(key, {})[op.index] = op
        return {key: tuple(ops.values()) for key, ops in consumers.items()}

    def image(self) -> Value | None:
        """The first input of four dimensions."""
        inputs = [self.values[key] for key in self.inputs]
        return next((v for v in inputs if v.shape is not None and len(v.shape) == 4), None)

    def constant(self, key: str) -> Value | None:
        """The constant behind a key, through a dequantization; None if it is computed."""
        value = self.values.get(key)
        if value is not None and value.constant:
            return value
        op = self.producers.get(key)
        if op is None or op.kind != "dequantize" or not op.inputs:
            return None
        source = self.values.get(op.inputs[0])
        return source if source is not None and source.constant else None

    def weights(self, op: Op) -> Value | None:
        """The constant weights of an op that multiplies and accumulates."""
        candidates = [self.constant(key) for key in op.inputs]
        constants = [
            value for value in candidates if value is not None and value.data is not None and value.data.size > 1
        ]
        return constants[0] if constants else None

    def back(self, key: str, through: frozenset[str]) -> Iterator[Op]:
        """Walk back from a tensor along first inputs: ops of types in ``through``, and the first other op."""
        visited: set[int] = set()
        while (op := self.producers.get(key)) is not None and op.index not in visited:
            visited.add(op.index)
            yield op
            if op.type not in through or not op.inputs:
                return
            key = op.inputs[0]


def kind_of(type_name: str, depthwise: bool = False) -> Kind:
    """Classify an op by its name in either format."""
    if depthwise:
        return "depthwise"
    for kind, names in _KINDS.items():
        if type_name in names:
            return kind
    return "other"


_KINDS: dict[Kind, frozenset[str]] = {
    "conv": frozenset(
        ("CONV_2D", "CONV_3D", "TRANSPOSE_CONV", "Conv", "FusedConv", "ConvInteger", "QLinearConv", "ConvTranspose")
    ),
    "depthwise": frozenset(("DEPTHWISE_CONV_2D",)),
    "dense": frozenset(("FULLY_CONNECTED", "Gemm", "FusedGemm", "QGemm")),
    "matmul": frozenset(("BATCH_MATMUL", "MatMul", "FusedMatMul", "MatMulInteger", "QLinearMatMul")),
    "quantize": frozenset(QUANTIZE),
    "dequantize": frozenset(DEQUANTIZE),
}


def _is_free(size: int | str) -> bool:
    return isinstance(size, str) or size < 0
