"""A TF SavedModel directory as a teacher's network: its serving signature, as a graph."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.outputs import Ending
from edgekd.quiet import import_keras, quiet
from edgekd.teacher.files import InputSettings
from edgekd.teacher.network import NetworkFacts, folder_hash, run_in_batches
from edgekd.teacher.saved_model_file import ServingFunction, read_serving_function
from edgekd.text import one_line

_PASSED = ("Identity", "IdentityN", "Reshape", "Squeeze", "Cast", "ExpandDims", "StopGradient")
_ENDINGS: dict[str, Ending] = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}
_SUMS = ("BiasAdd", "MatMul", "AddV2", "Add", "_FusedMatMul", "Conv2D")


class SavedModelNetwork:
    """The signature ``serving_default`` with its variables folded in; nothing of Python is loaded."""

    def __init__(self, path: Path, settings: InputSettings) -> None:
        """Raises ModelError."""
        import_keras()
        serving = read_serving_function(path)
        try:
            with quiet():
                self._function, self._owner = _frozen(serving)
        except Exception as error:  # TensorFlow raises many kinds on a foreign or damaged directory.
            raise ModelError(f"{path} cannot be loaded as a SavedModel: {one_line(error)}") from None
        graph = self._function.graph.as_graph_def()
        self._dtype = self._function.inputs[0].dtype
        self._place = _output_place(path, list(serving.outputs), settings)
        self._facts = NetworkFacts(
            where=str(path),
            key=folder_hash(path),
            size_bytes=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
            parameters=_parameters(graph),
            shape=serving.shape or (None,) * 4,
            dtype=self._dtype.name,
            ending=_ending(graph, self._function.outputs[self._place].name),
        )
        if self._facts.dtype not in ("float32", "float16", "uint8"):
            raise ModelError(f"{path} takes {self._facts.dtype}; a teacher takes float32, float16 or uint8 pixels")

    @property
    def facts(self) -> NetworkFacts:
        """What is known of it."""
        return self._facts

    def run(self, inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Raw outputs [N, ...]. Raises ModelError where the graph fails."""
        return run_in_batches(inputs, self._call, self._facts.batch)

    def _call(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        import tensorflow as tf

        try:
            found = self._function(tf.constant(batch, self._dtype))
        except Exception as error:
            raise ModelError(f"{self._facts.where} fails on an image: {one_line(error)}") from None
        outputs = found if isinstance(found, (list, tuple)) else [found]
        return np.asarray(outputs[self._place])


def _frozen(serving: ServingFunction) -> tuple[Any, Any]:
    """The function with its variables as constants, and what has to live as long as it."""
    import tensorflow as tf
    from tensorflow.core.framework import function_pb2
    from tensorflow.core.function.capture.restore_captures import restore_captures
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
    from tensorflow.python.saved_model.function_deserialization import load_function_def_library

    library = function_pb2.FunctionDefLibrary(function=serving.functions)
    function = load_function_def_library(library)[serving.name]
    values = [tf.Variable(value) if is_variable else tf.constant(value) for is_variable, value in serving.captures]
    restore_captures(function, values)
    return convert_variables_to_constants_v2(function), (function, values)


def _output_place(path: Path, names: list[str], settings: InputSettings) -> int:
    # A function's flat outputs are in the order of its sorted names.
    if settings.output is not None:
        if settings.output not in names:
            raise ModelError(f"{path} has no output {settings.output!r}. Correct [teacher] output: one of {names}")
        return names.index(settings.output)
    if len(names) != 1:
        raise ModelError(
            f"{path} has {len(names)} outputs. Add to [teacher]: output = the one of {settings.OUTPUT}, of {names}"
        )
    return 0


def _ending(graph: Any, tensor: str) -> Ending:
    nodes = {node.name: node for node in graph.node}

    def maker(name: str) -> Any:
        for _ in range(len(nodes)):
            node = nodes.get(name.removeprefix("^").split(":")[0])
            if node is None or node.op not in _PASSED or not node.input:
                return node
            name = node.input[0]
        return None

    last = maker(tensor)
    if last is None:
        return "unknown"
    kind = _ENDINGS.get(last.op)
    if kind == "softmax":
        before = maker(last.input[0])
        return "softmax twice" if before is not None and before.op == "Softmax" else "softmax"
    return kind or ("logits" if last.op in _SUMS else "unknown")


def _parameters(graph: Any) -> int:
    floats = (1, 19)  # DT_FLOAT and DT_HALF
    shapes = [
        [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim]
        for node in graph.node
        if node.op == "Const" and node.attr["dtype"].type in floats
    ]
    return sum(math.prod(shape) for shape in shapes if shape)
