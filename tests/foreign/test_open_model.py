"""Other tools' files: as classifiers by what they or the user say, and as files with made inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import edgekd
from edgekd.cli.model_options import read_thresholds
from edgekd.errors import ArtifactError, ModelError, UsageError
from edgekd.foreign import FileOptions, PlainModel, open_any, open_model
from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Decision
from edgekd.formats.pixels import Feed, Pixels, of_mean_std
from edgekd.golden import check_golden, make_golden
from edgekd.golden.manifest import read_manifest

FOREIGN = Path(__file__).parents[1] / "golden" / "foreign"
NAMES = ("a", "b", "c", "d", "e")


def classifier(
    path: Path, *ends: tuple[str, list[str], str], image: tuple[Any, ...] = (1, 3, 8, 8), classes: int = 3
) -> Path:
    """The mean of each channel times a matrix, in an .onnx; ``ends`` follow."""
    weights = np.random.default_rng(0).normal(size=(3, classes)).astype(np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["logits"]),
        *(helper.make_node(kind, inputs, [output]) for kind, inputs, output in ends),
    ]
    last = ends[-1][2] if ends else "logits"
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [image[0], classes])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


SOFTMAX = ("Softmax", ["logits"], "probabilities")
UNIT = FileOptions(pixel_range=(0, 1), classes=("red", "green", "blue"))


def test_pixels_and_classes_are_those_that_were_said(tmp_path: Path) -> None:
    opened = open_model(classifier(tmp_path / "m.onnx", SOFTMAX), UNIT)
    assert opened.labels == ("red", "green", "blue") and opened.scores == "probabilities" and opened.layout == "nchw"
    image = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 3), np.uint8)
    weights = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    logits = (image / np.float32(255)).mean(axis=(1, 2)) @ weights
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(edgekd.open_runner(opened).run(image), expected, atol=1e-6)
    swapped = open_model(opened.path, UNIT.model_copy(update={"channels": "bgr"}))
    np.testing.assert_allclose(edgekd.open_runner(swapped).run(image[..., ::-1].copy()), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("ends", "classes", "kind"),
    [
        ((), 3, "logits"),
        ((("Sigmoid", ["logits"], "p"),), 1, "sigmoid"),
        ((("Sigmoid", ["logits"], "p"),), 3, "independent"),
        ((), 1, "logit"),
        ((("LogSoftmax", ["logits"], "p"),), 3, "logits"),
    ],
)
def test_scores_become_probabilities(tmp_path: Path, ends: Any, classes: int, kind: str) -> None:
    opened = open_model(classifier(tmp_path / "m.onnx", *ends, classes=classes), FileOptions(pixel_range=(0, 1)))
    assert opened.scores == kind and not opened.has_labels
    assert opened.labels == tuple(f"output {i}" for i in range(max(classes, 2)))
    rows = edgekd.open_runner(opened).run(np.full((1, 8, 8, 3), 200, np.uint8))
    assert rows.shape == (1, max(classes, 2)) and ((rows >= 0) & (rows <= 1)).all()
    assert kind == "independent" or abs(float(rows.sum()) - 1) < 1e-6


def test_what_is_not_known_is_asked_for_in_the_commands_words(tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.onnx", SOFTMAX, image=("n", 3, "h", "w"))
    with pytest.raises(ModelError, match=r"any size\. Add --input-size 224"):
        open_model(path)
    with pytest.raises(ModelError, match=r"Nothing in it says so\. Add --pixel-range 0,1"):
        open_model(path, FileOptions(input_size=16))
    with pytest.raises(UsageError, match="gives 3 class scores and --classes has 2 names"):
        open_model(path, FileOptions(input_size=16, pixel_range=(0, 1), classes=("a", "b")))
    path = classifier(tmp_path / "free.onnx", SOFTMAX, image=("n", "c", "h", "w"))
    with pytest.raises(ModelError, match=r"where are the channels.* Add --layout nhwc or nchw"):
        open_model(path, FileOptions(input_size=16, pixel_range=(0, 1)))
    assert open_model(path, FileOptions(input_size=16, pixel_range=(0, 1), layout="nchw")).layout == "nchw"


def test_what_is_no_classifier_of_photos_is_sent_to_the_commands_that_take_it(tmp_path: Path) -> None:
    sound = classifier(tmp_path / "sound.onnx", SOFTMAX, image=("n", 16000))
    with pytest.raises(ModelError, match=r"takes \[\?, 16000\].*\. edgekd inspect and edgekd bench take it as it is"):
        open_model(sound)


def test_our_own_file_says_everything_itself(exported: dict[str, Any]) -> None:
    path = exported["int8.tflite"].path
    assert open_model(path) == Artifact.open(path)
    with pytest.raises(UsageError, match=r"Leave out --(classes, --pixel-range|pixel-range, --classes)"):
        open_model(path, UNIT)


@pytest.mark.parametrize("name", ["float_keras.tflite", "int8_keras.tflite", "batch4.tflite", "nchw.tflite"])
def test_a_tflite_of_another_tool_is_a_classifier(name: str) -> None:
    opened = open_model(FOREIGN / name, FileOptions(pixel_range=(-1, 1)))
    size = (opened.preprocessing.height, opened.preprocessing.width)
    rows = edgekd.open_runner(opened).run(np.random.default_rng(0).integers(0, 256, (5, *size, 3), np.uint8))
    assert rows.shape == (5, len(opened.labels)) and np.isfinite(rows).all()
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=0.02)


def test_golden_vectors_say_how_pixels_are_fed(tmp_path: Path) -> None:
    opened = open_model(classifier(tmp_path / "m.onnx", SOFTMAX), UNIT)
    make_golden(opened, tmp_path / "golden")
    feed = read_manifest(tmp_path / "golden").feed
    assert feed is not None and feed.scale == (1 / 255,) * 3 and feed.layout == "nchw" and feed.channels == "rgb"
    assert check_golden(opened, tmp_path / "golden").passed


def test_a_file_without_photos_gets_inputs_of_its_types(tmp_path: Path) -> None:
    values = [("audio", TensorProto.FLOAT, ["batch", "time"]), ("state", TensorProto.FLOAT, [2, "batch", 4]),
              ("rate", TensorProto.INT64, [])]  # fmt: skip
    nodes = [
        helper.make_node("ReduceMean", ["audio"], ["m"]),
        helper.make_node("Cast", ["rate"], ["r"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["m", "r"], ["y"]),
        helper.make_node("Identity", ["state"], ["z"]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None), helper.make_tensor_value_info("z", 1, None)]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info(*value) for value in values], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "speech.onnx")
    plain = open_any(tmp_path / "speech.onnx")
    assert isinstance(plain, PlainModel) and plain.outputs_n == 2
    assert plain.shapes == ((1, 1), (2, 1, 4), ()) and plain.dtypes == ("float32", "float32", "int64")
    assert [array.shape for array in plain.made_inputs(3)] == [(3, 1, 1), (3, 2, 1, 4), (3,)]
    given = open_any(tmp_path / "speech.onnx", shapes={"audio": (1, 160)})
    assert isinstance(given, PlainModel) and given.shapes[0] == (1, 160)
    with pytest.raises(UsageError, match="names the input sound, and the inputs are audio, state, rate"):
        open_any(tmp_path / "speech.onnx", shapes={"sound": (1, 160)})


def test_weights_in_another_file_are_named_with_the_way_out(tmp_path: Path) -> None:
    model = onnx.load(classifier(tmp_path / "m.onnx", SOFTMAX))
    onnx.save(model, tmp_path / "two.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(ArtifactError, match=r"weights in another file \(w.bin\).*onnx.save\(onnx.load\('two.onnx'\)"):
        open_model(tmp_path / "two.onnx", UNIT)


def test_a_quantized_file_that_takes_bytes_is_fed_as_ours_are() -> None:
    google = Feed(Pixels((0.0078125,) * 3, (-1.0,) * 3), "uint8", 0.0078125, 128)
    assert google.takes_bytes and Feed(Pixels(), "uint8").takes_bytes and Feed(Pixels(), "float32").takes_bytes
    assert not Feed(of_mean_std(127.5, 127.5, ""), "float32").takes_bytes
    assert not Feed(Pixels(bgr=True), "uint8").takes_bytes and not Feed(Pixels(), "int8").takes_bytes


def test_the_scores_of_a_sigmoid_each_are_tags_where_that_is_said(tmp_path: Path) -> None:
    path = classifier(tmp_path / "m.onnx", ("Sigmoid", ["logits"], "scores"))
    assert open_model(path, UNIT).decision == Decision()
    tags = UNIT.model_copy(update={"task": "multi-label"})
    assert open_model(path, tags).decision == Decision("multi-label", (0.5, 0.5, 0.5))
    opened = open_model(path, tags.model_copy(update={"threshold": (0.4, 0.5, 0.6)}))
    Image.new("RGB", (8, 8), (200, 90, 20)).save(tmp_path / "photo.png")
    (one,) = edgekd.predict(opened, tmp_path / "photo.png")
    assert one.answer.labels == tuple(
        label for label, least in zip(opened.labels, (0.4, 0.5, 0.6), strict=True) if one.probabilities[label] >= least
    )
    make_golden(opened, tmp_path / "golden")
    assert (
        read_manifest(tmp_path / "golden").rule == opened.decision and check_golden(opened, tmp_path / "golden").passed
    )


def test_tags_do_not_follow_from_a_choice(tmp_path: Path) -> None:
    tags = UNIT.model_copy(update={"task": "multi-label"})
    with pytest.raises(UsageError, match=r"chooses one of 3 classes \(its scores sum to 1\), so tags do not follow"):
        open_model(classifier(tmp_path / "m.onnx", SOFTMAX), tags)
    with pytest.raises(UsageError, match="Add --task multi-label"):
        FileOptions(threshold=(0.5,))
    path = classifier(tmp_path / "s.onnx", ("Sigmoid", ["logits"], "scores"))
    with pytest.raises(UsageError, match="one number, or one for each of the 3 tags, got 2"):
        open_model(path, tags.model_copy(update={"threshold": (0.4, 0.5)}))
    with pytest.raises(UsageError, match="probabilities from 0 to 1"):
        read_thresholds("0.5;0.6")
