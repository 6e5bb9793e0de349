from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from subjects import (
    describing,
    edited,
    inspected,
    onnx_subject,
    quantized,
    subject,
    tflite_subject,
    with_value,
)

from edgekd.inspection import RULES
from edgekd.inspection.description import Normalization
from edgekd.inspection.lint import Subject, lint

FIND = {rule.name: rule.find for rule in RULES}
CLASSES = tuple("abcde")


def stated(mean: float, std: float) -> dict[str, Any]:
    return {"normalization": Normalization((mean,), (std,)), "has_metadata": True}


def version(value: int) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        model.version = value

    return edit


def requantized(model: Any) -> None:
    """Cut the SIN out between its DEQUANTIZE and QUANTIZE."""
    graph = model.subgraphs[0]
    sine = next(op for op in graph.operators if len(op.inputs) == 1 and is_float(graph, op))
    after = next(op for op in graph.operators if op.inputs[0] == sine.outputs[0])
    after.inputs = sine.inputs
    graph.operators = [op for op in graph.operators if op is not sine]


def is_float(graph: Any, op: Any) -> bool:
    return graph.tensors[op.inputs[0]].type == 0 and graph.tensors[op.outputs[0]].type == 0


def with_float_input(name: str) -> Subject:
    network = subject(name).network
    return with_value(name, lambda v: replace(v, dtype="float32"), network.values[network.inputs[0]].name)


