"""Other people's networks: what they expect of pixels, softmax heads, class order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edgekd.errors import ModelError
from edgekd.models import applications
from edgekd.models.blocks import blocks_of
from edgekd.models.load import load_model
from edgekd.models.logits import logits_model
from edgekd.models.pixel_range import affine_layers
from edgekd.teacher.keras_teacher import adopt, open_teacher
from edgekd.teacher.settings import TeacherFile
from edgekd.training.loop import logits_of

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("module", "kinds"),
    [
        ("mobilenet_v2", ["Rescaling"]),  # -1..1
        ("densenet", ["Rescaling"]),  # a mean and a scale each channel
        ("resnet50", ["Conv2D"]),  # BGR
        ("efficientnet", []),  # inside the network already
    ],
)
def test_preprocess_input_is_found_by_probing(module: str, kinds: list[str]) -> None:
    preprocess = getattr(keras.applications, module).preprocess_input
    layers = affine_layers(preprocess)
    assert [type(layer).__name__ for layer in layers] == kinds
    x = IMAGES.astype(np.float32)
    for layer in layers:
        x = np.asarray(layer(x))
    assert x == pytest.approx(preprocess(IMAGES.astype(np.float32)), abs=1e-3)


def test_a_preprocessing_that_is_not_affine_is_refused() -> None:
    with pytest.raises(ModelError, match="not affine"):
        affine_layers(np.sqrt)


def classifier(activation: str | None, as_layer: bool = False) -> Any:
    keras.utils.set_random_seed(1)
    image = keras.Input((32, 32, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(image))
    x = keras.layers.Dense(3, activation=None if as_layer else activation)(x)
    return keras.Model(image, keras.layers.Softmax()(x) if as_layer else x)


@pytest.mark.parametrize("as_layer", [False, True])
def test_softmax_is_taken_off(as_layer: bool) -> None:
    model = classifier("softmax", as_layer)
    bare = logits_model(model, "m")
    x = IMAGES / np.float32(255)
    logits = np.asarray(bare(x))
    assert not np.allclose(logits.sum(axis=1), 1)
    assert np.asarray(keras.ops.softmax(logits)) == pytest.approx(np.asarray(model(x)), abs=1e-6)


def test_logits_stay_and_sigmoid_is_refused() -> None:
    model = classifier(None)
    assert logits_model(model, "m") is model
    with pytest.raises(ModelError, match="'sigmoid'"):
        logits_model(classifier("sigmoid"), "m")


def test_classes_are_matched_by_name(tmp_path: Path) -> None:
    model = classifier("softmax")
    model.save(tmp_path / "own.keras")
    settings = TeacherFile(
        model=str(tmp_path / "own.keras"), classes=("zebra", "apple", "moon"), pixel_range=(0.0, 1.0)
    )
    adopted = adopt(settings, ("apple", "zebra"), lambda size: IMAGES)
    expected = np.asarray(logits_model(model, "m")(IMAGES / np.float32(255)))[:, [1, 0]]
    assert logits_of(adopted, IMAGES) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "which output is which class"),
        (("a", "b"), "has 3 outputs"),
        (("a", "b", "c"), "does not know the data's class zebra"),
    ],
)
def test_class_names_that_do_not_fit(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    classifier("softmax").save(tmp_path / "own.keras")
    with pytest.raises(ModelError, match=message):
        settings = TeacherFile(model=str(tmp_path / "own.keras"), classes=names, pixel_range=(0.0, 255.0))
        adopt(settings, ("a", "zebra"), lambda size: IMAGES)


def test_a_foreign_file_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "x.keras"
    path.write_bytes(b"PK\x03\x04 no")
    with pytest.raises(ModelError, match=r"x\.keras is not a Keras file"):
        load_model(path)
    with pytest.raises(ModelError, match="does not exist"):
        load_model(tmp_path / "none.keras")


def test_a_lambda_in_a_file_is_not_run(tmp_path: Path) -> None:
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Lambda(lambda x: x * 2)(image))
    model.save(tmp_path / "code.keras")
    with pytest.raises(ModelError, match=r"code\.keras holds a Lambda layer, which is Python code"):
        load_model(tmp_path / "code.keras")


def test_an_application_gets_blocks_and_logits() -> None:
    model = applications.build("MobileNetV2", 64, 3, "none")
    assert model.output_shape == (None, 3)
    assert [b.name for b in blocks_of(model)][:3] == ["expanded_conv", "block_1", "block_2"]
    with pytest.raises(ModelError, match="Did you mean 'MobileNetV2'"):
        applications.build("MobilNetV2", 64, 3, "none")


def test_a_saved_teacher_answers_the_same(tmp_path: Path) -> None:
    model = classifier(None)
    model.save(tmp_path / "teacher.keras")
    teacher = open_teacher(tmp_path / "teacher.keras")
    assert (teacher.num_classes, teacher.input_size, len(teacher.key)) == (3, (32, 32), 64)
    assert teacher.logits(IMAGES) == pytest.approx(logits_of(model, IMAGES), abs=1e-6)
