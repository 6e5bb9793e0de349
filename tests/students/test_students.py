"""Students: what a text names, what a slice keeps of its teacher, what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edgekd.errors import ModelError, UsageError
from edgekd.models import efficientnet_lite
from edgekd.models.pixel_settings import PixelSettings
from edgekd.students import cnn
from edgekd.students.build import build_student
from edgekd.students.spec import StudentSpec, parse_student


@pytest.fixture(scope="module")
def teacher() -> Any:
    keras.utils.set_random_seed(2)
    return efficientnet_lite.build(64, 3, pretrained=False)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("slice:8", StudentSpec("slice", "8", None)),
        ("cnn:16@96", StudentSpec("cnn", "16", 96)),
        ("some dir/mine.keras", StudentSpec("keras", "some dir/mine.keras", None)),
        ("pkg.mod:make@64", StudentSpec("function", "pkg.mod:make", 64)),
    ],
)
def test_texts_are_read_and_written_back(text: str, spec: StudentSpec) -> None:
    assert parse_student(text) == spec
    assert str(spec) == text


@pytest.mark.parametrize(
    "text", ["", "slice", "slice:", "slice:0", "cnn:x", "slice:8@4", "mobilenet", "a:b:c", "os.system('x'):y"]
)
def test_other_texts_are_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(UsageError, match=r"slice:|as in cnn:8|16 to 1024"):
        parse_student(text)


def test_a_slice_computes_what_the_teacher_computes_there(teacher: Any) -> None:
    student = build_student(parse_student("slice:3"), teacher, 3)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    there = keras.Model(teacher.input, teacher.get_layer("block02_add").output)(images)
    pooled = keras.Model(student.input, student.get_layer("head_pool").output)(images)
    assert np.asarray(pooled) == pytest.approx(np.asarray(there).mean(axis=(1, 2)), abs=1e-5)
    assert student.count_params() == 17_008 + 24 * 3 + 3


def test_a_slice_may_end_at_any_layer(teacher: Any) -> None:
    student = build_student(parse_student("slice:block02_depthwise_relu"), teacher, 3, freeze_blocks=2)
    assert student.layers[-3].name == "block02_depthwise_relu"
    assert student.layers[-1].kernel.shape == (144, 3)


def test_a_slice_may_have_another_input_size_and_frozen_blocks(teacher: Any) -> None:
    student = build_student(parse_student("slice:4@96"), teacher, 3, freeze_blocks=2)
    assert student.input_shape == (None, 96, 96, 3)
    trained = {v.path.split("/")[0] for v in student.trainable_variables}
    assert {name[:7] for name in trained} == {"block02", "block03", "logits"}


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("slice:17", {}, "has 16 blocks"),
        ("slice:block08_depthwise_rel", {}, "did you mean 'block08_depthwise_relu'"),
        ("slice:head_pool", {}, "no such layer of feature maps"),
        ("slice:16", {"freeze_blocks": 16}, "nothing of slice:16 to train"),
        ("cnn:8", {"freeze_blocks": 1}, "freeze_blocks is for slices"),
        ("cnn:256", {}, "would not be smaller"),
        ("none.keras", {}, "does not exist"),
        ("no_such_module:make", {}, "PYTHONPATH"),
    ],
)
def test_what_does_not_fit_is_refused(teacher: Any, text: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build_student(parse_student(text), teacher, 3, **changes)


def test_a_larger_student_can_be_asked_for(teacher: Any) -> None:
    assert build_student(parse_student("cnn:256@32"), teacher, 3, allow_larger=True).count_params() > 4_000_000


def test_the_users_own_file_and_function(teacher: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cnn.build(4, 32, 3).save(tmp_path / "own.keras")
    assert build_student(parse_student(str(tmp_path / "own.keras")), teacher, 3).input_shape == (None, 32, 32, 3)
    (tmp_path / "my_students.py").write_text(
        "from edgekd.students import cnn\n\ndef make(input_size, classes):\n"
        "    return cnn.build(4, input_size, classes)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert build_student(parse_student("my_students:make@48"), teacher, 3).input_shape == (None, 48, 48, 3)
    with pytest.raises(ModelError, match="has 2 classes"):
        build_student(parse_student(str(tmp_path / "own.keras")), teacher, 2)


OWN = """
import keras
from keras import layers

def network(image, x, classes, **end):
    x = layers.Conv2D(6, 3, strides=2, activation="relu", name="own_conv")(x)
    return keras.Model(image, layers.Dense(classes, **end)(layers.GlobalAveragePooling2D()(x)))

