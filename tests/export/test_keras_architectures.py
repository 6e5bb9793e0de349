"""Ordinary Keras models are exported to float and int8 in both formats, and each file computes what Keras does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_student import smooth_images

from edgekd.errors import ExportError
from edgekd.export.exporter import export
from edgekd.formats.artifact import Artifact
from edgekd.preprocess import Preprocessing
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.settings import QuantizeSection
from edgekd.runtime import open_runner

SIZE = 32


@pytest.fixture(scope="module")
def photos() -> NDArray[np.uint8]:
    return smooth_images(24, SIZE, seed=3)


def network(middle: Callable[[Any, Any], Any], *, head: Callable[[Any, Any], Any] | None = None) -> Any:
    """A classifier of three classes with ``middle`` behind its first convolution."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="first")(layers.Rescaling(1 / 127.5, -1)(image))
    x = middle(layers, layers.ReLU()(x))
    x = layers.GlobalAveragePooling2D()(x) if len(x.shape) == 4 else x
    return keras.Model(image, layers.Dense(3, name="head")(x) if head is None else head(layers, x))


def squeeze_excite(layers: Any, x: Any) -> Any:
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(8, 1, activation="hard_sigmoid")(layers.Conv2D(4, 1, activation="relu")(gate))
    return layers.Multiply()([x, gate])


def every_second(layers: Any, x: Any) -> Any:
    return layers.Conv2D(8, 3, activation="relu")(x[:, 1::2, :-1:2, :])


def tiled(layers: Any, x: Any) -> Any:
    import keras

    return layers.Conv2D(8, 3, activation="relu")(keras.ops.tile(x, (1, 2, 1, 2)))


MIDDLES: dict[str, Callable[[Any, Any], Any]] = {
    "gelu": lambda layers, x: layers.Conv2D(8, 3, activation="gelu")(x),
    "grouped": lambda layers, x: layers.Conv2D(8, 3, groups=2, activation="relu")(x),
    "prelu": lambda layers, x: layers.PReLU(shared_axes=[1, 2], alpha_initializer="random_uniform")(
        layers.Conv2D(8, 3)(x)
    ),
    "transposed": lambda layers, x: layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(x),
    "transposed valid": lambda layers, x: layers.Conv2DTranspose(6, 4, strides=2, activation="relu")(x),
    "bilinear": lambda layers, x: layers.Conv2D(8, 3)(layers.UpSampling2D(2, interpolation="bilinear")(x)),
    "nearest": lambda layers, x: layers.Conv2D(8, 3)(layers.UpSampling2D(2)(x)),
    "global max": lambda layers, x: layers.GlobalMaxPooling2D()(layers.Conv2D(8, 3, activation="relu")(x)),
    "strided slice": every_second,
    "tile": tiled,
    "squeeze and excite": squeeze_excite,
}


def exported(model: Any, photos: NDArray[np.uint8], folder: Path, **options: Any) -> dict[str, Artifact]:
    artifacts = export(
        model, folder, "m", labels=tuple(f"l{i}" for i in range(load_float_model(model).classes)),
        preprocessing=Preprocessing(height=SIZE, width=SIZE), calibration=photos, **options,
    )  # fmt: skip
    return {f"{artifact.precision}.{artifact.format}": artifact for artifact in artifacts}


@pytest.mark.parametrize("name", MIDDLES)
def test_layers_are_exported_to_both_formats(name: str, photos: NDArray[np.uint8], tmp_path: Path) -> None:
    files = exported(network(MIDDLES[name]), photos, tmp_path)
    assert set(files) == {"float32.tflite", "float32.onnx", "int8.tflite", "int8.onnx"}
    assert files["int8.onnx"].float_ops() == ()
    tflite, onnx = (open_runner(files[f"int8.{kind}"]).run(photos) for kind in ("tflite", "onnx"))
    assert np.abs(tflite - onnx).max() <= 4 / 256


