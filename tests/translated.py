"""An int8 .tflite and the .onnx made of it, without the checks of an export, and what ONNX Runtime makes of that."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.export import onnx_int8, tflite_pack
from edgekd.export.record import Record
from edgekd.formats import tflite_file
from edgekd.preprocess import Preprocessing
from edgekd.quantize import saturation
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.ptq import to_int8


@dataclass(frozen=True)
class Pair:
    """Both files' bytes, of batch 1."""

    tflite: bytes
    onnx: bytes


def translated(model: Any, images: NDArray[np.uint8], *, narrow: bool = True) -> Pair:
    """Quantize a Keras model on these images; ``narrow`` its weights as an export does."""
    content = to_int8(load_float_model(model), images).content
    return packed(saturation.narrow_weights(content)[0] if narrow else content)


def packed(content: bytes) -> Pair:
    """The files of a converted .tflite."""
    graph = tflite_file.read(content, "m")
    height, width = graph.tensors[graph.inputs[0]].shape[1:3]
    labels = tuple(f"l{i}" for i in range(graph.tensors[graph.outputs[0]].shape[1]))
    record = Record(labels, Preprocessing(height=height, width=width), "int8", {}, {})
    tflite = tflite_pack.pack(content, record, name="m")
    return Pair(tflite, onnx_int8.from_tflite(tflite, record, name="m", batch=1))


def tflite_ops(content: bytes) -> Counter[str]:
    """How many ops of each name."""
    return Counter(op.name for op in tflite_file.read(content, "m").ops)


def optimized_ops(content: bytes, directory: Path) -> Counter[str]:
    """How many nodes of each op are in the graph that ONNX Runtime runs, before it chooses layouts for this CPU."""
    import onnx
    import onnxruntime

    path = directory / "optimized.onnx"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def run_onnx(content: bytes, images: NDArray[np.uint8], settings: dict[str, str] | None = None) -> NDArray[Any]:
    """Rows of one image at a time, with ONNX Runtime's session ``settings``."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    for key, value in (settings or {}).items():
        options.add_session_config_entry(key, value)
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: image[np.newaxis]})[0] for image in images])


def run_tflite(content: bytes, images: NDArray[np.uint8]) -> NDArray[Any]:
    """Rows of one image at a time, by LiteRT with XNNPACK."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    rows = []
    for image in images:
        interpreter.set_tensor(source, image[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(target)[0].copy())
    return np.array(rows)
