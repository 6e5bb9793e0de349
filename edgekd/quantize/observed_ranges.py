"""Ranges of a calibrated model's tensors, measured with every tensor in memory of its own.

TensorFlow's calibrator reads a tensor after the op that follows it. Where that op writes into its input's memory, as
additions and multiplications do, it sees both: the range of a sigmoid before a product became -0.3..5.5.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edgekd.formats import tflite_file


def observe_ranges(content: bytes, inputs: Iterable[NDArray[np.float32]]) -> bytes:
    """Run a calibrated .tflite on ``inputs`` [1, H, W, 3] and replace the range of every tensor that it computes.

    Tensors without a range, the graph's input and constants stay as they are.
    """
    from edgekd.runtime.litert import open_interpreter

    model = tflite_file.parse(content, "the calibrated model")
    graph = model.subgraphs[0]
    computed = {int(index) for op in graph.operators for index in op.outputs}
    lows = {index: np.inf for index in computed if _has_range(graph.tensors[index])}
    highs = dict.fromkeys(lows, -np.inf)
    interpreter = open_interpreter(content, threads=2, xnnpack=False, preserve_all_tensors=True)
    image = int(interpreter.get_input_details()[0]["index"])
    for values in inputs:
        interpreter.set_tensor(image, values)
        interpreter.invoke()
        for index in lows:
            tensor = interpreter.get_tensor(index)
            # NaN stays, and is refused later.
            lows[index] = np.minimum(lows[index], tensor.min())
            highs[index] = np.maximum(highs[index], tensor.max())
    for index in lows:
        quantization = graph.tensors[index].quantization
        quantization.min = np.array([lows[index]], np.float32)
        quantization.max = np.array([highs[index]], np.float32)
    return tflite_file.pack(model)


def _has_range(tensor: object) -> bool:
    quantization = getattr(tensor, "quantization", None)
    return quantization is not None and np.ndim(quantization.min) == 1 and len(quantization.min) == 1
