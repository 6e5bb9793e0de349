from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgekd.errors import ExportError
from edgekd.export.tflite_slim import check_same, slim
from edgekd.formats import tflite_file
from edgekd.formats.sharing_builder import SharingBuilder


@pytest.mark.parametrize("name", ["int8.tflite", "float32.tflite"])
def test_a_slim_file_gives_the_same_answers_in_fewer_bytes(name: str, exported: dict[str, Any]) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    content = exported[name].content()
    plain = tflite_file.pack(tflite_file.parse(content, name))
    smaller = slim(plain, name)
    assert len(smaller) < len(plain)
    assert slim(smaller, name) == slim(plain, name) == smaller
    rng = np.random.default_rng(0)
    for resolver in (OpResolverType.AUTO, OpResolverType.BUILTIN_REF):
        outputs = []
        for model in (plain, smaller):
            interpreter = Interpreter(model_content=model, experimental_op_resolver_type=resolver)
            interpreter.allocate_tensors()
            (image,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
            rng = np.random.default_rng(0)
            interpreter.set_tensor(image["index"], rng.integers(0, 256, image["shape"]).astype(image["dtype"]))
            interpreter.invoke()
            outputs.append(interpreter.get_tensor(result["index"]))
        assert outputs[0].tobytes() == outputs[1].tobytes()


def test_equal_strings_vectors_and_tables_are_stored_once_and_others_are_not() -> None:
    builder = SharingBuilder()

    def table(number: int, text: str) -> int:
        name = builder.CreateString(text)
        builder.StartObject(2)
        builder.PrependInt32Slot(0, number, 0)
        builder.PrependUOffsetTRelativeSlot(1, name, 0)
        return builder.EndObject()

    assert table(1, "a") == table(1, "a")
    assert len({table(1, "a"), table(2, "a"), table(1, "b")}) == 3
    zeros = builder.CreateNumpyVector(np.zeros(4, np.int64))
    assert builder.CreateNumpyVector(np.zeros(4, np.int64)) == zeros
    # Eight zeros of four bytes are as long, and another vector.
    assert builder.CreateNumpyVector(np.zeros(8, np.int32)) != zeros
    assert builder.CreateNumpyVector(np.zeros(5, np.int64)) != zeros


Change = Callable[[tflite_file.TfliteGraph], tflite_file.TfliteGraph]


def _tensor_with(index: int, **changes: Any) -> Change:
    def change(graph: tflite_file.TfliteGraph) -> tflite_file.TfliteGraph:
        tensors = list(graph.tensors)
        tensors[index] = replace(tensors[index], **changes)
        return replace(graph, tensors=tuple(tensors))

    return change


def _other_option(graph: tflite_file.TfliteGraph) -> tflite_file.TfliteGraph:
    index = next(op.index for op in graph.ops if op.name == "CONV_2D")
    ops = list(graph.ops)
    options = copy.copy(ops[index].options)
    options.strideH += 1
    ops[index] = replace(ops[index], options=options)
    return replace(graph, ops=tuple(ops))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (_tensor_with(1, scales=np.ones(3, np.float32)), "tensor 1"),
        (_tensor_with(1, shape=(1,)), "tensor 1"),
        (_tensor_with(1, data=None), "tensor 1"),
        (_other_option, "CONV_2D"),
        (lambda graph: replace(graph, metadata={}), "metadata"),
        (lambda graph: replace(graph, bodies=(_other_option(graph),)), ""),
    ],
)
def test_a_file_that_is_not_the_same_model_is_refused(change: Change, what: str, exported: dict[str, Any]) -> None:
    graph = tflite_file.read(exported["int8.tflite"].content(), "m")
    check_same(graph, graph, "m")
    before = replace(graph, bodies=(graph,)) if not what else graph
    with pytest.raises(ExportError, match=what or "CONV_2D"):
        check_same(before, change(graph), "m")
