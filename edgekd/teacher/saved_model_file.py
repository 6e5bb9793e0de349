"""What a TF SavedModel holds: its serving function, checked, and the variables of that function.

TensorFlow's own loader runs what a file asks for while it loads it: initializers, tables, savers. Here only the serving
function is taken from the file, with the functions that it calls, and its variables are read as numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.teacher.saved_model_ops import checked_functions
from edgekd.text import one_line

SIGNATURE = "serving_default"
_LARGEST_GRAPH = 1 << 30
_VALUE = "VARIABLE_VALUE"
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_HOW_TO_SAVE = "Save it by model.export(...) of Keras, or by tf.saved_model.save(..., signatures=...)"

# TensorFlow 2 saves the variables of such a graph again as the ops that they were.
_FREEZE = (
    "If you trust it, since this runs it, make it a SavedModel of TensorFlow 2, whose variables are constants: "
    'python -c "import tensorflow as tf; from tensorflow.python.framework.convert_to_constants import '
    "convert_variables_to_constants_v2 as freeze; f = freeze(tf.saved_model.load('{path}').signatures["
    "'serving_default']); m = tf.Module(); m.f = tf.function(lambda x: {{'output': f(x)[0]}}, input_signature=["
    "tf.TensorSpec.from_tensor(f.inputs[0], 'image')]); tf.saved_model.save(m, 'teacher_savedmodel', signatures=m.f)\""
    ", and give the directory teacher_savedmodel"
)


@dataclass(frozen=True)
class ServingFunction:
    """The function ``name`` among ``functions``, checked; ``captures`` are its inputs behind the image.

    A capture is (is it a variable, its value). ``shape`` and ``dtype`` (a TensorFlow enum) are the image's; ``outputs``
    are the names of the outputs in the function's order.
    """

    name: str
    functions: tuple[Any, ...]
    captures: tuple[tuple[bool, npt.NDArray[Any]], ...]
    shape: tuple[int | None, ...]
    dtype: int
    outputs: tuple[str, ...]


def read_serving_function(path: Path) -> ServingFunction:
    """The checked signature ``serving_default`` of a SavedModel directory.

    Raises ModelError where there is none, where it reaches an op that is not admitted, or the files are damaged.
    """
    meta = _read_graph(path)
    signature = meta.signature_def.get(SIGNATURE) if SIGNATURE in meta.signature_def else None
    nodes = meta.object_graph_def.nodes
    if signature is None:
        raise ModelError(f"{path} has no signature {SIGNATURE!r}. {_HOW_TO_SAVE}")
    if len(signature.inputs) != 1:
        raise ModelError(f"{path} must take one image and nothing else; it takes {len(signature.inputs)} inputs")
    if not nodes:
        raise ModelError(f"{path} was saved by TensorFlow 1. {_FREEZE.format(path=path)}")
    name = _function_name(path, nodes)
    functions = checked_functions(meta.graph_def.library, name, str(path))
    bound = list(meta.object_graph_def.concrete_functions[name].bound_inputs)
    (image,) = signature.inputs.values()
    return ServingFunction(
        name,
        tuple(functions),
        tuple(_captures(path, meta, bound)),
        tuple(None if dim.size < 0 else dim.size for dim in image.tensor_shape.dim),
        image.dtype,
        # A function's flat outputs are in the order of their sorted names.
        tuple(sorted(signature.outputs)),
    )


def _read_graph(path: Path) -> Any:
    from tensorflow.core.protobuf import saved_model_pb2

    file = path / "saved_model.pb"
    if not file.is_file():
        what = "has no saved_model.pb in it" if path.is_dir() else "does not exist"
        raise ModelError(
            f"{path} {what}. [teacher] model is efficientnet-lite0 (-lite1, -lite2), keras:NAME (of "
            "keras.applications), or the path of a .keras, .h5, .onnx or .tflite file or of a SavedModel directory"
        )
    if file.stat().st_size > _LARGEST_GRAPH:
        raise ModelError(f"{file} has more than {_LARGEST_GRAPH >> 30} GiB. It is not opened")
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(file.read_bytes())
    except Exception as error:
        raise ModelError(f"{file} is damaged or cut short: {one_line(error)}. Save the model again") from None
    serving = [meta for meta in model.meta_graphs if "serve" in meta.meta_info_def.tags]
    if len(serving) != 1:
        raise ModelError(f"{path} has {len(serving)} graphs for serving where one is needed. {_HOW_TO_SAVE}")
    return serving[0]


def _function_name(path: Path, nodes: Any) -> str:
    """The function of the signature, found by the names of objects from the root: ``signatures``, its own."""
    place = 0
    for name in ("signatures", SIGNATURE):
        children = {child.local_name: child.node_id for child in nodes[place].children}
        if not 0 <= children.get(name, -1) < len(nodes):
            raise ModelError(f"{path} has no signature {SIGNATURE!r}. {_HOW_TO_SAVE}")
        place = children[name]
    node = nodes[place]
    names = [node.bare_concrete_function.concrete_function_name, *node.function.concrete_functions]
    names = [name for name in names if name]
    if len(names) != 1:
        raise ModelError(f"{path} has {len(names)} functions for {SIGNATURE!r} where one is needed. {_HOW_TO_SAVE}")
    return str(names[0])


def _captures(path: Path, meta: Any, bound: list[int]) -> list[tuple[bool, npt.NDArray[Any]]]:
    from tensorflow.python.framework.tensor_util import MakeNdarray

    nodes = meta.object_graph_def.nodes
    constants = {node.name: node for node in meta.graph_def.node if node.op == "Const"}
    variables = _Variables(path, nodes) if any(nodes[i].HasField("variable") for i in bound) else None
    captures = []
    for number in bound:
        node = nodes[number]
        if variables is not None and node.HasField("variable"):
            captures.append((True, variables.value(number)))
        elif node.HasField("constant") and node.constant.operation in constants:
            captures.append((False, MakeNdarray(constants[node.constant.operation].attr["value"].tensor)))
        else:
            kind = node.WhichOneof("kind")
            raise ModelError(
                f"{path} uses a {kind} beside its weights (a table or a file, for one), which image classifiers are "
                "not made of. Export the network alone"
            )
    return captures


class _Variables:
    """The values of a SavedModel's variables, by the number of their object in it."""

    def __init__(self, path: Path, nodes: Any) -> None:
        import tensorflow as tf
        from tensorflow.core.protobuf import trackable_object_graph_pb2

        self._path = path
        try:
            self._reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
            graph = trackable_object_graph_pb2.TrackableObjectGraph()
            graph.ParseFromString(self._reader.get_tensor(_OBJECTS))
        except Exception as error:  # TensorFlow raises many kinds on damaged files.
            raise ModelError(f"{path}: its variables cannot be read: {one_line(error)}") from None
        self._shapes = self._reader.get_variable_to_shape_map()
        self._keys = _keys_by_object(nodes, graph.nodes)
        self._left = sum(file.stat().st_size for file in (path / "variables").iterdir() if file.is_file())

    def value(self, number: int) -> npt.NDArray[Any]:
        """The value of an object that is a variable. Raises ModelError where the files do not hold it."""
        key = self._keys.get(number)
        if key is None or key not in self._shapes:
            raise ModelError(f"{self._path}: the variable number {number} is not among its variables. Save it again")
        # A weight takes at least a byte in the file: more of them than that are not in it.
        self._left -= int(np.prod(self._shapes[key], dtype=np.float64))
        if self._left < 0:
            raise ModelError(f"{self._path}: its variables are declared larger than their files. Save it again")
        try:
            return np.asarray(self._reader.get_tensor(key))
        except Exception as error:
            raise ModelError(f"{self._path}: {key} cannot be read: {one_line(error)}") from None


def _keys_by_object(objects: Any, stored: Any) -> dict[int, str]:
    """The key of each variable among the stored ones, found by the names of objects from the root, in both graphs."""
    keys: dict[int, str] = {}
    pairs, seen = [(0, 0)], set()
    while pairs:
        pair = pairs.pop()
        if pair in seen:
            continue
        seen.add(pair)
        ours, theirs = objects[pair[0]], stored[pair[1]]
        for attribute in theirs.attributes:
            if attribute.name == _VALUE:
                keys[pair[0]] = attribute.checkpoint_key
        places = {child.local_name: child.node_id for child in theirs.children}
        pairs.extend(
            (child.node_id, places[child.local_name])
            for child in ours.children
            if child.local_name in places
            and 0 <= child.node_id < len(objects)
            and 0 <= places[child.local_name] < len(stored)
        )
    return keys
