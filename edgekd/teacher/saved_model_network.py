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
from edgekd.teacher.network import NetworkFacts, folder_hash, run_in_batches
from edgekd.teacher.settings import InputSettings
from edgekd.text import one_line

_SIGNATURE = "serving_default"
# A graph is a program: these reach files or Python, and no classifier needs them.
_REACHING_OUT = frozenset((
    "PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile", "MatchingFiles", "TFRecordReaderV2",
    "TextLineReaderV2", "WholeFileReaderV2", "FixedLengthRecordReaderV2", "LMDBReader", "PrintV2", "Save", "SaveSlices",
))  # fmt: skip
_PASSED = ("Identity", "IdentityN", "Reshape", "Squeeze", "Cast", "ExpandDims", "StopGradient")
_ENDINGS: dict[str, Ending] = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}
_SUMS = ("BiasAdd", "MatMul", "AddV2", "Add", "_FusedMatMul", "Conv2D")


class SavedModelNetwork:
    """The signature ``serving_default`` with its variables folded in; nothing of Python is loaded."""

    def __init__(self, path: Path, settings: InputSettings) -> None:
        """Raises ModelError."""
        import_keras()
        import tensorflow as tf
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        _check_ops(path)
        try:
            with quiet():
                loaded = tf.saved_model.load(str(path))
                function = loaded.signatures[_SIGNATURE]
                frozen = convert_variables_to_constants_v2(function)
        except KeyError:
            raise ModelError(
                f"{path} has no signature {_SIGNATURE!r}. Save it by model.export(...) of Keras, or by "
                "tf.saved_model.save(..., signatures=...)"
            ) from None
        except Exception as error:  # TensorFlow raises many kinds on a foreign or damaged directory.
            raise ModelError(f"{path} cannot be loaded as a SavedModel: {one_line(error)}") from None
        # The loaded object owns what the graph still refers to.
        self._owner, self._function = loaded, frozen
        tensor = _one_input(path, frozen)
        names = sorted(function.structured_outputs)
        self._place = _output_place(path, names, settings)
        self._facts = NetworkFacts(
            where=str(path),
            key=folder_hash(path),
            size_bytes=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
            parameters=_parameters(frozen.graph.as_graph_def()),
            shape=(None,) * 4 if tensor.shape.rank is None else tuple(tensor.shape.as_list()),
            dtype=tensor.dtype.name,
            ending=_ending(frozen.graph.as_graph_def(), frozen.outputs[self._place].name),
        )
        if self._facts.dtype not in ("float32", "float16", "uint8"):
            raise ModelError(f"{path} takes {self._facts.dtype}; a teacher takes float32, float16 or uint8 pixels")
        self._dtype = tensor.dtype

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


def _check_ops(path: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    file = path / "saved_model.pb"
    if not file.is_file():
        what = "has no saved_model.pb in it" if path.is_dir() else "does not exist"
        raise ModelError(
            f"{path} {what}. [teacher] model is efficientnet-lite0, keras:NAME (of keras.applications), or the path of "
            "a .keras, .onnx or .tflite file or of a SavedModel directory"
        )
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(file.read_bytes())
    except Exception as error:
        raise ModelError(f"{file} is damaged or cut short: {error}. Save the model again") from None
    graphs = [meta.graph_def for meta in model.meta_graphs]
    ops = {node.op for graph in graphs for node in graph.node}
    ops |= {node.op for graph in graphs for function in graph.library.function for node in function.node_def}
    reaching = sorted(ops & _REACHING_OUT)
    if reaching:
        raise ModelError(
            f"{path} holds {', '.join(reaching)}: ops that reach files or Python code, which no classifier needs. "
            "Export the network alone"
        )


def _one_input(path: Path, function: Any) -> Any:
    if len(function.inputs) != 1:
        raise ModelError(f"{path} must take one image and nothing else; it takes {len(function.inputs)} inputs")
    return function.inputs[0]


def _output_place(path: Path, names: list[str], settings: InputSettings) -> int:
    # A function's flat outputs are in the order of its sorted names.
    if settings.output is not None:
        if settings.output not in names:
            raise ModelError(f"{path} has no output {settings.output!r}. Correct [teacher] output: one of {names}")
        return names.index(settings.output)
    if len(names) != 1:
        raise ModelError(
            f"{path} has {len(names)} outputs. Add to [teacher]: output = the one of class scores, of {names}"
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
