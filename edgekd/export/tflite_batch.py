"""Changes the batch size of a .tflite that was converted for one image: same weights, ops and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekd.errors import UnsupportedOpError
from edgekd.export.options import Batch
from edgekd.formats.tflite_file import names_of

_FREE = -1


def set_batch(model: Any, batch: Batch, *, name: str) -> None:
    """Change the first dimension of every computed tensor of a schema ModelT, in place; "dynamic" frees it.

    A converter with a free batch adds ops that compute shapes at run time, which int8 delegates refuse; this adds none.
    Raises: UnsupportedOpError where a tensor has no batch of 1 in front.
    """
    if batch == 1:
        return
    graph = model.subgraphs[0]
    for tensor in graph.tensors:
        if _is_constant(model, tensor):
            continue
        if tensor.shape is None or np.ndim(tensor.shape) == 0 or not len(tensor.shape) or tensor.shape[0] != 1:
            raise UnsupportedOpError(
                f"{name}: tensor {_text(tensor.name)!r} has no batch of 1 in front, so the batch cannot be {batch}. "
                "Export with batch 1, or replace the layer that mixes the batch with other dimensions"
            )
        rest = [int(size) for size in tensor.shape[1:]]
        if batch == "dynamic":
            tensor.shapeSignature = np.array([_FREE, *rest], np.int32)
        else:
            tensor.shape = np.array([batch, *rest], np.int32)
    for op in graph.operators:
        if names_of("BuiltinOperator").get(model.operatorCodes[op.opcodeIndex].builtinCode) == "RESHAPE":
            _free_reshape(model, op, name)


def _free_reshape(model: Any, op: Any, name: str) -> None:
    from ai_edge_litert import schema_py_generated as schema

    tensors = model.subgraphs[0].tensors
    target = np.array([_FREE, *tensors[op.outputs[0]].shape[1:]], np.int32)
    if op.builtinOptions is not None:
        op.builtinOptions.newShape = target
    if len(op.inputs) < 2 or op.inputs[1] < 0:
        return
    tensor = tensors[op.inputs[1]]
    if not _is_constant(model, tensor):
        raise UnsupportedOpError(
            f"{name}: RESHAPE to {_text(tensors[op.outputs[0]].name)!r} computes its shape at run time. "
            "Export with batch 1, or give the Reshape layer fixed sizes"
        )
    # A new buffer: other constants may share the old one.
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(target.astype("<i4").tobytes(), np.uint8)
    tensor.buffer, tensor.shape = len(model.buffers), np.array([len(target)], np.int32)
    model.buffers = [*model.buffers, buffer]


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and np.ndim(data) > 0 and len(data) > 0


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
