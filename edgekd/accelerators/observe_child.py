"""Child process of ``observe``: ``python -m edgekd.accelerators.observe_child REQUEST``.

REQUEST is a JSON object: ``model``, ``format``, ``inputs`` (an .npy of what is fed, one a row), ``out`` (an .npy for
the ranges of every tensor by channel) and ``ops`` (indices of those to add up exactly). The last line is JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.accelerators.exact_sums import exact_sums
from edgekd.inspection.network import INTEGERS_8, Network, Op, Value
from edgekd.processes import line_writer
from edgekd.text import one_line

Read = Callable[[str], NDArray[Any] | None]


def main(arguments: list[str]) -> int:
    """Run the file on every input and write what was seen; a refusal is a result."""
    from edgekd.accelerators.graph import read_graph

    request = json.loads(arguments[0])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    say = line_writer()
    path = Path(request["model"])
    network = read_graph(path, run=False)
    ops = {op.index: op for op in network.ops if op.index in set(request["ops"])}
    seen = _Seen()
    sums: dict[int, list[float]] = {}
    run = _tflite if request["format"] == "tflite" else _onnx
    try:
        for read in run(path, network, np.load(request["inputs"], mmap_mode="r")):
            tensors = _tensors(network, read, ops)
            if not ops:
                seen.add(network, tensors)
            for index, op in ops.items():
                known = exact_sums(network, op, tensors)
                if known is not None:
                    sums[index] = [max(pair) for pair in zip(known, sums.get(index, known), strict=True)]
    except Exception as error:  # the runtimes' own exception types share no base but this
        say({"failed": one_line(error, 400)})
        return 0
    # One array of all channels: a tensor's name may be anything.
    if not ops:
        np.save(request["out"], np.concatenate([*seen.ranges.values(), np.zeros((2, 0))], axis=1))
    lengths = [[key, ends.shape[1]] for key, ends in seen.ranges.items()]
    say({"sums": sums, "channels": lengths})
    return 0


class _Seen:
    """The ranges of tensors by channel, over all inputs."""

    def __init__(self) -> None:
        self.ranges: dict[str, NDArray[np.float64]] = {}

    def add(self, network: Network, tensors: dict[str, NDArray[np.float32]]) -> None:
        for key, values in tensors.items():
            axis = 1 if network.format == "onnx" and values.ndim >= 3 else values.ndim - 1
            rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1) if values.ndim else values.reshape(1, 1)
            ends = np.stack([rows.min(axis=1), rows.max(axis=1)]).astype(np.float64)
            known = self.ranges.get(key)
            if known is not None and known.shape == ends.shape:
                ends = np.stack([np.minimum(known[0], ends[0]), np.maximum(known[1], ends[1])])
            elif known is not None:
                ends = np.array([[min(known[0].min(), ends[0].min())], [max(known[1].max(), ends[1].max())]])
            self.ranges[key] = ends


def _tensors(network: Network, read: Read, ops: dict[int, Op]) -> dict[str, NDArray[np.float32]]:
    """Real values of what ``ops`` read, or of all that is computed."""
    wanted = ops.values() if ops else network.ops
    keys = {key for op in wanted for key in (*op.inputs, *(() if ops else op.outputs)) if key}
    tensors = {}
    for key in keys:
        value = network.values[key]
        values = None if value.constant or value.dtype in ("int32", "int64", "bool", "string") else read(key)
        if values is not None and values.size and values.dtype.kind in "fiu":
            tensors[key] = _real(values, value)
    return tensors


def _real(values: NDArray[Any], value: Value) -> NDArray[np.float32]:
    real = values.astype(np.float32)
    if value.dtype in INTEGERS_8 and len(value.scales) == 1:
        zero = float(value.zero_points[0]) if len(value.zero_points) else 0.0
        real = (real - np.float32(zero)) * np.float32(value.scales[0])
    return real


def _tflite(path: Path, network: Network, inputs: NDArray[Any]) -> Iterator[Read]:
    from edgekd.runtime.litert import open_interpreter

    content = path.read_bytes()
    interpreter = open_interpreter(content, threads=1, xnnpack=False, preserve_all_tensors=True)
    image = interpreter.get_input_details()[0]
    if tuple(image["shape"]) != inputs.shape[1:]:
        interpreter.resize_tensor_input(image["index"], inputs.shape[1:])
        interpreter.allocate_tensors()

    def read(key: str) -> NDArray[Any] | None:
        try:
            return np.asarray(interpreter.get_tensor(int(key)))
        except ValueError:  # a tensor without values, such as a variable's handle
            return None

    for values in inputs:
        interpreter.set_tensor(image["index"], values)
        interpreter.invoke()
        yield read


def _onnx(path: Path, network: Network, inputs: NDArray[Any]) -> Iterator[Read]:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnx
    import onnxruntime

    model = onnx.load(str(path))
    known = {value.name for value in model.graph.output}
    keys = [key for op in network.ops for key in op.outputs if key]
    model.graph.output.extend(onnx.ValueInfoProto(name=key) for key in keys if key not in known)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for values in inputs:
        results = dict(zip(keys, session.run(keys, {name: values}), strict=True)) | {name: values}
        yield results.get


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
