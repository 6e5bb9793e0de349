"""Zeros and clusters: that they come, that the teacher's answers survive them, and that they are in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from qat_cases import IMAGES, STEPS, arguments, divergence, softmax, taught
from tiny_student import SIZE, smooth_images, spread_head

from edgekd.errors import ExportError, ModelError
from edgekd.quantize.bridge import bridge
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.ptq import to_int8
from edgekd.quantize.qat import QatSettings, train_qat
from edgekd.quantize.run_tflite import run_tflite
from edgekd.quantize.sparsity import SparseStudent, Sparsity, choose_layers, sparsify
from edgekd.quantize.weight_facts import WeightFacts, check_preserved, describe_kernel, read_weights
from edgekd.training.loop import logits_of

layers = keras.layers


@pytest.fixture(scope="module")
def dense_student() -> Any:
    """Three convolutions with room for zeros, a depthwise one, and a head."""
    keras.utils.set_random_seed(5)
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(image)
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.5)(layers.Conv2D(16, 3, 4, name="first")(x)))
    x = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, name="depthwise")(x))
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.5)(layers.Conv2D(32, 1, name="second")(x)))
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.5)(layers.Conv2D(32, 1, name="third")(x)))
    features = keras.Model(image, layers.GlobalAveragePooling2D()(x))
    pixels = smooth_images(32, SIZE).astype(np.float32)
    for _ in range(12):
        features(pixels, training=True)
    head = layers.Dense(3, name="head")
    model = keras.Model(image, head(features.output))
    spread_head(head, np.asarray(features(pixels)))
    return model


def sparse(student: Any, directory: Path, **settings: Any) -> SparseStudent:
    loss, stream, validation = taught(student)
    section = Sparsity(**{"epochs": 4, "batch_size": 16, "learning_rate": 3e-4, **settings})
    return sparsify(student, section, loss, stream, validation, **arguments(directory))


def by_name(made: SparseStudent) -> dict[str, dict[str, Any]]:
    return {layer["name"]: layer for layer in made.record["stages"][-1]["layers"]}


def test_facts_of_a_kernel_by_hand() -> None:
    kernel = np.zeros((1, 1, 4, 2))
    kernel[0, 0, :, 0], kernel[0, 0, :, 1] = [1, 0, 0, 2], [0, 0, 1, 3]
    assert describe_kernel("k", kernel, -1) == WeightFacts("k", 8, 0.5, True, 4, 3)
    kernel[0, 0, 1, 0] = 1
    assert describe_kernel("k", kernel, -1) == WeightFacts("k", 8, 0.375, False, 4, 3)


def test_layers_that_are_left_alone(dense_student: Any) -> None:
    model = bridge(load_float_model(dense_student)).model
    assert choose_layers(model, "prune", 16) == ["second", "third"]
    assert choose_layers(model, "prune-2:4", 16) == ["second", "third"]
    assert choose_layers(model, "cluster", 128) == ["third"]
    with pytest.raises(ModelError, match="has no layer for cluster"):
        choose_layers(model, "cluster", 256)


def test_zeros_and_clusters_that_got_lost_are_said() -> None:
    before = [WeightFacts("a", 64, 0.5, False, 4, 4), WeightFacts("b", 64, 0.0, False, 60, 30)]
    check_preserved(before, before, zeros=True, clusters=True)
    after = [WeightFacts("CONV_2D 0", 64, 0.25, False, 9, 4), before[1]]
    check_preserved(before, after, zeros=False, clusters=False)
    with pytest.raises(ExportError, match="16 zero weights where the student had 32"):
        check_preserved(before, after, zeros=True, clusters=False)
    with pytest.raises(ExportError, match="0 kernels of at most 4 different values where the student had 1"):
        check_preserved(before, after, zeros=False, clusters=True)


def test_two_in_four_goes_through_quantization_after_training(dense_student: Any, tmp_path: Path) -> None:
    before = dense_student.get_weights()
    made = sparse(dense_student, tmp_path, method="prune-2:4", epochs=2)
    assert all((a == b).all() for a, b in zip(before, dense_student.get_weights(), strict=True))
    assert {name: (layer["zeros"], layer["two_in_four"]) for name, layer in by_name(made).items()} == {
        "second": (0.5, True), "third": (0.5, True),
    }  # fmt: skip
    file = to_int8(load_float_model(made.student), IMAGES).content
    kernels = read_weights(file)
    assert [kernel.two_in_four for kernel in kernels] == [False, False, True, True, False]
    teacher = softmax(logits_of(dense_student, IMAGES))
    assert divergence(teacher, softmax(logits_of(made.student, IMAGES))) < 0.5


@pytest.mark.slow
def test_zeros_and_clusters_survive_training_in_int8(dense_student: Any, tmp_path: Path) -> None:
    made = sparse(dense_student, tmp_path, method="prune-cluster", sparsity=0.6, clusters=8)
    assert [stage["stage"] for stage in made.record["stages"]] == ["prune", "cluster"]
    for layer in by_name(made).values():
        assert layer["zeros"] >= 0.59
        assert layer["distinct"] <= 8
    loss, stream, validation = taught(dense_student)
    section = QatSettings(method="pcqat", epochs=1, batch_size=16, learning_rate=1e-4)
    (tmp_path / "aware").mkdir()
    aware = train_qat(made.student, section, loss, stream, validation, **arguments(tmp_path / "aware"))
    kernels = {fact["name"]: fact for fact in aware.record["weights"]}
    assert kernels == {fact.name: fact.to_json() for fact in read_weights(aware.content)}
    second, third = list(kernels.values())[2:4]
    for fact, layer in zip((second, third), by_name(made).values(), strict=True):
        assert fact["zeros"] >= layer["zeros"]
        assert fact["distinct"] <= 8
    trained = aware.record["epochs"]
    assert trained[-1]["loss"] < 1.0 and aware.record["training"]["steps"] == STEPS
    teacher = softmax(logits_of(dense_student, IMAGES))
    assert divergence(teacher, run_tflite(aware.content, IMAGES)) < 0.5
