"""Child process of ``probe``: ``python -m edgekd.inspection.probe_child FORMAT PATH MODE SHAPES``.

MODE is "run", "read" (only infer an .onnx file's shapes) or "try" (only run it, by one thread and by two).

A foreign file with a valid structure may still crash a runtime, so this process may die. Every line
on stdout is JSON: {"doing": ...} before each step, and {"done": {...}} at the end. SHAPES is a JSON object of the
inputs' shapes by name ("" for the only input).
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from pathlib import Path
from typing import Any

from edgekd.inspection.probe_shapes import Say, Shape, ShapeError, is_size, run_first
from edgekd.processes import line_writer
from edgekd.text import one_line

_MEMORY_BYTES = 12 << 30


def main(arguments: list[str]) -> int:
    """Probe one file; a runtime that refuses it is a result, not an error."""
    kind, path, mode = arguments[0], Path(arguments[1]), arguments[2]
    given = json.loads(arguments[3]) if len(arguments) > 3 else {}
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):  # a lower limit is set already
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    say = line_writer()
    if kind == "tflite":
        result = {} if mode == "read" else _tflite(path, given, say)
        if mode == "try" and not {"misfit", "refused", "failed"} & set(result):
            result = _tflite(path, given, say, threads=2)
    else:
        from edgekd.inspection.probe_onnx import probe_onnx, try_onnx

        result = try_onnx(path, say) if mode == "try" else probe_onnx(path, mode == "run", given, say)
    say({"done": result})
    return 0


def _tflite(path: Path, given: dict[str, Shape], say: Say, threads: int = 1) -> dict[str, Any]:
    from ai_edge_litert.interpreter import Interpreter

    say({"doing": "loading it into LiteRT"})
    try:
        interpreter = Interpreter(model_content=path.read_bytes(), num_threads=threads)
        details = interpreter.get_input_details()
        say({"doing": "allocating its tensors in LiteRT"})
        free = {entry["name"]: _signature(entry) for entry in details}
        open_ended = any(not is_size(size) for shape in free.values() for size in shape[1:])
        if not open_ended and not given:
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError, MemoryError) as error:
        return {"refused": f"LiteRT refuses it: {one_line(error, 400)}"}
    say({"doing": "running it in LiteRT"})
    result: dict[str, Any] = {"guessed": open_ended and not given, "chosen": open_ended and bool(given)}
    try:
        result["shapes"] = run_first(free, given, lambda shapes: _run_tflite(interpreter, shapes, open_ended or given))
    except ShapeError as error:
        return {"misfit": str(error)}
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        result["failed"] = f"LiteRT cannot run it on zeros: {one_line(error, 400)}"
    with contextlib.suppress(RuntimeError, ValueError):
        interpreter.allocate_tensors()
        result["delegated"], result["parts"] = _find_delegated(interpreter)
        result["sizes"] = _sizes(interpreter)
    return result


def _signature(entry: dict[str, Any]) -> list[int]:
    # Old files have no signature.
    signature = entry["shape_signature"] if len(entry["shape_signature"]) else entry["shape"]
    return [int(size) for size in signature]


def _run_tflite(interpreter: Any, shapes: dict[str, Shape], resize: Any) -> None:
    import numpy as np

    details = interpreter.get_input_details()
    if resize:
        for entry in details:
            interpreter.resize_tensor_input(entry["index"], shapes[entry["name"]])
        interpreter.allocate_tensors()
    for entry in interpreter.get_input_details():
        interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
    interpreter.invoke()


def _sizes(interpreter: Any) -> dict[str, Shape]:
    """The shape of every tensor that has one, by its number."""
    sizes = {str(entry["index"]): [int(size) for size in entry["shape"]] for entry in interpreter.get_tensor_details()}
    return {key: shape for key, shape in sizes.items() if all(size > 0 for size in shape)}


def _find_delegated(interpreter: Any) -> tuple[list[int], int]:
    """The ops that delegates took, and in how many parts."""
    # A DELEGATE node follows the graph's own nodes; its ops lie between its outputs and its inputs.
    nodes = interpreter._get_ops_details()
    graph_nodes = [node for node in nodes if node["op_name"] != "DELEGATE"]
    producer = {int(key): node for node in graph_nodes for key in node["outputs"]}
    delegated: set[int] = set()
    delegates = [node for node in nodes if node["op_name"] == "DELEGATE"]
    for delegate in delegates:
        edges = {int(key) for key in delegate["inputs"]}
        pending = [int(key) for key in delegate["outputs"]]
        while pending:
            node = producer.get(pending.pop())
            if node is not None and node["index"] not in delegated:
                delegated.add(int(node["index"]))
                pending += [int(key) for key in node["inputs"] if int(key) not in edges]
    return sorted(delegated), len(delegates)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
