"""An inspection as tables: ops by kind, layers, totals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgekd.inspection.inspect_file import Inspection
from edgekd.inspection.network import Network, Op, Value


@dataclass(frozen=True)
class OpRow:
    """Ops of one type and precision; ``delegated`` of them go to XNNPACK (None for an .onnx)."""

    type: str
    precision: str
    count: int
    delegated: int | None
    macs: int | None


@dataclass(frozen=True)
class Layer:
    """An op that holds constants or multiplies: the bytes of its constants, and its MACs (None if not known)."""

    index: int
    type: str
    name: str
    precision: str
    output_shape: tuple[int | str, ...] | None
    constant_bytes: int
    macs: int | None
    delegated: bool | None


@dataclass(frozen=True)
class HeavyLayer:
    """One of the ops with the most MACs, and its share of all."""

    type: str
    name: str
    macs: int
    share: float
    constant_bytes: int


def op_rows(inspection: Inspection) -> list[OpRow]:
    """The ops, the most frequent first."""
    groups: dict[tuple[str, str], list[Op]] = {}
    for op in inspection.network.ops:
        groups.setdefault((op.type, op.precision), []).append(op)
    rows = [
        OpRow(kind, precision, len(ops), _count_delegated(inspection, ops), _sum(inspection, ops))
        for (kind, precision), ops in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row.count, row.type, row.precision))


def layers(inspection: Inspection) -> list[Layer]:
    """List the ops that hold constants or multiply, in order."""
    constants = constant_bytes(inspection.network)
    delegated = inspection.subject.delegated
    return [
        Layer(
            index=op.index,
            type=op.type,
            name=op.name,
            precision=op.precision,
            output_shape=inspection.network.values[op.outputs[0]].shape if op.outputs else None,
            constant_bytes=constants.get(op.index, 0),
            macs=inspection.subject.macs[op.index],
            delegated=None if delegated is None else op.index in delegated,
        )
        for op in inspection.network.ops
        if constants.get(op.index, 0) or inspection.subject.macs[op.index] != 0
    ]


def constant_bytes(network: Network) -> dict[int, int]:
    """Bytes of constants by the index of the op that uses them first, beyond any dequantization."""
    by_op: dict[int, int] = {}
    for value in network.values.values():
        owner = _owner(network, value) if value.constant and value.size_bytes else None
        if owner is not None:
            by_op[owner.index] = by_op.get(owner.index, 0) + value.size_bytes
    return by_op


def totals(inspection: Inspection) -> dict[str, Any]:
    """Ops, MACs and bytes of the whole file."""
    subject = inspection.subject
    unknown = sorted({op.type for op in inspection.network.ops if subject.macs[op.index] is None})
    constants = sum(value.size_bytes for value in inspection.network.values.values() if value.constant)
    return {
        "ops": len(inspection.network.ops),
        "macs": sum(count or 0 for count in subject.macs.values()),
        "macs_not_counted_in": unknown,
        "constant_bytes": constants,
        "other_bytes": max(0, inspection.size_bytes - constants),
    }


def delegation(inspection: Inspection) -> dict[str, Any] | None:
    """XNNPACK's share of a .tflite, and how it is known; None for an .onnx."""
    delegated = inspection.subject.delegated
    if delegated is None:
        return None
    total = sum(count or 0 for count in inspection.subject.macs.values())
    all_counted = all(count is not None for count in inspection.subject.macs.values())
    share = sum(inspection.subject.macs.get(index) or 0 for index in delegated)
    return {
        "how": inspection.delegation,
        "ops": len(delegated),
        "parts": inspection.parts,
        "of": len(inspection.network.ops),
        "macs_share": share / total if total and all_counted else None,
        "left": [f"{op.type} {op.name}".strip() for op in inspection.network.ops if op.index not in delegated],
    }


def heaviest(inspection: Inspection, count: int = 5) -> list[HeavyLayer]:
    """The ops with the most MACs, the heaviest first."""
    total = sum(value or 0 for value in inspection.subject.macs.values())
    ops = sorted(inspection.network.ops, key=lambda op: -(inspection.subject.macs.get(op.index) or 0))
    constants = constant_bytes(inspection.network)
    return [
        HeavyLayer(op.type, op.name, macs, macs / total, constants.get(op.index, 0))
        for op in ops[:count]
        if (macs := inspection.subject.macs.get(op.index) or 0)
    ]


def tensor(value: Value) -> dict[str, Any]:
    """An input or output; ``scale`` and ``zero_point`` are None if it has none."""
    return {
        "name": value.name,
        "dtype": value.dtype,
        "shape": None if value.shape is None else list(value.shape),
        "scale": float(value.scales[0]) if len(value.scales) else None,
        "zero_point": int(value.zero_points[0]) if len(value.zero_points) else None,
    }


def _owner(network: Network, value: Value) -> Op | None:
    key: str = value.key
    owner: Op | None = None
    for _ in range(4):
        after = network.consumers.get(key, ())
        if not after:
            return owner
        owner = after[0]
        # A dequantization of a constant belongs to the next layer; one of an activation does not.
        if owner.kind != "dequantize" or not owner.outputs or network.constant(owner.outputs[0]) is None:
            return owner
        key = owner.outputs[0]
    return owner


def _count_delegated(inspection: Inspection, ops: list[Op]) -> int | None:
    delegated = inspection.subject.delegated
    return None if delegated is None else sum(op.index in delegated for op in ops)


def _sum(inspection: Inspection, ops: list[Op]) -> int | None:
    counts = [inspection.subject.macs[op.index] for op in ops]
    return None if None in counts else sum(count or 0 for count in counts)