@pytest.mark.parametrize(
    ("name", "floats"), [("LayerNormalization", ("NEG",)), ("GroupNormalization", ("NEG", "SQUARE")), ("ELU", ("ELU",))]
)
def test_ops_without_an_int8_form_are_named_and_stay_float(
    name: str, floats: tuple[str, ...], photos: NDArray[np.uint8], tmp_path: Path
) -> None:
    def middle(layers: Any, x: Any) -> Any:
        layer = layers.GroupNormalization(2) if name.startswith("Group") else getattr(layers, name)()
        return layers.Conv2D(8, 3, activation="relu")(layer(x))

    model = network(middle)
    with pytest.raises(ExportError, match="Allow them with --float-op " + " --float-op ".join(floats)):
        exported(model, photos, tmp_path, precisions=("int8",), formats=("tflite",))
    files = exported(model, photos, tmp_path, precisions=("int8",), quantize=QuantizeSection(float_ops=floats))
    tflite, onnx = (open_runner(files[f"int8-mixed.{kind}"]).run(photos) for kind in ("tflite", "onnx"))
    assert np.abs(tflite - onnx).max() <= 4 / 256


def test_constants_that_layers_hold_outside_their_weights_are_frozen(photos: NDArray[np.uint8], tmp_path: Path) -> None:
    import keras
    from keras import layers

    image = keras.Input((SIZE, SIZE, 3))
    norm = layers.Normalization()
    norm.adapt(photos.astype(np.float32))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(norm(image))
    model = keras.Model(image, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    files = exported(model, photos, tmp_path)
    assert [len(files[f"{kind}.onnx"].inputs) for kind in ("float32", "int8")] == [1, 1]


def test_caffe_preprocessing_becomes_one_layer(photos: NDArray[np.uint8], tmp_path: Path) -> None:
    import keras
    from keras import layers

    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(keras.applications.resnet.preprocess_input(image))
    model = keras.Model(image, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    files = exported(model, photos, tmp_path)
    expected = np.asarray(model(photos.astype(np.float32)))
    assert np.abs(open_runner(files["float32.onnx"]).run(photos) - expected).max() < 1e-4
    assert np.abs(open_runner(files["int8.tflite"]).run(photos) - expected).max() < 0.1


@pytest.mark.parametrize("ending", ["sigmoid", None])
def test_one_output_becomes_two_classes(ending: str | None, photos: NDArray[np.uint8], tmp_path: Path) -> None:
    model = network(
        lambda layers, x: layers.Conv2D(8, 3, activation="relu")(x),
        head=lambda layers, x: layers.Dense(1, activation=ending)(x),
    )
    files = exported(model, photos, tmp_path)
    second = np.asarray(model(photos.astype(np.float32)))[:, 0]
    second = second if ending else 1 / (1 + np.exp(-second))
    rows = open_runner(files["float32.tflite"]).run(photos)
    assert rows.shape == (24, 2)
    assert np.abs(rows - np.stack([1 - second, second], axis=1)).max() < 1e-5


def test_half_precision_is_rebuilt_in_float32(photos: NDArray[np.uint8], tmp_path: Path) -> None:
    import keras

    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = network(lambda layers, x: layers.BatchNormalization()(layers.Conv2D(8, 3, activation="relu")(x)))
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("first").compute_dtype == "float16"
    files = exported(model, photos, tmp_path)
    assert {a.outputs[0].dtype for a in files.values()} == {"float32"}


def test_a_layer_with_nan_is_named() -> None:
    model = network(lambda layers, x: x)
    kernel, bias = model.get_layer("head").get_weights()
    kernel[0, 0] = np.nan
    model.get_layer("head").set_weights([kernel, bias])
    with pytest.raises(ExportError, match="holds NaN or infinity in kernel of the layer head"):
        load_float_model(model)


def test_the_tflite_is_written_where_only_the_onnx_fails(photos: NDArray[np.uint8], tmp_path: Path) -> None:
    import keras

    model = network(lambda layers, x: keras.ops.cumsum(layers.Conv2D(8, 3, activation="relu")(x), axis=1))
    skipped: list[str] = []
    files = exported(
        model, photos, tmp_path, skipped=skipped, quantize=QuantizeSection(float_ops=("CUMSUM",)),
    )  # fmt: skip
    assert {"float32.tflite", "int8-mixed.tflite"} <= set(files)
    assert len(skipped) == 1
    assert "CUMSUM" in skipped[0]
    with pytest.raises(Exception, match="CUMSUM"):
        exported(model, photos, tmp_path / "strict", quantize=QuantizeSection(float_ops=("CUMSUM",)))
    assert not list((tmp_path / "strict").iterdir())
