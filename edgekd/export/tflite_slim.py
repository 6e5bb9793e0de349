"""Writes a .tflite again in fewer bytes: what is equal is stored once. That the graph is the same is checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError
from edgekd.formats import tflite_file
from edgekd.formats.sharing_builder import SharingBuilder
from edgekd.formats.tflite_file import TfliteGraph, TfliteOp, TfliteTensor


def slim(content: bytes, where: str) -> bytes:
    """The same model in fewer bytes: equal buffers, vectors, strings and tables are stored once.

    Raises: ExportError if the file that was written is not the same graph, tensor by tensor.
    """
    model = tflite_file.parse(content, where)
    _share_buffers(model)
    _drop_observed_ranges(model)
    builder = SharingBuilder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=tflite_file.IDENTIFIER)
    smaller = bytes(builder.Output())
    check_same(tflite_file.read(content, where), tflite_file.read(smaller, where), where)
    return smaller


def check_same(before: TfliteGraph, after: TfliteGraph, where: str) -> None:
    """Raise ExportError unless two files hold the same tensors, constants, ops, metadata and signatures."""
    difference = _difference(before, after)
    if difference:
        raise ExportError(
            f"{where}: written in fewer bytes it is not the same model: {difference}. Report this with the model"
        )


def _difference(before: TfliteGraph, after: TfliteGraph) -> str:
    for what in ("inputs", "outputs", "metadata", "version", "description", "signatures", "subgraphs"):
        if getattr(before, what) != getattr(after, what):
            return f"its {what}"
    if (len(before.tensors), len(before.ops)) != (len(after.tensors), len(after.ops)):
        return "the number of its tensors or ops"
    for old, new in zip(before.tensors, after.tensors, strict=True):
        if not _same_tensor(old, new):
            return f"tensor {old.index} ({old.name!r})"
    for first, second in zip(before.ops, after.ops, strict=True):
        if not _same_op(first, second):
            return f"op {first.index} ({first.name})"
    return next(filter(None, map(_difference, before.bodies, after.bodies)), "")


def _same_tensor(before: TfliteTensor, after: TfliteTensor) -> bool:
    names = ("name", "type", "shape", "axis", "signature", "size_bytes")
    if any(getattr(before, name) != getattr(after, name) for name in names):
        return False
    values: list[tuple[NDArray[Any], NDArray[Any]]] = [
        (before.scales, after.scales), (before.zero_points, after.zero_points)
    ]  # fmt: skip
    if (before.data is None) != (after.data is None):
        return False
    if before.data is not None and after.data is not None:
        values.append((before.data, after.data))
    # By bytes: not-a-number equals itself, and -0 is not 0.
    return all(old.dtype == new.dtype and old.tobytes() == new.tobytes() for old, new in values)


def _same_op(before: TfliteOp, after: TfliteOp) -> bool:
    if (before.name, before.inputs, before.outputs) != (after.name, after.inputs, after.outputs):
        return False
    return bool(_plain(before.options) == _plain(after.options))


def _plain(value: Any) -> Any:
    # The schema's objects compare by identity.
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tolist()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {name: _plain(item) for name, item in vars(value).items()} if hasattr(value, "__dict__") else value


def _share_buffers(model: Any) -> None:
    # Buffer 0 is empty by convention: every tensor that is computed names it.
    numbers: dict[bytes, int] = {b"": 0}
    places: list[int] = []
    kept = [model.buffers[0]]
    for buffer in model.buffers:
        data = b"" if buffer.data is None or np.ndim(buffer.data) == 0 else bytes(buffer.data)
        if data not in numbers:
            numbers[data] = len(kept)
            kept.append(buffer)
        places.append(numbers[data])
    model.buffers = kept
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.buffer = places[tensor.buffer]
    for entry in model.metadata or ():
        entry.buffer = places[entry.buffer]


def _drop_observed_ranges(model: Any) -> None:
    # Ranges that the converter saw; the scales made of them are what runs.
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            if tensor.quantization is not None:
                tensor.quantization.min = tensor.quantization.max = None
