"""An .onnx in the child process of ``probe``: its shapes by the onnx package, then one run in ONNX Runtime."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from pathlib import Path
from typing import Any

from edgekd.inspection.probe_shapes import Say, Shape, ShapeError, run_first, small_enough
from edgekd.text import one_line

# Of a file that is run with every value kept.
_MOST_BYTES = 256 << 20


def probe_onnx(path: Path, run: bool, given: dict[str, Shape], say: Say) -> dict[str, Any]:
    """Infer shapes and, with ``run``, load the file and run it once on zeros."""
    say({"doing": "inferring its shapes with onnx"})
    result: dict[str, Any] = {"types": _types(path, given)}
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
    free = {value.name: list(value.shape) for value in session.get_inputs()}
    open_ended = any(not isinstance(size, int) for shape in free.values() for size in shape[1:])
    result["guessed"], result["chosen"] = open_ended and not given, open_ended and bool(given)
    try:
        result["shapes"] = run_first(free, given, lambda shapes: _run(session, shapes))
    except ShapeError as error:
        return {"misfit": str(error)}
    except Exception as error:  # as above
        return result | {"failed": f"ONNX Runtime cannot run it on zeros: {one_line(error, 400)}"}
    if any(not isinstance(size, int) for shape in free.values() for size in shape):
        # Once more with what is known now of the free sizes.
        result["types"] = _types(path, result["shapes"])
    result["types"] |= _measured(path, result["types"], result["shapes"])
    return result


def try_onnx(path: Path, say: Say) -> dict[str, Any]:
    """Load the file and run it on zeros, by one thread and by two."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    for threads in (1, 2):
        say({"doing": "loading it into ONNX Runtime"})
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # An error is told by whoever opens it, and runs it on photos of the right size.
        with contextlib.suppress(Exception):
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            say({"doing": "running it in ONNX Runtime"})
            free = {value.name: list(value.shape) for value in session.get_inputs()}
            run_first(free, {}, functools.partial(_run, session))
    return {}


def _measured(path: Path, types: dict[str, Any], shapes: dict[str, Shape]) -> dict[str, Any]:
    """The types of values that could not be inferred, by running the graph with all of them as outputs."""
    import onnx
    import onnxruntime

    known = {name for name, (_, shape) in types.items() if shape is not None and all(isinstance(s, int) for s in shape)}
    if path.stat().st_size > _MOST_BYTES:
        return {}
    try:
        model = onnx.load(str(path))
        outputs = {value.name for value in model.graph.output}
        missing = [key for node in model.graph.node for key in node.output if key and key not in known]
        if not missing:
            return {}
        model.graph.output.extend(onnx.ValueInfoProto(name=key) for key in missing if key not in outputs)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        content = model.SerializeToString()
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        feeds = {value.name: _zeros(value, shapes[value.name]) for value in session.get_inputs()}
        values = session.run(missing, feeds)
    except Exception:  # the parser and the runtime raise several kinds; these shapes are then unknown
        return {}
    arrays = {key: value for key, value in zip(missing, values, strict=True) if hasattr(value, "shape")}
    return {key: [str(value.dtype), list(value.shape)] for key, value in arrays.items()}


def _run(session: Any, shapes: dict[str, Shape]) -> None:
    session.run(None, {value.name: _zeros(value, shapes[value.name]) for value in session.get_inputs()})


def _zeros(value: Any, shape: Shape) -> Any:
    import numpy as np

    names = {"float": "float32", "double": "float64", "bool": "bool"}
    kind = value.type.removeprefix("tensor(").removesuffix(")")
    dtype = np.dtype(names.get(kind, kind)) if kind != "string" else np.dtype(object)
    if not small_enough(shape, dtype.itemsize):
        raise ValueError(f"the input {value.name} of {shape} is too large to be tried")
    return np.zeros(shape, dtype) if kind != "string" else np.full(shape, "", object)


def _types(path: Path, shapes: dict[str, Shape]) -> dict[str, Any]:
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
        for value in model.graph.input:
            sizes = shapes.get(value.name) or (shapes.get("") if len(model.graph.input) == 1 else None)
            if sizes is not None:
                for dimension, size in zip(value.type.tensor_type.shape.dim, sizes, strict=True):
                    dimension.dim_value = size
        if shapes:
            _forget_free_sizes(model.graph)
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception:  # the parser, the checker and the inference raise several kinds; shapes are then unknown
        return {}
    from edgekd.formats.onnx_wire import DTYPES

    types: dict[str, Any] = {}
    for value in _values_of(graph):
        kind = value.type.tensor_type
        dimensions = [d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in kind.shape.dim]
        types[value.name] = [
            DTYPES.get(kind.elem_type, str(kind.elem_type)),
            dimensions if kind.HasField("shape") else None,
        ]
    return types


def _forget_free_sizes(graph: Any) -> None:
    # What the file says of free sizes would hide those that are known now.
    del graph.value_info[:]
    for value in graph.output:
        if any(not d.HasField("dim_value") for d in value.type.tensor_type.shape.dim):
            value.type.tensor_type.ClearField("shape")


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


def _values_of(graph: Any) -> list[Any]:
    """All values with a type, in the bodies of its ops too; what the outermost graph says of a name holds."""
    values = []
    for node in graph.node:
        for attribute in node.attribute:
            values += _values_of(attribute.g) if attribute.HasField("g") else []
    return [*values, *graph.value_info, *graph.output, *graph.input]
