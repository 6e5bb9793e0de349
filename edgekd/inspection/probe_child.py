"""Child process of ``probe``: ``python -m edgekd.inspection.probe_child FORMAT PATH RUN``.

A foreign file with a valid structure may still crash a runtime, so this process may die. Every line
on stdout is JSON: {"doing": ...} before each step, and {"done": {...}} at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgekd.text import one_line

_MEMORY_BYTES = 12 << 30
_MAX_INPUT_BYTES = 256 << 20
# Tried for a free height or width.
_FREE_SIZE = 224
# Size, channels and their axis, tried in turn where a shape is all free.
_ATTEMPTS = tuple(
    (size, channels, axis)
    for channels, axis in ((3, 1), (3, 3), (1, 1), (1, 3))
    for size in (_FREE_SIZE, 32, 64, 96, 128, 160, 192, 256, 299)
)


def main(arguments: list[str]) -> int:
    """Probe one file; a runtime that refuses it is a result, not an error."""
    kind, path, run = arguments[0], Path(arguments[1]), arguments[2] == "run"
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):  # a lower limit is set already
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    # What a runtime prints must not mix with the JSON lines.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(value: dict[str, Any]) -> None:
        output.write(json.dumps(value) + "\n")
        output.flush()

    say({"done": (_tflite if kind == "tflite" else _onnx)(path, run, say)})
    return 0


Say = Callable[[dict[str, Any]], None]


def _tflite(path: Path, run: bool, say: Say) -> dict[str, Any]:
    if not run:
        return {}
    from ai_edge_litert.interpreter import Interpreter

    say({"doing": "loading it into LiteRT"})
    try:
        interpreter = Interpreter(model_content=path.read_bytes(), num_threads=1)
        say({"doing": "allocating its tensors in LiteRT"})
        for entry in interpreter.get_input_details():
            free = [i for i, size in enumerate(entry["shape_signature"]) if size == -1 and i > 0]
            if free:
                shape = [_FREE_SIZE if i in free else int(size) for i, size in enumerate(entry["shape"])]
                interpreter.resize_tensor_input(entry["index"], shape)
        interpreter.allocate_tensors()
        result: dict[str, Any] = {"delegated": _find_delegated(interpreter)}
    except (RuntimeError, ValueError, MemoryError) as error:
        return {"refused": f"LiteRT refuses it: {one_line(error, 400)}"}
    say({"doing": "running it in LiteRT"})
    import numpy as np

    try:
        for entry in interpreter.get_input_details():
            interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
        interpreter.invoke()
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        result["failed"] = f"LiteRT cannot run it on zeros: {one_line(error, 400)}"
    return result


def _find_delegated(interpreter: Any) -> list[int]:
    # A DELEGATE node follows the graph's own nodes; its ops lie between its outputs and its inputs.
    nodes = interpreter._get_ops_details()
    graph_nodes = [node for node in nodes if node["op_name"] != "DELEGATE"]
    producer = {int(key): node for node in graph_nodes for key in node["outputs"]}
    delegated: set[int] = set()
    for delegate in (node for node in nodes if node["op_name"] == "DELEGATE"):
        edges = {int(key) for key in delegate["inputs"]}
        pending = [int(key) for key in delegate["outputs"]]
        while pending:
            node = producer.get(pending.pop())
            if node is not None and node["index"] not in delegated:
                delegated.add(int(node["index"]))
                pending += [int(key) for key in node["inputs"] if int(key) not in edges]
    return sorted(delegated)


def _onnx(path: Path, run: bool, say: Say) -> dict[str, Any]:
    say({"doing": "inferring its shapes with onnx"})
    result: dict[str, Any] = {"types": _types(path)}
    if not run:
        return result
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    say({"doing": "loading it into ONNX Runtime"})
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
        optimized = Path(scratch) / "optimized.onnx"
        options.optimized_model_filepath = str(optimized)
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its own exception types share no base but this
            return result | {"refused": f"ONNX Runtime refuses it: {one_line(error, 400)}"}
        result["fused"] = _counts(optimized)
    say({"doing": "running it in ONNX Runtime"})
    try:
        _run_on_zeros(session)
    except Exception as error:  # as above
        result["failed"] = f"ONNX Runtime cannot run it on zeros: {one_line(error, 400)}"
    return result


def _run_on_zeros(session: Any) -> None:
    """Run once; where height, width and channels are all free, with usual sizes in turn. Raises the first error."""
    inputs = session.get_inputs()
    attempts = _ATTEMPTS if any(_is_free(value.shape) for value in inputs) else _ATTEMPTS[:1]
    first: Exception | None = None
    for size, channels, axis in attempts:
        feeds = {value.name: _zeros(value, size, channels, axis) for value in inputs}
        if any(value is None for value in feeds.values()):
            return
        try:
            session.run(None, feeds)
            return
        except Exception as error:  # its own exception types share no base but this
            first = first or error
    if first is not None:
        raise first


def _is_free(shape: Any) -> bool:
    """Whether an image's shape leaves open where its channels are."""
    return len(shape) == 4 and not any(isinstance(size, int) and size > 0 for size in shape[1:])


def _types(path: Path) -> dict[str, Any]:
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception:  # the parser, the checker and the inference raise several kinds; shapes are then unknown
        return {}
    from edgekd.formats.onnx_wire import DTYPES

    types: dict[str, Any] = {}
    for value in graph.value_info:
        kind = value.type.tensor_type
        sizes = [d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in kind.shape.dim]
        types[value.name] = [DTYPES.get(kind.elem_type, str(kind.elem_type)), sizes if kind.HasField("shape") else None]
    return types


def _counts(path: Path) -> dict[str, int]:
    from edgekd.errors import ArtifactError
    from edgekd.formats import onnx_file

    try:
        graph = onnx_file.read(path.read_bytes(), path.name)
    except (ArtifactError, OSError):
        return {}
    counts: dict[str, int] = {}
    for node in graph.nodes:
        counts[node.op] = counts.get(node.op, 0) + 1
    return counts


def _zeros(value: Any, size: int, channels: int, axis: int) -> Any:
    import numpy as np

    names = {"float": "float32", "double": "float64"}
    kind = value.type.removeprefix("tensor(").removesuffix(")")
    free = [1 if i == 0 or len(value.shape) < 4 else size for i in range(len(value.shape))]
    if _is_free(value.shape):
        free[axis] = channels
    shape = [side if isinstance(side, int) and side >= 0 else free[i] for i, side in enumerate(value.shape)]
    try:
        dtype = np.dtype(names.get(kind, kind))
    except TypeError:
        return None
    return np.zeros(shape, dtype) if np.prod(shape) * dtype.itemsize <= _MAX_INPUT_BYTES else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