# Rule: what must trigger it, what must not, and a part of what it says.
CASES: dict[str, list[tuple[Callable[[], Subject], Callable[[], Subject], str]]] = {
    "odd-input-scale": [
        (lambda: subject("int8_narrow_range.tflite"), lambda: subject("int8_keras.tflite"), "-0.69"),
        (lambda: subject("int8_calibrated_on_unit.tflite"), lambda: subject("float_keras.tflite"), "scales by 0.0078"),
    ],
    "double-normalization": [
        (
            lambda: onnx_subject([("Mul", ["x", "c"], "a"), ("Mul", ["a", "c"], "b"), ("Conv", ["b", "w"], "y")]),
            lambda: onnx_subject([("Mul", ["x", "c"], "a"), ("Mul", ["a", "h"], "b"), ("Conv", ["b", "w"], "y")]),
            "shrinks its input 2 times",
        ),
        (
            lambda: describing("int8_keras.tflite", **stated(0, 255)),
            lambda: describing("int8_keras.tflite", **stated(127.5, 127.5)),
            "(pixel - 0) / 255",
        ),
        (
            lambda: describing("int8_calibrated_on_unit.tflite", **stated(127.5, 127.5)),
            lambda: describing("int8_calibrated_on_unit.tflite", **stated(0, 1)),
            "the graph scales by",
        ),
    ],
    "nchw-input": [(lambda: subject("nchw.tflite"), lambda: subject("tf2onnx_float.onnx"), "[1, 3, 16, 16]")],
    "dynamic-shape": [
        (lambda: subject("free_size.tflite"), lambda: subject("float_keras.tflite"), "[1, -1, -1, 3]"),
        (
            lambda: onnx_subject([("Conv", ["x", "w"], "y")], image=(1, 3, "height", 8)),
            lambda: onnx_subject([("Conv", ["x", "w"], "y")]),
            "height",
        ),
    ],
    "free-batch": [(lambda: subject("float_keras.tflite"), lambda: subject("tf2onnx_float.onnx"), "[-1, 32, 32, 3]")],
    "fixed-batch": [(lambda: subject("batch4.tflite"), lambda: subject("nchw.tflite"), "takes 4 images")],
    "label-count": [
        (
            lambda: describing("float_keras.tflite", labels=CLASSES[:4]),
            lambda: describing("float_keras.tflite", labels=CLASSES),
            "4 labels for 5 outputs: one is often a background class",
        )
    ],
    "label-names": [
        (
            lambda: describing("float_keras.tflite", labels=(*CLASSES[:4], "a")),
            lambda: describing("float_keras.tflite", labels=CLASSES),
            "'a'",
        ),
        (
            lambda: describing("float_keras.tflite", labels=(*CLASSES[:4], " ")),
            lambda: subject("float_keras.tflite"),
            "empty",
        ),
    ],
    "no-labels": [
        (lambda: subject("float_keras.tflite"), lambda: describing("float_keras.tflite", labels=CLASSES), "5 outputs")
    ],
    "no-metadata": [
        (
            lambda: subject("float_keras.tflite"),
            lambda: describing("float_keras.tflite", has_metadata=True),
            "no TFLite metadata",
        ),
        (
            lambda: onnx_subject([("Relu", ["x"], "y")], image=(1, 16000)),
            lambda: replace(describing("float_keras.tflite", has_metadata=True)),
            "nothing says what goes in",
        ),
    ],
    "non-builtin-ops": [
        (lambda: subject("flex.tflite"), lambda: subject("float_keras.tflite"), "FlexAdjustContrastv2"),
        (
            lambda: onnx_subject([("com.microsoft:Gelu", ["x"], "y")]),
            lambda: onnx_subject([("Relu", ["x"], "y")]),
            "com.microsoft.Gelu",
        ),
    ],
    "weights-in-another-file": [
        (
            lambda: subject("tf2onnx_float.onnx", external=("w.bin",)),
            lambda: subject("tf2onnx_float.onnx"),
            "weights are in w.bin",
        )
    ],
    "free-sizes-not-run": [
        (
            lambda: subject("free_size.tflite", failed="it says so", guessed=True),
            lambda: subject("free_size.tflite", failed="it says so"),
            "none of the usual ones fits",
        ),
        (
            lambda: subject("free_size.tflite", failed="it says so", chosen=True),
            lambda: subject("free_size.tflite", chosen=True),
            "not run at the sizes given",
        ),
    ],
    "softmax-twice": [
        (lambda: subject("softmax_twice.tflite"), lambda: subject("float_keras.tflite"), "SOFTMAX"),
        (
            lambda: onnx_subject([("Sigmoid", ["x"], "a"), ("Flatten", ["a"], "b"), ("Softmax", ["b"], "y")]),
            lambda: onnx_subject([("Sigmoid", ["x"], "a"), ("Conv", ["a", "w"], "b"), ("Softmax", ["b"], "y")]),
            "Sigmoid 'a'",
        ),
    ],
    "old-opset": [
        (
            lambda: onnx_subject([("Relu", ["x"], "y")], opset=11),
            lambda: onnx_subject([("Relu", ["x"], "y")], opset=13),
            "opset 11",
        )
    ],
    "schema-version": [
        (
            lambda: tflite_subject(edited("nchw.tflite", version(2))),
            lambda: tflite_subject(edited("nchw.tflite", version(3))),
            "version 2",
        )
    ],
    "does-not-run": [
        (lambda: subject("nchw.tflite", failed="it says so"), lambda: subject("nchw.tflite"), "it says so"),
        # What the user chose is no mistake of the file.
        (
            lambda: subject("free_size.tflite", failed="it says so"),
            lambda: subject("free_size.tflite", failed="it says so", chosen=True),
            "it says so",
        ),
    ],
    "non-finite-constants": [
        (
            lambda: with_value("float_keras.tflite", lambda v: replace(v, data=v.data * np.float32("nan"))),
            lambda: subject("float_keras.tflite"),
            "NaN",
        )
    ],
    "constant-weights": [
        (
            lambda: with_value("int8_keras.tflite", lambda v: replace(v, data=np.zeros_like(v.data))),
            lambda: subject("int8_keras.tflite"),
            "CONV_2D",
        )
    ],
    "undelegated-layers": [
        (
            lambda: subject("float_keras.tflite", delegated=frozenset((0, 1))),
            lambda: subject("float_keras.tflite"),
            "60.0% of the MACs",
        )
    ],
    "float-ops-in-int8": [
        (lambda: subject("float_op.tflite"), lambda: subject("int8_keras.tflite"), "SIN"),
        (
            lambda: onnx_subject([*quantized(), ("Erf", ["y"], "e")]),
            lambda: onnx_subject(quantized()),
            "Erf 'e'",
        ),
    ],
    "dynamic-range": [
        (lambda: subject("dynamic_range.tflite"), lambda: subject("float_keras.tflite"), "CONV_2D"),
        (
            lambda: onnx_subject([("DequantizeLinear", ["q", "s", "z"], "wd"), ("Conv", ["x", "wd"], "y")]),
            lambda: onnx_subject(quantized()),
            "Conv 'y'",
        ),
    ],
    "per-tensor-weights": [
        (lambda: subject("static_qdq.onnx"), lambda: subject("int8_keras.tflite"), "depthwise"),
        (lambda: onnx_subject(quantized(per_channel=False)), lambda: onnx_subject(quantized()), "Conv 'b0'"),
    ],
    "float-edges": [
        (
            lambda: with_float_input("int8_keras.tflite"),
            lambda: subject("int8_keras.tflite"),
            "all ops in integers",
        )
    ],
    "zero-range": [
        (
            lambda: with_value("int8_keras.tflite", lambda v: replace(v, scales=v.scales * 0)),
            lambda: subject("int8_keras.tflite"),
            "1 tensors have a scale of 0",
        )
    ],
    "quantize-pairs": [
        (
            lambda: tflite_subject(edited("float_op.tflite", requantized)),
            lambda: subject("float_op.tflite"),
            "DEQUANTIZE",
        ),
        (
            lambda: onnx_subject(
                [*quantized()[:-1], ("DequantizeLinear", ["bq", "s", "u"], "d"),
                 ("QuantizeLinear", ["d", "c", "u"], "e"), ("DequantizeLinear", ["e", "c", "u"], "y")]
            ),
            lambda: onnx_subject(quantized()),
            "DequantizeLinear 'd'",
        ),
    ],
    "unfused-activation": [
        (
            lambda: onnx_subject(quantized(("Clip", ["b0", "lo", "hi"], "b1"))),
            lambda: onnx_subject(quantized()),
            "Clip 'b1'",
        )
    ],
    "signed-activations": [
        (lambda: onnx_subject(quantized(activations="z")), lambda: onnx_subject(quantized()), "int8"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("rule", FIND)
def test_every_rule_finds_its_mistake_and_nothing_else(rule: str) -> None:
    for triggers, silent, said in CASES[rule]:
        message = FIND[rule](triggers())
        assert message is not None and said in message
        assert FIND[rule](silent()) is None


def test_findings_name_the_way_out_and_come_worst_first() -> None:
    found = lint(subject("int8_calibrated_on_unit.tflite"))
    assert [(f.rule, f.severity) for f in found] == [
        ("odd-input-scale", "error"),
        ("no-labels", "warning"),
        ("free-batch", "note"),
        ("no-metadata", "note"),
    ]
    assert all(finding.fix for finding in found)


def test_what_onnxruntime_quantizes_by_default() -> None:
    assert {f.rule for f in inspected("static_qdq.onnx").findings} == {
        "no-labels",
        "per-tensor-weights",
        "signed-activations",
    }


def test_our_own_files_are_clean(exported: dict[str, Any]) -> None:
    from edgekd.inspection import inspect_file

    for artifact in exported.values():
        inspection = inspect_file(artifact.path)
        assert inspection.findings == () and inspection.ran and inspection.ours


def tagged(kind: str) -> Callable[[Any], None]:
    """The first op as a custom one of that name."""

    def edit(model: Any) -> None:
        code = model.operatorCodes[model.subgraphs[0].operators[0].opcodeIndex]
        code.builtinCode = code.deprecatedBuiltinCode = 32
        code.customCode = kind.encode()
        for op in model.subgraphs[0].operators:
            op.builtinOptions, op.builtinOptionsType = None, 0

    return edit


@pytest.mark.parametrize(
    ("kind", "changes", "severity", "fix"),
    [
        ("edgetpu-custom-op", {}, "error", "Go back to the file that it was compiled from"),
        ("ethos-u", {"ran": True}, "error", "Go back to the file that it was compiled from"),
        ("FlexErf", {"failed": "refused"}, "error", "Flex delegate"),
        ("TFLite_Detection_PostProcess", {"ran": True}, "note", "runtime that will ship"),
        ("MyOp", {"failed": "refused"}, "error", "ship the runtime that has them"),
        ("MyOp", {}, "warning", "ship the runtime that has them"),
    ],
)
def test_the_runtime_decides_which_ops_it_has(kind: str, changes: dict[str, Any], severity: str, fix: str) -> None:
    file = replace(tflite_subject(edited("float_keras.tflite", tagged(kind))), **changes)
    found = [finding for finding in lint(file) if finding.rule == "non-builtin-ops"]
    assert [finding.severity for finding in found] == [severity] and fix in found[0].fix
    assert not [finding for finding in lint(file) if finding.rule == "does-not-run"]


def quantized_input(scale: float, zero_point: int) -> Subject:
    network = subject("int8_keras.tflite").network
    return with_value(
        "int8_keras.tflite",
        lambda v: replace(v, dtype="uint8", scales=np.float32([scale]), zero_points=np.int64([zero_point])),
        network.values[network.inputs[0]].name,
    )


def test_what_people_ship_is_not_an_error() -> None:
    """Google's MobileNets, torchvision's normalization, a detector's labels, an infinite mask."""
    google = quantized_input(0.0078125, 128)
    google = replace(google, description=replace(google.description, **stated(127.5, 127.5)))
    assert FIND["odd-input-scale"](google) is None and FIND["double-normalization"](google) is None
    torch = quantized_input(0.0186584, 114)
    torch = replace(torch, description=replace(torch.description, **stated(123.675, 58.395)))
    assert FIND["odd-input-scale"](torch) is None and FIND["double-normalization"](torch) is None
    detector = describing("float_keras.tflite", labels=CLASSES[:4])
    outputs = (*detector.network.outputs, detector.network.inputs[0])
    assert FIND["label-count"](replace(detector, network=replace(detector.network, outputs=outputs))) is None
    masked = onnx_subject([("Add", ["x", "inf"], "y")])
    network = masked.network
    values = {**network.values, "inf": replace(network.values["inf"], constant=True, data=np.float32([-np.inf]))}
    assert FIND["non-finite-constants"](replace(masked, network=replace(network, values=values))) is None
