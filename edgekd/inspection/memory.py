"""The memory that activations need, planned as TFLite plans its arena: the largest tensors first.

Source: arena_planner.cc and simple_memory_arena.cc of TensorFlow Lite: tensors in the order of their size are each put
into the smallest gap between those that live at the same time, at multiples of 64 bytes. Inputs and outputs of the
graph are kept to the end; an op that only gives a tensor another shape shares its bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgekd.inspection.network import Network, Value

_ALIGNMENT = 64
_BYTES = {
    "float64": 8, "int64": 8, "uint64": 8, "float32": 4, "int32": 4, "uint32": 4, "float16": 2, "bfloat16": 2,
    "int16": 2, "uint16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip
# What lives elsewhere: variables and tables.
_HANDLES = ("resource", "variant")
_SHARING = frozenset(("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "BITCAST", "Reshape", "Squeeze", "Unsqueeze", "Flatten"))


@dataclass(frozen=True)
class _Block:
    size: int
    first: int
    last: int


def plan_activations(network: Network, shapes: Mapping[str, tuple[int, ...]] | None = None) -> int | None:
    """Bytes of the arena for one image; None where a shape is not known.

    ``shapes`` are those of inputs by name that the file leaves free.
    """
    named = {key: (shapes or {}).get(network.values[key].name) for key in network.inputs}
    sized = {key: replace(network.values[key], shape=shape) for key, shape in named.items() if shape is not None}
    blocks = _blocks(replace(network, values={**network.values, **sized}))
    if blocks is None:
        return None
    placed: list[tuple[int, _Block]] = []
    # Those that live from start to end come first, then the larger ones, then the earlier ones.
    whole = len(network.ops)
    order = sorted(blocks, key=lambda b: (not (b.first == 0 and b.last >= whole), -b.size, b.first))
    for block in order:
        placed.append((_place(block, placed), block))
        placed.sort(key=lambda pair: pair[0])
    return max((offset + block.size for offset, block in placed), default=0)


def value_bytes(value: Value) -> int | None:
    """Bytes of a tensor; None if its shape or type is not known."""
    if value.dtype in _HANDLES:
        return 0
    size = _BYTES.get(value.dtype)
    return None if size is None or value.sizes is None else size * math.prod(value.sizes)


def _blocks(network: Network) -> list[_Block] | None:
    end = len(network.ops)
    first = dict.fromkeys(network.inputs, 0)
    last = dict.fromkeys(network.inputs, end)
    shared: dict[str, str] = {}
    for place, op in enumerate(network.ops):
        if op.outputs and op.inputs and _is_free(network, op.outputs[0]) and op.type in _SHARING:
            source = shared.get(op.inputs[0], op.inputs[0])
            if source in first:
                shared[op.outputs[0]] = source
        for key in op.outputs:
            first.setdefault(key, place)
            last[key] = max(last.get(key, 0), place)
        for key in op.inputs:
            if key in first:
                last[key] = max(last[key], place)
    last |= dict.fromkeys((key for key in network.outputs if key in first), end)
    for key, source in shared.items():
        last[source] = max(last[source], last[key])
    blocks = []
    for key in first:
        size = value_bytes(network.values[key]) if key not in shared else 0
        if size is None:
            return None
        if size and not network.values[key].constant and network.constant(key) is None:
            blocks.append(_Block(size, first[key], last[key]))
    return blocks


def _is_free(network: Network, key: str) -> bool:
    return key in network.values and not network.values[key].constant


def _place(block: _Block, placed: list[tuple[int, _Block]]) -> int:
    best, smallest, end = -1, 0, 0
    for offset, other in placed:
        if other.first > block.last or other.last < block.first:
            continue
        start = _align(end)
        gap = offset - start
        if gap >= block.size and (best < 0 or gap < smallest):
            best, smallest = start, gap
        end = max(end, offset + other.size)
    return best if best >= 0 else _align(end)


def _align(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT
