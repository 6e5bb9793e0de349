"""Quantization-aware training: what it learns, what it ships, and a kill that leaves no trace."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
from qat_cases import IMAGES, STEPS, arguments, divergence, shaken, softmax, taught
from tiny_student import LABELS, SIZE

from edgekd.distill.bind import BoundObjective, bind
from edgekd.distill.hinton import Hinton
from edgekd.distill.similarity_preserving import SimilarityPreserving
from edgekd.distill.table import Term, Weighted
from edgekd.errors import ModelError
from edgekd.export import onnx_int8, tflite_pack
from edgekd.export.record import Record
from edgekd.formats import tflite_file
from edgekd.preprocess import Preprocessing
from edgekd.quantize.bridge import bridge
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.logit_loss import logit_loss
from edgekd.quantize.placement import insert_fake_quantization, place
from edgekd.quantize.ptq import Conversion, prevent_saturation, to_int8
from edgekd.quantize.qat import QatSettings, train_qat
from edgekd.quantize.run_tflite import run_tflite
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import logits_of

layers = keras.layers
SECTION = QatSettings(epochs=2, batch_size=16, learning_rate=3e-4)


def train_aware(student: Any, directory: Path, **changes: Any) -> Conversion:
    loss, stream, validation = taught(student)
    given = {**arguments(directory), **changes}
    return train_qat(shaken(student), SECTION, loss, stream, validation, **given)


@pytest.fixture(scope="module")
def aware(student: Any, tmp_path_factory: pytest.TempPathFactory) -> Conversion:
    return train_aware(student, tmp_path_factory.mktemp("aware"))


@pytest.mark.slow
def test_the_file_comes_nearer_to_the_teacher(student: Any, aware: Conversion) -> None:
    teacher = softmax(logits_of(student, IMAGES))
    plain = to_int8(load_float_model(shaken(student)), IMAGES).content
    before, after = (divergence(teacher, run_tflite(content, IMAGES)) for content in (plain, aware.content))
    assert after < 0.7 * before


def test_the_record_says_what_was_done(aware: Conversion) -> None:
    record = aware.record
    assert record["method"] == "qat"
    assert record["training"]["steps"] == 2 * STEPS
    assert record["objective"][0]["name"] == "hinton"
    assert record["left_out"] == []
    assert (record["best_epoch"], len(record["epochs"])) == (2, 3)
    assert record["agreement"] >= 0.98
    assert record["mean_difference"] < 0.02
    assert "requantized" not in record


def test_weights_for_any_cpu_are_rounded_from_those_that_were_trained(aware: Conversion) -> None:
    made = prevent_saturation(aware)
    assert "channels narrowed" in made.record["weight_range"]
    assert made.record["weight_range_reason"].endswith("from float weights")
    found, wanted = (run_tflite(content, IMAGES) for content in (made.content, aware.content))
    assert (found.argmax(axis=1) == wanted.argmax(axis=1)).mean() > 0.9
    assert prevent_saturation(made) is made


def test_the_file_is_integers_with_the_inputs_own_range(aware: Conversion) -> None:
    graph = tflite_file.read(aware.content, "it")
    assert tflite_file.float_ops(graph) == ()
    image = graph.tensors[graph.inputs[0]]
    assert (image.type, float(image.scales[0]), int(image.zero_points[0])) == ("UINT8", 1 / 128, 127)
    assert graph.tensors[graph.outputs[0]].type == "FLOAT32"
    names = [op.name for op in graph.ops]
    assert names.count("CONV_2D") == 6 and names.count("DEPTHWISE_CONV_2D") == 3
    assert set(names) - {"CONV_2D", "DEPTHWISE_CONV_2D"} == {
        "QUANTIZE", "ADD", "MEAN", "FULLY_CONNECTED", "SOFTMAX", "DEQUANTIZE",
    }  # fmt: skip
    for op in graph.ops:
        if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            kernel = graph.tensors[op.inputs[1]]
            assert len(kernel.scales) == kernel.shape[kernel.axis] > 1


def test_the_onnx_made_of_it_gives_the_same(aware: Conversion) -> None:
    record = Record(
        LABELS, Preprocessing(height=SIZE, width=SIZE), "int8", {"scale": 1 / 128, "offset": -127 / 128}, aware.record
    )
    single = tflite_pack.pack(aware.content, record, name="aware")
    content = onnx_int8.from_tflite(single, record, name="aware")
    # As it stands: what ONNX Runtime makes of it depends on the CPU.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    given = onnxruntime.InferenceSession(content, options).run(None, {"image": IMAGES})[0]
    wanted = run_tflite(aware.content, IMAGES)
    assert np.abs(given - wanted).max() <= 4 / 256
    assert np.mean(given.argmax(axis=1) == wanted.argmax(axis=1)) >= 0.97


@pytest.mark.slow
def test_a_kill_leaves_no_trace(student: Any, aware: Conversion, tmp_path: Path) -> None:
    def killed(done: int, total: int) -> None:
        if done == STEPS + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_aware(student, tmp_path, progress=killed)
    resumed = train_aware(student, tmp_path)
    assert hashlib.sha256(resumed.content).hexdigest() == hashlib.sha256(aware.content).hexdigest()
    assert resumed.record["epochs"] == aware.record["epochs"]


def test_objectives_on_features_are_left_out_and_said(student: Any) -> None:
    hinton = Hinton(softmax_temperature=3.0)
    both = Weighted(terms=(Term(weight=2.0, objective=hinton), Term(objective=SimilarityPreserving())))
    found = logit_loss(bind(both, student, student))
    assert found.left_out == ["similarity_preserving"]
    assert found.terms == [{**hinton.model_dump(), "weight": 2.0}]
    labels, ours, theirs = np.array([0, 2]), np.eye(2, 3, dtype=np.float32), np.ones((2, 3), np.float32)
    wanted = 2 * np.asarray(hinton(labels, ours, theirs))
    features = np.zeros((2, 4, 4, 1), np.float32)
    assert np.asarray(found(labels, ours, (theirs, features))) == pytest.approx(wanted)
    assert np.asarray(found(labels, ours, theirs)) == pytest.approx(wanted)
    assert logit_loss(None).loss == LabelsOnly()
    with pytest.raises(ModelError, match="similarity_preserving compares features"):
        logit_loss(BoundObjective((both.terms[1],), None, None, (), ()))


def placed(*made: Any) -> set[str]:
    image, x = made
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return set(place(bridge(load_float_model(keras.Model(image, layers.Dense(2, name="head")(x)))).model).quantized)


def test_ranges_stand_where_the_runtimes_have_them() -> None:
    image = keras.Input((16, 16, 3))
    conv = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(image)
    x = layers.ReLU(6.0, name="relu")(layers.BatchNormalization(name="norm")(conv))
    shortcut = x
    x = layers.Conv2D(4, 1, name="left")(x)
    x = layers.ReLU(name="sum_relu")(layers.Add(name="sum")([shortcut, x]))
    branches = [layers.MaxPooling2D(name="max")(x), layers.Conv2D(4, 1, 2, name="right")(x)]
    x = layers.Concatenate(name="joined")(branches)
    x = layers.Activation("hard_silu", name="swish")(layers.Conv2D(4, 1, name="last")(x))
    assert placed(image, x) == {"relu", "left", "sum_relu", "joined", "last", "swish", "pool", "head"}


def test_layers_without_an_int8_form_are_named() -> None:
    image = keras.Input((16, 16, 3))
    before = layers.ReLU(name="before")(layers.Conv2D(4, 3)(image))
    with pytest.raises(ModelError, match=r"norm \(FixedMoments\).*it follows before \(ReLU\)"):
        placed(image, layers.BatchNormalization(name="norm")(before))


def test_there_must_be_something_to_keep(student: Any) -> None:
    bridged = bridge(load_float_model(student))
    with pytest.raises(ModelError, match="no layer to keep zeros in"):
        insert_fake_quantization(bridged.model, "keep zeros")
