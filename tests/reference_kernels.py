"""LiteRT's reference kernels, which round the layers of an int8 file otherwise than XNNPACK's do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def by_reference_kernels(artifact: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Outputs [N, C] of an exported .tflite for images [N, H, W, 3]."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=artifact.content(), experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    rows = []
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.stack(rows)