def caffe(input_size, classes):
    image = keras.Input((input_size, input_size, 3))
    return network(image, keras.applications.resnet.preprocess_input(image), classes, activation="softmax")

def free(input_size, classes):
    image = keras.Input((None, None, 3))
    return network(image, layers.Rescaling(1 / 255)(image), classes)

def unit(input_size, classes):
    # A Rescaling that is there and says nothing: it takes 0..1 to -1..1.
    image = keras.Input((input_size, input_size, 3))
    return network(image, layers.Rescaling(2.0, -1.0)(image), classes)

def yes_or_no(input_size, classes):
    image = keras.Input((input_size, input_size, 3))
    model = network(image, layers.Rescaling(1 / 255)(image), 1, activation="sigmoid")
    return keras.Model([model.inputs[0]], [model.outputs[0]])

def half(input_size, classes):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return free(input_size, classes)
    finally:
        keras.config.set_dtype_policy("float32")

def grey(input_size, classes):
    image = keras.Input((input_size, input_size, 1))
    return network(image, image, classes)

def wrong(input_size):
    return None

def nothing(input_size, classes):
    return "a model"
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of a user's students."""
    import importlib

    (tmp_path / "own_students.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_students", raising=False)
    return importlib.import_module("own_students")


def photos(size: tuple[int, int]) -> Any:
    return np.random.default_rng(5).integers(0, 256, (3, *size, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("function", "classes", "section", "fed"),
    [
        ("caffe", 3, {}, lambda x: x),
        ("free", 3, {}, lambda x: x),
        ("half", 3, {}, lambda x: x),
        ("yes_or_no", 2, {}, lambda x: x),
        ("unit", 3, {"pixel_range": (0, 1)}, lambda x: x / 255),
        (
            "unit", 3, {"pixel_range": (0, 1), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.1)},
            lambda x: (x / 255 - np.array([0.5, 0.4, 0.3])) / np.array([0.2, 0.2, 0.1]),
        ),
    ],
)  # fmt: skip
def test_a_student_of_the_users_own_is_fed_what_it_takes(
    teacher: Any, own: Any, function: str, classes: int, section: dict[str, Any], fed: Any
) -> None:
    keras.utils.set_random_seed(0)
    original = getattr(own, function)(input_size=32, classes=classes)
    keras.utils.set_random_seed(0)
    student = build_student(
        parse_student(f"own_students:{function}@32"), teacher, classes, photos=photos, pixels=PixelSettings(**section)
    )
    assert (student.input_shape, student.output_shape) == ((None, 32, 32, 3), (None, classes))
    assert all(layer.compute_dtype == "float32" for layer in student.layers)
    images = photos((32, 32))
    there, here = np.asarray(original(fed(images).astype(np.float32))), np.asarray(student(images.astype(np.float32)))
    if function == "yes_or_no":
        here = np.asarray(keras.ops.softmax(here))[:, 1:]
    elif function == "caffe":
        here = np.asarray(keras.ops.softmax(here))
    assert here == pytest.approx(there, abs=5e-3 if function == "half" else 1e-4)


def test_a_file_of_any_size_is_given_one(teacher: Any, own: Any, tmp_path: Path) -> None:
    own.free(None, 3).save(tmp_path / "free.keras")
    own.caffe(32, 3).save(tmp_path / "fixed.keras")
    at = str(tmp_path / "free.keras")
    assert build_student(parse_student(f"{at}@48"), teacher, 3).input_shape == (None, 48, 48, 3)
    with pytest.raises(ModelError, match=r'any size. Say which in \[student\]: model = ".*free.keras@96"'):
        build_student(parse_student(at), teacher, 3)
    with pytest.raises(ModelError, match=r"takes 32 x 32 pixels, not 48\. Leave @48 out"):
        build_student(parse_student(f"{tmp_path / 'fixed.keras'}@48"), teacher, 3)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("unit", r"which pixel values does it expect\?.*Add to \[student\]: pixel_range = \[0, 1\]"),
        ("grey", "must be a Keras model of RGB images"),
        ("wrong", "called with input_size=32, classes=3, it raised TypeError: .*classes"),
        ("nothing", "gave a str. It must return a keras.Model"),
        ("absent", "AttributeError: .*absent"),
    ],
)
def test_a_student_of_the_users_own_that_is_refused(teacher: Any, own: Any, function: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build_student(parse_student(f"own_students:{function}@32"), teacher, 3, photos=photos)


def test_the_family_grows_with_its_width() -> None:
    counts = [cnn.build(width, 64, 3).count_params() for width in (8, 16, 32)]
    assert counts == sorted(counts)
    assert 35_000 < counts[1] < 45_000
