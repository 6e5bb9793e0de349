"""Profiles of several files in one table: the layers of one student in float and int8, in both formats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgekd.bench.by_op.profile import FileProfile, OpTime

# What formats call one kind of op; fused forms of ONNX Runtime among them.
_KINDS = {
    "CONV_2D": "convolution", "DEPTHWISE_CONV_2D": "convolution", "Conv": "convolution", "QLinearConv": "convolution",
    "FusedConv": "convolution", "TRANSPOSE_CONV": "convolution", "ConvTranspose": "convolution",
    "FULLY_CONNECTED": "dense", "Gemm": "dense", "MatMul": "dense", "QGemm": "dense", "FusedMatMul": "dense",
    "QLinearMatMul": "dense", "FusedGemm": "dense",
    "ADD": "add", "Add": "add", "QLinearAdd": "add", "MUL": "multiply", "Mul": "multiply", "QLinearMul": "multiply",
    "MEAN": "pooling", "AVERAGE_POOL_2D": "pooling", "MAX_POOL_2D": "pooling", "GlobalAveragePool": "pooling",
    "QLinearGlobalAveragePool": "pooling", "AveragePool": "pooling", "MaxPool": "pooling", "ReduceMean": "pooling",
    "QUANTIZE": "to and from integers", "DEQUANTIZE": "to and from integers", "QuantizeLinear": "to and from integers",
    "DequantizeLinear": "to and from integers",
    "TRANSPOSE": "moving data", "Transpose": "moving data", "RESHAPE": "moving data", "Reshape": "moving data",
    "Flatten": "moving data", "ReorderInput": "moving data", "ReorderOutput": "moving data", "PAD": "moving data",
    "Pad": "moving data", "Cast": "moving data", "CONCATENATION": "moving data", "Concat": "moving data",
}  # fmt: skip
_CONVOLUTIONS = ("convolution", "dense")


@dataclass(frozen=True)
class Row:
    """What ``label`` takes in each file, in the profiles' unit; None where a file has nothing of it."""

    label: str
    values: tuple[float | None, ...]


def kind_of(op: OpTime) -> str:
    """The op's kind in words that both formats share; others keep their name."""
    return _KINDS.get(op.kind, op.kind)


def by_kind(profiles: Sequence[FileProfile]) -> list[Row]:
    """What every kind of op takes in each file, the heaviest kind of any file first."""
    return _rows(profiles, [{kind: _sum(p, kind) for kind in map(kind_of, p.ops)} for p in profiles])


def by_layer(profiles: Sequence[FileProfile], most: int = 12) -> list[Row]:
    """What the heaviest convolutions and dense layers take in each file.

    Layers are matched by their order: formats and tools give them other names. Empty where the files have different
    numbers of them, as files of different networks do.
    """
    layers = [[op for op in p.ops if kind_of(op) in _CONVOLUTIONS] for p in profiles]
    if len({len(ops) for ops in layers}) != 1:
        return []
    names = [f"{number + 1}. {_plain(op.name)}" for number, op in enumerate(layers[0])]
    times = [
        {name: op.share * p.total for name, op in zip(names, ops, strict=True)}
        for p, ops in zip(profiles, layers, strict=True)
    ]
    return _rows(profiles, times)[:most]


def _plain(name: str) -> str:
    return re.sub(r"_(conv|gemm|quant)$", "", name.split(";")[0])


def _sum(profile: FileProfile, kind: str) -> float:
    return sum(op.share * profile.total for op in profile.ops if kind_of(op) == kind)


def _rows(profiles: Sequence[FileProfile], times: list[dict[str, float]]) -> list[Row]:
    labels = dict.fromkeys(label for column in times for label in column)
    rows = [Row(label, tuple(column.get(label) for column in times)) for label in labels]
    return sorted(rows, key=lambda row: -max(value or 0.0 for value in row.values))
