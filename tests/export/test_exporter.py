from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.errors import ExportError, GateFailed, UnsupportedOpError, UsageError
from edgekd.export.exporter import export
from edgekd.formats.artifact import sidecar_path
from edgekd.preprocess import Preprocessing
from edgekd.quantize.float_model import load_float_model
from edgekd.runtime import open_runner

LABELS = ("a", "b", "c")
PREPROCESSING = Preprocessing(height=48, width=48)


def export_one(model: Any, out: Path, images: NDArray[np.uint8], precision: str, kind: str = "tflite") -> Any:
    return export(
        model,
        out,
        "m",
        labels=LABELS,
        preprocessing=PREPROCESSING,
        precisions=(precision,),
        formats=(kind,),
        calibration=images,
    )[0]


def test_four_files_agree_with_keras_and_each_other(
    exported: dict[str, Any], student: Any, images: NDArray[np.uint8]
) -> None:
    import keras

    wanted = keras.ops.convert_to_numpy(keras.ops.softmax(student(images.astype(np.float32), training=False)))
    assert len(set(wanted.argmax(axis=1))) == 3
    found = {name: open_runner(artifact).run(images) for name, artifact in exported.items()}
    assert np.abs(found["float32.tflite"] - wanted).max() < 1e-5
    assert np.abs(found["float32.onnx"] - wanted).max() < 1e-5
    assert (found["int8.tflite"].argmax(axis=1) == wanted.argmax(axis=1)).mean() > 0.95
    assert np.abs(found["int8.onnx"] - found["int8.tflite"]).max() <= 1 / 256
    assert (found["int8.onnx"].argmax(axis=1) == found["int8.tflite"].argmax(axis=1)).all()


def test_what_was_measured_is_beside_the_file(exported: dict[str, Any]) -> None:
    parity = exported["int8.onnx"].parity
    assert parity["photos"] == 48
    assert parity["int8_tflite"]["differing"] == 0
    assert parity["int8_tflite"]["largest_quanta"] <= 1
    assert exported["float32.tflite"].parity["keras"]["agreement"] == 1.0
    assert exported["int8.tflite"].provenance["calibration_images"] == 48
    assert exported["float32.onnx"].provenance["converter"].startswith("tf2onnx 1.")
    assert len(exported["int8.tflite"].provenance["calibration_sha256"]) == 64
    assert exported["int8.tflite"].provenance["weights_sha256"] == exported["float32.onnx"].provenance["weights_sha256"]


def test_int8_files_stay_near_their_parameters_bytes(exported: dict[str, Any], student: Any) -> None:
    folded = sum(int(np.prod(v.shape)) for v in student.weights if "moving" not in v.path and "gamma" not in v.path)
    channels = sum(v.shape[0] for v in student.weights if "gamma" in v.path) + 3
    for name in ("int8.tflite", "int8.onnx"):
        # A byte a weight; bias, scale, its scale and ONNX's zero points, 17 bytes a channel; tables and metadata.
        assert exported[name].size_bytes < folded + 17 * channels + 8500


def test_uint8_output_on_request(
    student: Any, images: NDArray[np.uint8], tmp_path: Path, exported: dict[str, Any]
) -> None:
    files = export(
        student,
        tmp_path,
        "u",
        labels=LABELS,
        preprocessing=PREPROCESSING,
        precisions=("int8",),
        calibration=images,
        output="uint8",
    )
    for artifact in files:
        assert artifact.outputs[0].dtype == "uint8"
        found = open_runner(artifact).run(images)
        assert found.dtype == np.float32
        assert (found == open_runner(exported[f"int8.{artifact.format}"]).run(images)).all()


def test_a_range_that_no_zero_point_can_hold_stays_in_the_graph(images: NDArray[np.uint8], tmp_path: Path) -> None:
    import keras
    from keras import layers

    image = keras.Input((48, 48, 3), dtype="float32")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = layers.Conv2D(8, 3, strides=2, activation="relu", kernel_initializer=keras.initializers.GlorotUniform(1))(x)
    x = layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(2))(layers.Flatten()(x))
    artifact = export_one(keras.Model(image, x), tmp_path, images, "int8")
    assert (artifact.inputs[0].scale, artifact.inputs[0].zero_point) == (1.0, 0)
    assert artifact.provenance["range_in_graph"] == {"scale": 1.0, "offset": 0.0}
    assert artifact.parity["keras"]["largest_difference"] < 0.08


