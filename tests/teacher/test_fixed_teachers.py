"""Teachers of every format give the same logits; what can't be known of one is asked for by its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from saved_networks import save_saved_model, save_tflite
from teacher_files import (
    CLASSES,
    PHOTOS,
    SIZE,
    build,
    logits_of_net,
    photos_at,
    same_logits,
    save_onnx,
)

from edgekd.errors import EdgekdError, ModelError
from edgekd.teacher.file_teacher import FileTeacher
from edgekd.teacher.keras_teacher import KerasTeacher
from edgekd.teacher.opening import describe_teacher, fingerprint, open_fixed_teacher
from edgekd.teacher.protocol import Teacher
from edgekd.teacher.settings import TeacherSection

FOR_01 = {"pixel_range": (0.0, 1.0), "classes": CLASSES}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file by format and ending."""
    folder = tmp_path_factory.mktemp("teachers")
    saved = {}
    for ending in ("logits", "softmax"):
        model = build(ending)
        model.save(folder / f"{ending}.keras")
        saved[f"keras {ending}"] = folder / f"{ending}.keras"
        saved[f"savedmodel {ending}"] = save_saved_model(folder / ending, model)
        saved[f"tflite {ending}"] = save_tflite(folder / f"{ending}.tflite", model)
        saved[f"onnx {ending}"] = save_onnx(folder / f"{ending}.onnx", "Softmax" if ending == "softmax" else "")
    return saved


def opened(path: Path, **settings: Any) -> Teacher:
    section = TeacherSection(model=str(path), train=False, **{**FOR_01, **settings})
    return open_fixed_teacher(section, CLASSES, photos_at)


@pytest.mark.parametrize("ending", ["logits", "softmax"])
@pytest.mark.parametrize("kind", ["keras", "savedmodel", "tflite", "onnx"])
def test_every_format_gives_the_same_logits(files: dict[str, Path], kind: str, ending: str) -> None:
    teacher = opened(files[f"{kind} {ending}"])
    outputs = teacher.logits(PHOTOS)
    assert (outputs.dtype, outputs.shape) == (np.float32, (24, 3))
    assert (teacher.num_classes, teacher.input_size) == (3, (SIZE, SIZE))
    assert same_logits(outputs, logits_of_net()) < 1e-4
    (record,) = describe_teacher(teacher)
    assert record["kind"] == kind
    assert record["parameters"] == build().count_params()
    assert teacher.logits(PHOTOS[:0]).shape == (0, 3)


@pytest.mark.parametrize("kind", ["keras", "savedmodel", "tflite", "onnx"])
def test_classes_are_matched_by_name(files: dict[str, Path], kind: str) -> None:
    section = TeacherSection(model=str(files[f"{kind} softmax"]), train=False, **FOR_01)
    fewer = open_fixed_teacher(section, ("zebra", "apple"), photos_at)
    assert same_logits(fewer.logits(PHOTOS), logits_of_net()[:, [2, 0]]) < 1e-4


