from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_student import spread_head

from edgekd.export.exporter import export
from edgekd.formats import tflite_file
from edgekd.formats.artifact import Artifact
from edgekd.preprocess import Preprocessing
from edgekd.quantize.settings import QuantizeSection
from edgekd.runtime import open_runner

SIZE = 48


def optimized_ops(artifact: Artifact, directory: Path) -> Counter[str]:
    """The ops of the graph that ONNX Runtime really runs."""
    import onnx

    from edgekd.runtime.ort import session

    path = directory / "optimized.onnx"
    session(artifact.content(), 1, str(path))
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def pair(model: Any, images: NDArray[np.uint8], directory: Path) -> tuple[Artifact, Artifact]:
    height, width = model.input_shape[1:3]
    tflite, onnx = export(
        model,
        directory,
        "m",
        labels=tuple(f"l{i}" for i in range(model.output_shape[-1])),
        preprocessing=Preprocessing(height=height, width=width),
        precisions=("int8",),
        calibration=images,
        # Of other ranges the steps are finer, and a tie rounded the other way is more of them.
        quantize=QuantizeSection(ranges="min-max"),
    )
    return tflite, onnx


def tflite_ops(artifact: Artifact) -> Counter[str]:
    return Counter(op.name for op in tflite_file.read(artifact.content(), "x").ops)


def test_every_convolution_is_fused(exported: dict[str, Any], tmp_path: Path) -> None:
    ops, source = optimized_ops(exported["int8.onnx"], tmp_path), tflite_ops(exported["int8.tflite"])
    assert ops["QLinearConv"] == source["CONV_2D"] + source["DEPTHWISE_CONV_2D"] == 9
    assert dict(ops) == {
        "QLinearConv": 9,
        "QLinearAdd": 1,
        "QLinearGlobalAveragePool": 1,
        "QGemm": 1,
        "QLinearSoftmax": 1,
        "Transpose": 1,
        "Flatten": 1,
        "DequantizeLinear": 1,
        # The photo in groups of columns, and the first result in columns again: neither moves a byte.
        "Reshape": 2,
    }


def test_the_batch_is_free(exported: dict[str, Any], images: NDArray[np.uint8]) -> None:
    runner = open_runner(exported["int8.onnx"])
    one_by_one = np.concatenate([runner.run(images[i : i + 1]) for i in range(3)])
    assert (runner.run(images[:3]) == one_by_one).all()


def _padded(x: Any, layers: Any) -> Any:
    x = layers.ZeroPadding2D(((0, 1), (2, 1)))(x)
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    x = layers.ZeroPadding2D(2)(x)
    return layers.MaxPooling2D(3, strides=2, padding="same")(x)


def _branched(x: Any, layers: Any) -> Any:
    one = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu6")(x)
    other = layers.Conv2D(4, 5, dilation_rate=2, padding="same")(x)
    # 3 x 3: the mean of 2 x 2 ends in .5 so often that the runtimes' ways to round it would show.
    return layers.Concatenate()([one, layers.AveragePooling2D(3, strides=2, padding="same")(other)])


def _squeezed(x: Any, layers: Any) -> Any:
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="hard_swish")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(8, 1, activation="sigmoid")(layers.Conv2D(4, 1, activation="relu")(gate))
    x = layers.Multiply()([x, gate])
    return layers.Conv2D(8, 3, groups=2, activation="tanh")(x)


def _reshaped(x: Any, layers: Any) -> Any:
    x = layers.LeakyReLU(0.2)(layers.Conv2D(6, 7, strides=5)(x))
    x = layers.Permute((2, 1, 3))(x)
    x = layers.Reshape((3, -1, 2))(x)
    x = layers.Subtract()([x, layers.ReLU(6.0)(x)])
    return layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(x)


@pytest.mark.parametrize("body", [_padded, _branched, _squeezed, _reshaped])
@pytest.mark.parametrize("flat", [True, False])
def test_layers_of_every_kind_give_the_tflite_answers(
    body: Callable[[Any, Any], Any], flat: bool, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(11)
    image = keras.Input((SIZE, SIZE, 3))
    x = body(layers.Rescaling(1 / 128, offset=-127 / 128)(image), layers)
    x = layers.Flatten()(x) if flat else layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(4)(x)
    # Logits that spread over some units, whatever the seed made of them.
    raw = keras.ops.convert_to_numpy(keras.Model(image, x)(images.astype(np.float32)))
    x = layers.Rescaling(3 / raw.std(axis=0), offset=-3 * raw.mean(axis=0) / raw.std(axis=0))(x)
    tflite, onnx = pair(keras.Model(image, x), images, tmp_path)
    found, wanted = open_runner(onnx).run(images), open_runner(tflite).run(images)
    assert len(set(wanted.argmax(axis=1))) >= 3
    assert (found.argmax(axis=1) == wanted.argmax(axis=1)).mean() >= 0.97
    assert np.abs(found - wanted).mean() * 256 < 0.5
    ops, source = optimized_ops(onnx, tmp_path), tflite_ops(tflite)
    assert ops["QLinearConv"] == source["CONV_2D"] + source["DEPTHWISE_CONV_2D"]
    assert ops["Conv"] == 0


def test_a_bound_that_the_range_does_not_enforce_stays(images: NDArray[np.uint8], tmp_path: Path) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(2)
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 16, offset=-127 / 16)(image)
    # All that is joined has one range, and the half without bounds makes it wider than 0..6.
    x = layers.Concatenate()([layers.Conv2D(6, 3, activation="relu6")(x), layers.Conv2D(6, 3)(x)])
    x = layers.Dense(3)(layers.Flatten()(layers.AveragePooling2D(45)(x)))
    tflite, onnx = pair(keras.Model(image, x), images, tmp_path)
    assert optimized_ops(onnx, tmp_path)["Clip"] == 1
    found, wanted = open_runner(onnx).run(images), open_runner(tflite).run(images)
    assert len(np.unique(wanted)) > 20
    assert np.abs(found - wanted).max() <= 1 / 256


@pytest.mark.slow
def test_a_pretrained_network_on_real_photos(tmp_path: Path) -> None:
    import keras

    from edgekd.data.traffic_lights import traffic_light_folders
    from edgekd.models import efficientnet_lite
    from edgekd.preprocess import preprocess

    folder, _ = traffic_light_folders()
    preprocessing = Preprocessing(height=96, width=96)
    paths = sorted(folder.rglob("*.jpg"))[::20][:48]
    photos = np.stack([preprocess(path.read_bytes(), path.name, preprocessing) for path in paths])
    base = efficientnet_lite.build(96)
    features = keras.Model(base.inputs, base.get_layer("head_pool").output)
    raw = keras.ops.convert_to_numpy(features(photos.astype(np.float32)))
    logits = keras.layers.Dense(5)
    model = keras.Model(base.inputs, logits(features.output))
    spread_head(logits, raw)
    tflite, onnx = pair(model, photos, tmp_path)
    # The stem, 2 convolutions in the first block, 3 in each of the 15 others, the head.
    assert optimized_ops(onnx, tmp_path)["QLinearConv"] == 1 + 2 + 15 * 3 + 1
    found, wanted = open_runner(onnx).run(photos), open_runner(tflite).run(photos)
    assert len(set(wanted.argmax(axis=1))) >= 4
    assert (found.argmax(axis=1) == wanted.argmax(axis=1)).all()
    assert np.abs(found - wanted).max() <= 1 / 256
