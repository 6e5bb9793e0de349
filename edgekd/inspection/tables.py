"""An inspection as plain data: the ops by kind, the layers, the totals, and all of it as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgekd.inspection.inspect_file import Inspection
from edgekd.inspection.network import Network, Op, Value

SCHEMA = 1


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


def op_rows(inspection: Inspection) -> list[OpRow]:
    """The ops, the most frequent first."""
    groups: dict[tuple[str, str], list[Op]] = {}
    for op in inspection.network.ops:
        groups.setdefault((op.type, op.precision), []).append(op)
    rows = [
        OpRow(kind, precision, len(ops), _delegated(inspection, ops), _sum(inspection, ops))
        for (kind, precision), ops in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row.count, row.type, row.precision))


def layers(inspection: Inspection) -> list[Layer]:
    """The ops that hold constants or multiply, in order."""
    held = constant_bytes(inspection.network)
    taken = inspection.subject.delegated
    return [
        Layer(
            index=op.index,
            type=op.type,
            name=op.name,
            precision=op.precision,
            output_shape=inspection.network.values[op.outputs[0]].shape if op.outputs else None,
            constant_bytes=held.get(op.index, 0),
            macs=inspection.subject.macs[op.index],
            delegated=None if taken is None else op.index in taken,
        )
        for op in inspection.network.ops
        if held.get(op.index, 0) or inspection.subject.macs[op.index] != 0
    ]


def constant_bytes(network: Network) -> dict[int, int]:
    """Bytes of constants by the index of the op that uses them first, beyond any dequantization."""
    held: dict[int, int] = {}
    for value in network.values.values():
        owner = _owner(network, value) if value.constant and value.size_bytes else None
        if owner is not None:
            held[owner.index] = held.get(owner.index, 0) + value.size_bytes
    return held


def totals(inspection: Inspection) -> dict[str, Any]:
    """Ops, MACs and bytes of the whole file."""
    subject = inspection.subject
    unknown = sorted({op.type for op in inspection.network.ops if subject.macs[op.index] is None})
    held = sum(value.size_bytes for value in inspection.network.values.values() if value.constant)
    return {
        "ops": len(inspection.network.ops),
        "macs": sum(count or 0 for count in subject.macs.values()),
        "macs_not_counted_in": unknown,
        "constant_bytes": held,
        "other_bytes": max(0, inspection.size_bytes - held),
    }


def delegation(inspection: Inspection) -> dict[str, Any] | None:
    """What XNNPACK takes of a .tflite, and how that is known; None for an .onnx."""
    taken = inspection.subject.delegated
    if taken is None:
        return None
    total = sum(count or 0 for count in inspection.subject.macs.values())
    known = all(count is not None for count in inspection.subject.macs.values())
    share = sum(inspection.subject.macs.get(index) or 0 for index in taken)
    return {
        "how": inspection.delegation,
        "ops": len(taken),
        "of": len(inspection.network.ops),
        "macs_share": share / total if total and known else None,
        "left": [f"{op.type} {op.name}".strip() for op in inspection.network.ops if op.index not in taken],
    }


def to_json(inspection: Inspection) -> dict[str, Any]:
    """Everything, in a form that keeps its keys from release to release."""
    network, description = inspection.network, inspection.description
    return {
        "schema": SCHEMA,
        "file": str(inspection.path),
        "format": network.format,
        "size_bytes": inspection.size_bytes,
        "sha256": inspection.sha256,
        "made_by_edgekd": inspection.ours,
        "versions": inspection.versions,
        "subgraphs": inspection.subgraphs,
        "inputs": [tensor(network.values[key]) for key in network.inputs],
        "outputs": [tensor(network.values[key]) for key in network.outputs],
        "labels": None if description.labels is None else list(description.labels),
        "described_by": description.source,
        "preprocessing": description.preprocessing,
        "provenance": description.provenance,
        "ops": [asdict(row) for row in op_rows(inspection)],
        "layers": [asdict(layer) for layer in layers(inspection)],
        "totals": totals(inspection),
        "xnnpack": delegation(inspection),
        "onnxruntime_ops": inspection.fused or None,
        "ran": inspection.ran,
        "findings": [asdict(finding) for finding in inspection.findings],
    }


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
        # What dequantizes a constant belongs to the layer behind it; what dequantizes an activation does not.
        if owner.kind != "dequantize" or not owner.outputs or network.constant(owner.outputs[0]) is None:
            return owner
        key = owner.outputs[0]
    return owner


def _delegated(inspection: Inspection, ops: list[Op]) -> int | None:
    taken = inspection.subject.delegated
    return None if taken is None else sum(op.index in taken for op in ops)


def _sum(inspection: Inspection, ops: list[Op]) -> int | None:
    counts = [inspection.subject.macs[op.index] for op in ops]
    return None if None in counts else sum(count or 0 for count in counts)