@pytest.mark.parametrize("kind", ["keras", "savedmodel", "tflite", "onnx"])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pixel_range": None}, r"which pixel values does it expect\?.*pixel_range = \[0, 1\]"),
        ({"classes": ()}, r"which output is which class\?.*classes = \[...\]"),
        ({"classes": ("apple", "moon")}, "has 3 outputs and 2 class names"),
        ({"classes": (*CLASSES, "sun")}, "has 3 outputs and 4 class names"),
        ({"classes": ("apple", "sun", "zebra")}, "does not know the data's class moon"),
        ({"input_size": 96}, "takes 32 x 32 pixels. Remove input_size = 96"),
    ],
)
def test_what_is_not_known_is_asked_for(
    files: dict[str, Path], kind: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        opened(files[f"{kind} softmax"], **settings)


def test_a_name_that_two_outputs_have_is_an_error(files: dict[str, Path]) -> None:
    section = TeacherSection(
        model=str(files["onnx softmax"]), pixel_range=(0, 1), classes=("crane", "crane", "zebra")
    )  # fmt: skip
    with pytest.raises(ModelError, match="2 outputs called 'crane'"):
        open_fixed_teacher(section, ("crane", "zebra"), photos_at)
    # ImageNet has two cranes too, which matter to nobody who looks for zebras.
    assert open_fixed_teacher(section, ("zebra",), photos_at).num_classes == 1


@pytest.mark.parametrize("ending", ["layer", "nested", "hidden"])
def test_a_softmax_is_found_wherever_it_hides(tmp_path: Path, ending: str) -> None:
    model = build(ending)
    model.save(tmp_path / "t.keras")
    assert same_logits(opened(tmp_path / "t.keras").logits(PHOTOS), logits_of_net()) < 1e-4
    teacher = opened(save_saved_model(tmp_path / "t", model))
    assert same_logits(teacher.logits(PHOTOS), logits_of_net()) < 1e-4
    by_numbers = "the outputs for 24 photos each add up to 1"
    assert describe_teacher(teacher)[0]["outputs"] == {
        "are": "probabilities",
        "known_by": by_numbers if ending == "hidden" else "a softmax is its last op",
    }


def test_two_softmaxes_are_refused(tmp_path: Path) -> None:
    twice = build("twice")
    twice.save(tmp_path / "t.keras")
    for path in (
        tmp_path / "t.keras",
        save_saved_model(tmp_path / "t", twice),
        save_tflite(tmp_path / "t.tflite", twice),
        save_onnx(tmp_path / "t.onnx", "Softmax Softmax"),
    ):
        with pytest.raises(ModelError, match="a softmax to a softmax"):
            opened(path)


def test_independent_sigmoids_are_refused(tmp_path: Path) -> None:
    model = build("sigmoid")
    model.save(tmp_path / "t.keras")
    for path in (
        tmp_path / "t.keras",
        save_saved_model(tmp_path / "t", model),
        save_tflite(tmp_path / "t.tflite", model),
        save_onnx(tmp_path / "t.onnx", "Sigmoid"),
    ):
        with pytest.raises(ModelError, match=r"sigmoid.*one choice among"):
            opened(path)


@pytest.mark.parametrize("ending", ["sigmoid", "logits"])
def test_one_score_is_two_classes_in_every_format(tmp_path: Path, ending: str) -> None:
    model = build(ending, classes=1)
    scores = np.asarray(model(PHOTOS / np.float32(255)))[:, 0]
    probability = scores if ending == "sigmoid" else 1 / (1 + np.exp(-scores))
    for name in ("t.keras", "t.h5"):
        keras.Model([model.input], [model.output]).save(tmp_path / name)
    paths = [
        tmp_path / "t.keras",
        tmp_path / "t.h5",
        save_tflite(tmp_path / "t.tflite", model),
        save_saved_model(tmp_path / "t", model),
    ]
    for path in paths:
        section = TeacherSection(model=str(path), train=False, pixel_range=(0, 1), classes=("no", "yes"))
        logits = open_fixed_teacher(section, ("yes", "no"), photos_at).logits(PHOTOS)
        outputs = np.exp(logits[:, 0]) / np.exp(logits).sum(axis=1)
        assert outputs == pytest.approx(probability, abs=1e-6), path.name


def test_a_model_saved_in_half_precision(tmp_path: Path) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build("softmax")
    finally:
        keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "t.keras")
    assert same_logits(opened(tmp_path / "t.keras").logits(PHOTOS), logits_of_net()) < 0.01


def test_mean_std_and_bgr(tmp_path: Path) -> None:
    # A network of BGR pixels around 0 that is worth the same: its first layer takes the normalization back.
    mean, std = np.array([0.4, 0.45, 0.5], np.float32), np.array([0.2, 0.25, 0.3], np.float32)
    image = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(image, build("softmax")((image * std + mean)[..., ::-1]))
    section = TeacherSection(
        model=str(save_tflite(tmp_path / "t.tflite", model)), classes=CLASSES, channels="bgr",
        pixel_range=(0, 1), mean=tuple(map(float, mean)), std=tuple(map(float, std)),
    )  # fmt: skip
    outputs = open_fixed_teacher(section, CLASSES, photos_at).logits(PHOTOS)
    assert same_logits(outputs, logits_of_net()) < 1e-4


def test_an_open_size_is_asked_for(tmp_path: Path) -> None:
    path = save_onnx(tmp_path / "t.onnx", side="S")
    with pytest.raises(ModelError, match=r"images of any size. Add to \[teacher\]: input_size"):
        opened(path)
    assert opened(path, input_size=48).logits(photos_at((48, 48))).shape == (24, 3)


def test_a_batch_of_one_is_kept(tmp_path: Path) -> None:
    teacher = opened(save_onnx(tmp_path / "t.onnx", batch=1))
    assert same_logits(teacher.logits(PHOTOS), logits_of_net()) < 1e-4


def test_weights_in_a_file_beside_it(tmp_path: Path) -> None:
    save_onnx(tmp_path / "t.onnx")
    model = onnx.load(tmp_path / "t.onnx")
    onnx.save(model, tmp_path / "t.onnx", save_as_external_data=True, location="t.onnx.data", size_threshold=0)
    teacher = opened(tmp_path / "t.onnx")
    assert same_logits(teacher.logits(PHOTOS), logits_of_net()) < 1e-4
    section = TeacherSection(model=str(tmp_path / "t.onnx"))
    before = fingerprint(section)
    data = bytearray((tmp_path / "t.onnx.data").read_bytes())
    data[100] ^= 1
    (tmp_path / "t.onnx.data").write_bytes(data)
    assert fingerprint(section) != before
    (tmp_path / "t.onnx.data").unlink()
    with pytest.raises(ModelError, match=r"keeps its weights in another file.*Put it into the folder of the \.onnx"):
        opened(tmp_path / "t.onnx")


