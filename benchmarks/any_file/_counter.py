"""Counts multiply-accumulates without edgekd: by what LiteRT and ONNX Runtime computed, and the definitions of the ops.

    python _counter.py FILE

Prints JSON: ``macs``, ``runs`` (whether the runtime ran the file on zeros) and ``why`` it did not.
"""

from __future__ import annotations

import json
import math
import os
import sys
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np

SIDES = (224, 32, 48, 64, 128, 256, 320)


def count_tflite(path: str) -> dict[str, Any]:
    """By the interpreter's own list of nodes, with the delegate off."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(model_path=path, experimental_op_resolver_type=kernels)
        interpreter.allocate_tensors()
    except RuntimeError:  # an op that only the delegate has
        interpreter = Interpreter(model_path=path)
        interpreter.allocate_tensors()
    for entry in interpreter.get_input_details():
        interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
    interpreter.invoke()
    shapes = {entry["index"]: [int(size) for size in entry["shape"]] for entry in interpreter.get_tensor_details()}
    total = 0
    for node in interpreter._get_ops_details():
        ins = [shapes.get(int(i), []) for i in node["inputs"]]
        out = math.prod(shapes.get(int(node["outputs"][0]), [0])) if len(node["outputs"]) else 0
        if node["op_name"] in ("CONV_2D", "FULLY_CONNECTED"):
            total += out * math.prod(ins[1][1:])
        elif node["op_name"] == "DEPTHWISE_CONV_2D":
            total += out * ins[1][1] * ins[1][2]
        elif node["op_name"] == "TRANSPOSE_CONV":
            total += math.prod(ins[2]) * math.prod(ins[1][:3])
        elif node["op_name"] == "BATCH_MATMUL":
            total += out * ins[0][-1]
    return {"macs": total, "runs": True}


def count_onnx(path: str) -> dict[str, Any]:
    """By every value that ONNX Runtime computed, which all are made outputs."""
    import onnx
    import onnxruntime

    model = onnx.load(path)
    names = {value.name for value in model.graph.output}
    wanted = [key for node in model.graph.node for key in node.output if key]
    model.graph.output.extend(onnx.ValueInfoProto(name=key) for key in wanted if key not in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds, values = run_onnx(session, wanted)
    shapes = {name: value.shape for name, value in {**feeds, **dict(zip(wanted, values, strict=True))}.items()
              if hasattr(value, "shape")}  # fmt: skip
    shapes |= {constant.name: tuple(constant.dims) for constant in model.graph.initializer}
    total = 0
    for node in model.graph.node:
        ins = [shapes.get(key, ()) for key in node.input]
        out = math.prod(shapes.get(node.output[0], (0,)))
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Conv":
            total += out * math.prod(ins[1][1:])
        elif node.op_type == "ConvTranspose":
            total += math.prod(ins[0]) * math.prod(ins[1][1:])
        elif node.op_type == "MatMul":
            total += out * ins[0][-1]
        elif node.op_type == "Gemm":
            total += out * ins[0][-2 if attributes.get("transA") else -1]
        elif node.op_type in ("LSTM", "GRU", "RNN"):
            total += math.prod(ins[0][:-1]) * (math.prod(ins[1]) + math.prod(ins[2]))
    return {"macs": total, "runs": True}


def run_onnx(session: Any, wanted: list[str]) -> tuple[dict[str, Any], list[Any]]:
    """Zeros of the first size that works, and what they gave."""
    error: Exception | None = None
    for side in SIDES:
        for length in (1, 128, 256, 576):
            feeds = {value.name: zeros(value, side, length) for value in session.get_inputs()}
            try:
                return feeds, session.run(wanted, feeds)
            except Exception as problem:  # its exceptions share no base but this
                error = error or problem
    assert error is not None
    raise error


def zeros(value: Any, side: int, length: int) -> Any:
    """An input of that type, its free sizes filled."""
    kinds = {
        "tensor(float)": np.float32,
        "tensor(int64)": np.int64,
        "tensor(int32)": np.int32,
        "tensor(uint8)": np.uint8,
    }
    shape = [size if isinstance(size, int) else 1 if i == 0 or (len(value.shape) == 3) else side
             if len(value.shape) == 4 else length for i, size in enumerate(value.shape)]  # fmt: skip
    return np.zeros(shape, kinds[value.type])


def main(path: str) -> None:
    """Count one file."""
    try:
        result = count_tflite(path) if path.endswith(".tflite") else count_onnx(path)
    except Exception as error:  # what a runtime says is the answer here
        result = {"macs": None, "runs": False, "why": str(error)[:300]}
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1])
