"""Batches of 1 and 3, and both layouts: run by the runtimes themselves, as other people's programs would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from edgekd.errors import UnsupportedOpError
from edgekd.export.exporter import export
from edgekd.export.options import ExportOptions
from edgekd.formats import tflite_file
from edgekd.formats.artifact import Artifact
from edgekd.preprocess import Preprocessing
from edgekd.runtime import open_runner

LABELS, SIZE = ("crossing", "kerb & gutter", "Straße"), 48
NAMES = ("float32.tflite", "float32.onnx", "float32.ort", "int8.tflite", "int8.onnx", "int8.ort")


def export_all(model: Any, out: Path, images: NDArray[np.uint8], options: ExportOptions) -> dict[str, Artifact]:
    made = export(
        model, out, "m", labels=LABELS, preprocessing=Preprocessing(height=SIZE, width=SIZE),
        formats=("tflite", "onnx", "ort"), calibration=images, options=options,
    )  # fmt: skip
    return {f"{artifact.precision}.{artifact.format}": artifact for artifact in made}


@pytest.fixture(scope="module")
def dynamic(student: Any, images: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    return export_all(
        student,
        tmp_path_factory.mktemp("dynamic"),
        images,
        ExportOptions(batch="dynamic", layout="nchw", license="MIT"),
    )


@pytest.fixture(scope="module")
def threes(student: Any, images: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    return export_all(student, tmp_path_factory.mktemp("threes"), images, ExportOptions(batch=3))


def by_onnxruntime(artifact: Artifact, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(artifact.content(), providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    assert (image.name, image.type, session.get_outputs()[0].name) == ("image", "tensor(uint8)", "probabilities")
    return np.asarray(session.run(None, {"image": images})[0])


def by_litert(artifact: Artifact, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=artifact.content())
    (image,), (scores,) = interpreter.get_input_details(), interpreter.get_output_details()
    # Strict: only what the file itself calls free may change.
    interpreter.resize_tensor_input(image["index"], images.shape, strict=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(image["index"], images)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(scores["index"]))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_a_free_batch_works_at_one_and_three(
    dynamic: dict[str, Artifact], exported: dict[str, Any], images: NDArray[np.uint8], name: str, count: int
) -> None:
    artifact, chosen = dynamic[name], images[:count]
    wanted = open_runner(exported[name.replace(".ort", ".onnx")]).run(chosen)
    if artifact.format == "tflite":
        assert (artifact.inputs[0].shape, artifact.layout) == (("N", SIZE, SIZE, 3), "nhwc")
        found = by_litert(artifact, chosen)
    else:
        assert (artifact.inputs[0].shape, artifact.layout) == (("N", 3, SIZE, SIZE), "nchw")
        found = by_onnxruntime(artifact, np.ascontiguousarray(chosen.transpose(0, 3, 1, 2)))
    assert found.shape == (count, 3)
    assert np.abs(found - wanted).max() < 1e-5
    assert (
        np.abs(
            open_runner(artifact).run(images) - open_runner(exported[name.replace(".ort", ".onnx")]).run(images)
        ).max()
        < 1e-5
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_fixed_batch_works_and_our_runner_fills_it_up(
    threes: dict[str, Artifact], exported: dict[str, Any], images: NDArray[np.uint8], name: str
) -> None:
    artifact = threes[name]
    assert artifact.inputs[0].shape == (3, SIZE, SIZE, 3)
    assert artifact.outputs[0].shape == (3, 3)
    run = by_litert if artifact.format == "tflite" else by_onnxruntime
    for count in (1, 3, 7):
        wanted = open_runner(exported[name.replace(".ort", ".onnx")]).run(images[:count])
        assert np.abs(open_runner(artifact).run(images[:count]) - wanted).max() < 1e-5
    assert np.abs(run(artifact, images[:3]) - wanted[:3]).max() < 1e-5
    with pytest.raises(Exception, match=r"(?i)dimension"):  # Each runtime's own.
        run(artifact, images[:2])


def test_int8_weights_and_ops_do_not_change_with_the_batch(
    dynamic: dict[str, Artifact], threes: dict[str, Artifact], exported: dict[str, Any]
) -> None:
    def facts(artifact: Artifact) -> Any:
        graph = tflite_file.read(artifact.content(), "x")
        constants = [t.data.tobytes() for t in graph.tensors if t.data is not None and t.type == "INT8"]
        return [op.name for op in graph.ops], constants

    assert facts(dynamic["int8.tflite"]) == facts(threes["int8.tflite"]) == facts(exported["int8.tflite"])


@pytest.mark.parametrize("name", ["float32.onnx", "int8.onnx"])
def test_onnx_passes_the_checker_and_says_what_it_is(dynamic: dict[str, Artifact], name: str) -> None:
    import json

    import onnx

    model = onnx.load(dynamic[name].path)
    onnx.checker.check_model(model, full_check=True)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    opset = str(model.opset_import[0].version)
    assert properties.pop("edgekd").startswith("{")
    assert len(properties.pop("provenance_sha256")) == 64
    assert json.loads(properties.pop("preprocessing"))["resize"] == "pillow-bilinear-antialias"
    assert properties == {
        "labels": "\n".join(LABELS), "layout": "nchw", "opset": opset, "license": "MIT", "version": "1",
        "author": properties["author"],
    }  # fmt: skip
    assert dynamic[name].provenance["opset"] == int(opset)
    if name == "int8.onnx":
        assert [node.op_type for node in model.graph.node].count("Transpose") == 0


def test_a_flattened_layer_takes_any_batch(images: NDArray[np.uint8], tmp_path: Path) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(8, 3, strides=4, activation="relu")(x)
    x = layers.Reshape((12 * 12, 8))(x)
    x = layers.Reshape((12, 12, 8))(x)
    x = layers.Conv2D(8, 3, strides=4, activation="relu")(x)
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(x)))
    made = export_all(model, tmp_path, images, ExportOptions(batch="dynamic"))
    one_by_one = np.concatenate([by_litert(made["int8.tflite"], images[i : i + 1]) for i in range(5)])
    assert (by_litert(made["int8.tflite"], images[:5]) == one_by_one).all()
    assert len(np.unique(one_by_one, axis=0)) == 5


def test_a_layer_that_mixes_the_batch_is_refused(images: NDArray[np.uint8], tmp_path: Path) -> None:
    import keras
    from keras import layers

    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(4, 3, strides=12)(image)
    x = keras.ops.sin(keras.ops.transpose(x, (1, 0, 2, 3)))
    x = keras.ops.reshape(x, (-1, 4 * 4 * 4))
    model = keras.Model(image, layers.Dense(3)(x))
    with pytest.raises(UnsupportedOpError, match="no batch of 1 in front, so the batch cannot be dynamic"):
        export(
            model, tmp_path, "m", labels=LABELS, preprocessing=Preprocessing(height=SIZE, width=SIZE),
            precisions=("float32",), formats=("tflite",), options=ExportOptions(batch="dynamic"),
        )  # fmt: skip


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"batch": "free"}, {"layout": "chwn"}, {"licence": "MIT"}])
def test_options_are_checked_at_birth(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ExportOptions.model_validate(wrong)