@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_constants_of_nodes_are_read_from_the_models_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A runtime given the bytes of a model looks for such files in the folder that it is started in."""
    model = onnx.load(save_onnx(tmp_path / "t.onnx"))
    constants, elsewhere = [], tmp_path / "elsewhere"
    elsewhere.mkdir()
    for tensor in model.graph.initializer:
        node = onnx.helper.make_node("Constant", [], [tensor.name], value=tensor)
        (value,) = node.attribute
        (tmp_path if place == "here" else elsewhere).joinpath(f"{tensor.name}.bin").write_bytes(value.t.raw_data)
        value.t.ClearField("raw_data")
        value.t.data_location = onnx.TensorProto.EXTERNAL
        value.t.external_data.add(key="location", value=f"{tensor.name}.bin")
        constants.append(node)
    nodes = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend([*constants, *nodes])
    (tmp_path / "t.onnx").write_bytes(model.SerializeToString())
    monkeypatch.chdir(elsewhere)
    if place == "here":
        assert same_logits(opened(tmp_path / "t.onnx").logits(PHOTOS), logits_of_net()) < 1e-4
    else:
        with pytest.raises(ModelError, match="keeps its weights in another file"):
            opened(tmp_path / "t.onnx")


@pytest.mark.parametrize("name", ["float32.tflite", "float32.onnx", "int8.tflite", "int8.onnx"])
def test_our_own_files_know_everything(exported: dict[str, Any], student: Any, images: np.ndarray, name: str) -> None:
    labels = exported[name].labels
    section = TeacherSection(model=str(exported[name].path))

    def at(size: tuple[int, int]) -> np.ndarray:
        assert size == images.shape[1:3]
        return images

    with pytest.raises(ModelError, match='made for crop = "center"'):
        open_fixed_teacher(section, labels, at)
    teacher = open_fixed_teacher(section, labels[::-1], at, "center")
    outputs, expected = teacher.logits(images), np.asarray(student(images.astype(np.float32)))[:, ::-1]
    if name.startswith("float32"):
        assert same_logits(outputs, expected) < 1e-3
    else:
        assert (outputs.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.9
    assert describe_teacher(teacher)[0]["parameters"] == exported[name].provenance["parameters"]
    with pytest.raises(ModelError, match="Remove pixel_range"):
        open_fixed_teacher(section.model_copy(update={"pixel_range": (0.0, 1.0)}), labels, at, "center")


def test_a_quantized_foreign_file(tmp_path: Path) -> None:
    import tensorflow as tf

    from edgekd.quiet import quiet

    converter = tf.lite.TFLiteConverter.from_keras_model(build("softmax"))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    calibration = np.concatenate([PHOTOS, np.zeros_like(PHOTOS[:1]), np.full_like(PHOTOS[:1], 255)]) / np.float32(255)
    converter.representative_dataset = lambda: ([photo[None]] for photo in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with quiet():
        (tmp_path / "t.tflite").write_bytes(converter.convert())
    without_range = opened(tmp_path / "t.tflite", pixel_range=None)
    assert isinstance(without_range, FileTeacher)
    assert without_range.pixels.source == "its quantized input steps by one pixel value"
    stated = opened(tmp_path / "t.tflite")
    assert np.array_equal(without_range.logits(PHOTOS), stated.logits(PHOTOS))
    assert (without_range.logits(PHOTOS).argmax(1) == logits_of_net().argmax(1)).mean() > 0.8
    # No logarithm of 0: half a step of 1/256 at least.
    assert without_range.logits(PHOTOS).min() >= np.log(1 / 512) - 1e-6


def test_keys_change_with_what_decides_the_answers(files: dict[str, Path]) -> None:
    one, other = opened(files["onnx softmax"]), opened(files["onnx softmax"], pixel_range=(-1.0, 1.0))
    assert one.key == opened(files["onnx softmax"]).key
    assert len({one.key, other.key, opened(files["onnx logits"]).key}) == 3
    assert isinstance(opened(files["keras softmax"]), KerasTeacher)


@pytest.mark.parametrize("name", ["t.onnx", "t.tflite", "t.keras"])
def test_damaged_files_are_clear_errors(files: dict[str, Path], tmp_path: Path, name: str) -> None:
    source = files[f"{name[2:]} softmax"].read_bytes()
    for content in (b"", b"\x00" * 64, source[: len(source) // 2]):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(EdgekdError, match=name):
            opened(tmp_path / name)


def test_a_folder_that_is_no_saved_model(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "efficientnet-lite1"):
        with pytest.raises(ModelError, match=r"efficientnet-lite0 \(-lite1, -lite2\), keras:NAME"):
            opened(path)
        section = TeacherSection(model=str(tmp_path / "none"))
        with pytest.raises(ModelError, match="does not exist"):
            fingerprint(section)


def test_layouts_that_could_be_either(tmp_path: Path) -> None:
    path = save_onnx(tmp_path / "t.onnx", side=3)  # 3 x 3 pixels: the shape is [N, 3, 3, 3]
    with pytest.raises(ModelError, match='layout = "nhwc" or "nchw"'):
        opened(path)
    assert opened(path, layout="nchw").input_size == (3, 3)