def test_a_softmax_is_never_applied_twice(images: NDArray[np.uint8], tmp_path: Path, student: Any) -> None:
    import keras

    ended = keras.Model(student.inputs, keras.layers.Softmax()(student.outputs[0]))
    nested = keras.Sequential([keras.Input((48, 48, 3)), student, keras.layers.Activation("softmax")])
    wanted = keras.ops.convert_to_numpy(ended([images.astype(np.float32)]))
    for model in (ended, nested):
        found = open_runner(export_one(model, tmp_path, images, "float32")).run(images)
        assert np.abs(found - wanted).max() < 1e-5
    sigmoid = keras.Model(student.inputs, keras.layers.Activation("sigmoid")(student.outputs[0]))
    tags = export_one(sigmoid, tmp_path, images, "float32")
    wanted = keras.ops.convert_to_numpy(sigmoid([images.astype(np.float32)]))
    assert tags.decision.task == "multi-label" and np.abs(open_runner(tags).run(images) - wanted).max() < 1e-5
    with pytest.raises(ExportError, match="ends in sigmoid"):
        load_float_model(sigmoid, "single-label")


def test_a_saved_model_gives_the_same_bytes(
    student: Any, images: NDArray[np.uint8], tmp_path: Path, exported: dict[str, Any]
) -> None:
    path = tmp_path / "student.keras"
    student.save(path)
    artifact, _ = export(
        path,
        tmp_path,
        "tiny",
        labels=exported["int8.tflite"].labels,
        preprocessing=exported["int8.tflite"].preprocessing,
        precisions=("int8",),
        calibration=images,
        provenance={"run": "test"},
    )
    assert artifact.sha256 == exported["int8.tflite"].sha256


def test_nothing_is_left_of_an_export_that_fails(
    student: Any, images: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekd.export import verify

    monkeypatch.setattr(verify, "FLOAT_TOLERANCE", -1.0)
    with pytest.raises(ExportError, match=r"m\.float32\.tflite differs from Keras"):
        export_one(student, tmp_path, images, "float32")
    assert list(tmp_path.iterdir()) == []


def test_an_older_sidecar_does_not_meet_the_new_file(student: Any, images: NDArray[np.uint8], tmp_path: Path) -> None:
    first = export_one(student, tmp_path, images, "float32")
    sidecar_path(first.path).write_text('{"sha256": "0", "parity": {}}')
    assert export_one(student, tmp_path, images, "float32").parity["photos"] == 48
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.float32.tflite", "m.float32.tflite.json"]


Spoil = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"labels": ("a", "b")}, GateFailed, "3 values and there are 2 labels"),
        ({"labels": ("a", "b", "a")}, ExportError, "distinct"),
        ({"labels": ("a", "b", "c\nd")}, ExportError, "without line breaks"),
        ({"precisions": ("int4",)}, UsageError, "precisions must be among float32, int8, .*, got int4"),
        ({"formats": ()}, UsageError, "formats must be among tflite, onnx, ort, c, coreml, got none"),
        ({"calibration": None}, UsageError, "int8 needs calibration images"),
        ({"calibration": np.zeros((4, 48, 48, 3), np.float32)}, ExportError, "must be uint8"),
        ({"calibration": np.zeros((4, 32, 32, 3), np.uint8)}, ExportError, r"\[N, 48, 48, 3\]"),
        ({"calibration": np.full((4, 48, 48, 3), 9, np.uint8)}, ExportError, "one constant, 9"),
        ({"preprocessing": Preprocessing(height=64, width=48)}, UsageError, "takes 48 x 48"),
    ],
)
def test_what_does_not_fit_is_refused(
    student: Any, images: NDArray[np.uint8], tmp_path: Path, change: dict[str, Any], error: type[Exception], said: str
) -> None:
    arguments: dict[str, Any] = {"labels": LABELS, "preprocessing": PREPROCESSING, "calibration": images}
    with pytest.raises(error, match=said):
        export(student, tmp_path, "m", **(arguments | change))


def test_an_op_without_an_integer_form_is_named(images: NDArray[np.uint8], tmp_path: Path) -> None:
    import keras

    image = keras.Input((48, 48, 3))
    x = keras.ops.sin(keras.layers.Conv2D(4, 3, strides=4)(image))
    model = keras.Model(image, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))
    with pytest.raises(ExportError, match=r"float in the int8 file: SIN\. Allow them with --float-op SIN"):
        export_one(model, tmp_path, images, "int8")


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_op_of_tensorflows_own_is_named(images: NDArray[np.uint8], tmp_path: Path, precision: str) -> None:
    import keras

    image = keras.Input((48, 48, 3))
    x = keras.ops.erfinv(0.5 * keras.ops.tanh(keras.layers.Conv2D(4, 3, strides=12)(image)))
    model = keras.Model(image, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))
    with pytest.raises(UnsupportedOpError, match=r"needs Erfinv, which TFLite's built-in ops do not include"):
        export_one(model, tmp_path, images, precision)


def test_terminal_stays_clean(
    student: Any, images: NDArray[np.uint8], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    export_one(student, tmp_path, images, "int8", "onnx")
    assert capfd.readouterr().out == ""
