"""Runs a .tflite that is not packed as an artifact yet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError
from edgekd.formats import tflite_file
from edgekd.task import Task

# What may stand between an activation and the output.
_AFTER_ACTIVATION = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "CAST")


def run_tflite(content: bytes, inputs: NDArray[np.generic]) -> NDArray[np.float32]:
    """Run a .tflite of batch 1 on inputs [N, H, W, 3] of its own dtype; returns float32 [N, C].

    Raises ExportError if LiteRT has no kernel for it, for example where scales are too far apart.
    """
    from edgekd.runtime.litert import open_interpreter

    try:
        interpreter = open_interpreter(content, threads=2)
    except (RuntimeError, ValueError) as error:
        raise ExportError(
            f"LiteRT does not run the converted file: {error}. Look at the ranges of the layers: a channel whose "
            "values are thousands of times larger than the others' does not fit int8"
        ) from None
    input_details, (output_details,) = interpreter.get_input_details()[0], interpreter.get_output_details()
    scale, zero_point = output_details["quantization"]
    rows = []
    for image in inputs:
        interpreter.set_tensor(input_details["index"], image[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(output_details["index"])[0].astype(np.float32))
    outputs = np.stack(rows) if rows else np.zeros((0, int(output_details["shape"][-1])), np.float32)
    return (outputs - np.float32(zero_point)) * np.float32(scale) if scale else outputs


def find_task(content: bytes) -> Task:
    """The task of a .tflite that is not packed yet: of tags where its output comes from sigmoids."""
    graph = tflite_file.read(content, "the converted model")
    makers = {tensor: op for op in graph.ops for tensor in op.outputs}
    op = makers.get(graph.outputs[0])
    while op is not None and op.name in _AFTER_ACTIVATION:
        op = makers.get(op.inputs[0])
    return "multi-label" if op is not None and op.name == "LOGISTIC" else "single-label"
