"""The temperature in the graph: the same integers before it, the same answers behind it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from tag_files import swap_softmax
from tflite_graph import TfliteBuilder

from edgekd.decisions.fit import DecisionPlan, FileDecision, LabelledImages, fit_file
from edgekd.decisions.graph import cut_to_logits, finish_graph, output_step
from edgekd.errors import ExportError
from edgekd.export import onnx_int8, tflite_pack
from edgekd.export.onnx_float import _divide_logits
from edgekd.export.record import Record
from edgekd.formats import tflite_file
from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Decision
from edgekd.quantize.run_tflite import run_tflite
from edgekd.runtime import open_runner

TEMPERATURE = 1.7


def probabilities(logits: NDArray[np.float32], *, tags: bool = False) -> NDArray[np.float64]:
    scaled = logits.astype(np.float64) / TEMPERATURE
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return 1 / (1 + np.exp(-scaled)) if tags else powers / powers.sum(axis=1, keepdims=True)


def raw_logits(content: bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return run_tflite(cut_to_logits(content), images)


@pytest.fixture(params=[False, True], ids=["softmax", "sigmoids"])
def int8(request: pytest.FixtureRequest, exported: dict[str, Any]) -> tuple[bytes, bool]:
    content = exported["int8.tflite"].content()
    return (swap_softmax(content), True) if request.param else (content, False)


def test_an_int8_file_computes_its_probabilities_of_the_same_integers(
    int8: tuple[bytes, bool], images: NDArray[np.uint8]
) -> None:
    content, tags = int8
    finished = finish_graph(content, TEMPERATURE)
    before = raw_logits(content, images)
    graph = tflite_file.read(finished, "x")
    assert [op.name for op in graph.ops[-3:]] == ["DEQUANTIZE", "MUL", "LOGISTIC" if tags else "SOFTMAX"]
    assert tflite_file.float_ops(graph) == ()
    after = run_tflite(finished, images)
    assert np.abs(after - probabilities(before, tags=tags)).max() < 1e-6
    assert (output_step(content), output_step(finished)) == (1 / 256, 0.0)
    if not tags:
        assert (after.argmax(axis=1) == before.argmax(axis=1)).all()


def test_a_float_file_and_its_onnx_give_the_same_probabilities(
    exported: dict[str, Any], images: NDArray[np.uint8]
) -> None:
    content = exported["float32.tflite"].content()
    finished = finish_graph(content, TEMPERATURE)
    expected = probabilities(raw_logits(content, images))
    assert np.abs(run_tflite(finished, images) - expected).max() < 1e-6
    model = onnx.load_from_string(exported["float32.onnx"].content())
    _divide_logits(model.graph, TEMPERATURE, "x")
    onnx.checker.check_model(model, full_check=True)
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: images})
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("in_integers", [False, True], ids=["float end", "integer end"])
def test_the_int8_onnx_is_the_same_integers_too(
    in_integers: bool, exported: dict[str, Any], images: NDArray[np.uint8], tmp_path: Path
) -> None:
    artifact = exported["int8.tflite"]
    decision = Decision(reject_below=0.4)
    record = Record(
        artifact.labels, artifact.preprocessing, "int8", {"scale": 1.0, "offset": 0.0}, {}, decision=decision
    )
    content = _uint8_output(artifact.content()) if in_integers else artifact.content()
    finished = finish_graph(content, TEMPERATURE)
    names = [op.name for op in tflite_file.read(finished, "x").ops]
    assert names[-2:] == (["SOFTMAX", "QUANTIZE"] if in_integers else ["MUL", "SOFTMAX"])
    (tmp_path / "x.int8.tflite").write_bytes(tflite_pack.pack(finished, record, name="x"))
    packed = Artifact.open(tmp_path / "x.int8.tflite")
    (tmp_path / "x.int8.onnx").write_bytes(onnx_int8.from_tflite(packed.content(), record, name="x"))
    twin = Artifact.open(tmp_path / "x.int8.onnx")
    assert packed.float_ops() == twin.float_ops() == ()
    first, second = (open_runner(one).run(images) for one in (packed, twin))
    step = 1 / 256 if in_integers else 1e-6
    # A tie is rounded up by the one and to even by the other.
    assert (np.abs(first - second).max(axis=1) <= step).mean() >= 0.9
    assert (first.argmax(axis=1) == second.argmax(axis=1)).mean() >= 0.95
    assert np.abs(first - probabilities(raw_logits(content, images))).max() <= (1 / 256 if in_integers else 1e-6)


def _uint8_output(content: bytes) -> bytes:
    """The file with uint8 probabilities: a QUANTIZE in place of its DEQUANTIZE."""
    from ai_edge_litert import schema_py_generated as schema

    model = tflite_file.parse(content, "x")
    graph = model.subgraphs[0]
    result, source = graph.tensors[graph.outputs[0]], graph.tensors[graph.operators[-1].inputs[0]]
    result.type, result.quantization = schema.TensorType.UINT8, schema.QuantizationParametersT()
    result.quantization.scale = np.array(source.quantization.scale, np.float32)
    result.quantization.zeroPoint = np.array([0], np.int64)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    code.version = 1
    model.operatorCodes = [*model.operatorCodes, code]
    last = graph.operators[-1]
    last.opcodeIndex, last.builtinOptionsType, last.builtinOptions = len(model.operatorCodes) - 1, 0, None
    return tflite_file.pack(model)


def test_sigmoids_in_integers_get_other_scales(exported: dict[str, Any], images: NDArray[np.uint8]) -> None:
    content = swap_softmax(_uint8_output(exported["int8.tflite"].content()))
    finished = finish_graph(content, TEMPERATURE)
    before, after = (raw_logits(one, images) for one in (content, finished))
    # The integers are the same; a product of scales in float32 may round one of a hundred thousand the other way.
    assert np.isclose(before / np.float32(TEMPERATURE), after, rtol=1e-5, atol=1e-5).mean() > 0.99
    assert np.abs(run_tflite(finished, images) - probabilities(before, tags=True)).max() <= 1.5 / 256


def test_a_graph_without_a_softmax_takes_no_temperature() -> None:
    builder = TfliteBuilder(8, 8)
    content = builder.finish(builder.op("ABS", [builder.pixels], (1, 8, 8, 3)), 192)
    assert finish_graph(content, 1.0) == content
    with pytest.raises(ExportError, match="they come from ABS"):
        finish_graph(content, 2.0)
    photos = LabelledImages(np.zeros((20, 8, 8, 3), np.uint8), np.zeros(20, np.int64))
    plan = DecisionPlan(tuple(map(str, range(192))))
    fitted, summary = fit_file(content, plan, photos)
    assert fitted.temperature == 1.0 and "they come from ABS" in summary["temperature"]["note"]
    with pytest.raises(ExportError, match="calibrate = false"):
        fit_file(content, dataclasses.replace(plan, must_calibrate=True), photos)


def test_a_file_is_fitted_from_its_own_scores(exported: dict[str, Any], images: NDArray[np.uint8]) -> None:
    content, labels = exported["int8.tflite"].content(), exported["int8.tflite"].labels
    random = np.random.default_rng(0)
    many = np.concatenate([images, images[:, ::-1], images[:, :, ::-1]])
    # Labels that come true by the scores at twice the temperature: the file is too sure.
    scaled = raw_logits(content, many).astype(np.float64) / 2
    shares = np.exp(scaled) / np.exp(scaled).sum(axis=1, keepdims=True)
    truth = np.array([random.choice(3, p=row) for row in shares])
    photos = LabelledImages(many, truth)
    fitted, summary = fit_file(content, DecisionPlan(labels, reject=True, keep=0.9), photos, photos)
    assert 1.2 < fitted.temperature < 4
    below = fitted.decision.reject_below
    found = run_tflite(fitted.finish(content), many)
    assert below is not None and (found.max(axis=1) >= below).mean() == pytest.approx(0.9, abs=0.02)
    both = summary["calibration"]["test"]
    assert both["after"]["log_loss"]["value"] < both["before"]["log_loss"]["value"]
    again = FileDecision.from_json(fitted.as_json(), labels)
    assert again.decision.reject_below == below and again.temperature == fitted.temperature
    assert FileDecision().finish(content) == content
