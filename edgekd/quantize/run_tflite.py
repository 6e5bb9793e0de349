"""Run a .tflite that has not been packed yet, as the ladder and the calibration look at it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError


def probabilities_of(content: bytes, inputs: NDArray[np.generic]) -> NDArray[np.float32]:
    """What a .tflite of batch 1 gives, float32 [N, C], for inputs [N, H, W, 3] of its own type.

    Raises ExportError where LiteRT has no kernel for it, as for scales that are too far apart.
    """
    from edgekd.runtime.litert import open_interpreter

    try:
        interpreter = open_interpreter(content, threads=2)
    except (RuntimeError, ValueError) as error:
        raise ExportError(
            f"LiteRT does not run the converted file: {error}. Look at the ranges of the layers: a channel that is "
            "some thousand times larger than the others is beyond int8"
        ) from None
    image, (result,) = interpreter.get_input_details()[0], interpreter.get_output_details()
    scale, zero_point = result["quantization"]
    rows = []
    for shown in inputs:
        interpreter.set_tensor(image["index"], shown[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(result["index"])[0].astype(np.float32))
    found = np.stack(rows) if rows else np.zeros((0, int(result["shape"][-1])), np.float32)
    return (found - np.float32(zero_point)) * np.float32(scale) if scale else found
