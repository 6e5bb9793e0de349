"""The bridge from Keras 3 to tf_keras: the same numbers, and a name where it cannot give them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from tiny_student import build_student as build_tiny

from edgekd.errors import ModelError
from edgekd.models import efficientnet_lite
from edgekd.quantize import bridge_layers
from edgekd.quantize.bridge import bridge
from edgekd.quantize.fake_quantize import add_pixel_range
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.tfmot import tfmot
from edgekd.students import cnn
from edgekd.students.build import build_student
from edgekd.students.spec import parse_student

layers = keras.layers


def mixed() -> Any:
    """What the others lack: branches, ops, activations inside layers, per-channel ranges, a nested model, a softmax."""
    image = keras.Input((32, 32, 3))
    x = layers.Normalization(mean=[10.0, 20.0, 30.0], variance=[4000.0, 5000.0, 6000.0])(image)
    x = layers.Conv2D(8, 3, activation="relu", padding="same")(x)
    halves = [layers.MaxPooling2D()(x), layers.Conv2D(8, 3, 2, padding="same", activation="silu")(x)]
    x = layers.SeparableConv2D(12, 3, activation="hard_sigmoid")(layers.Concatenate()(halves))
    x = layers.LeakyReLU(0.1)(keras.ops.relu6(2 * x - 0.5) / 3 + x)
    inner = keras.Input(x.shape[1:])
    nested = keras.Model(inner, layers.Dropout(0.5)(layers.ZeroPadding2D()(inner)), name="nested")
    x = layers.Flatten()(layers.AveragePooling2D(2)(nested(x)))
    return keras.Model(image, layers.Dense(3, activation="softmax")(x), name="mixed")


def sliced() -> Any:
    return build_student(parse_student("slice:4"), efficientnet_lite.build(48, 3, pretrained=False), 3)


def mobile_v3(minimalistic: bool) -> Any:
    return keras.applications.MobileNetV3Small((48, 48, 3), minimalistic=minimalistic, weights=None, classes=3)


KINDS: dict[str, Callable[[], Any]] = {
    "tiny": build_tiny,
    "mixed": mixed,
    "cnn": lambda: cnn.build(8, 48, 3),
    "slice": sliced,
    "v2": lambda: keras.applications.MobileNetV2((48, 48, 3), alpha=0.35, weights=None, classes=3),
    "v3 minimalistic": lambda: mobile_v3(True),
    "v3": lambda: mobile_v3(False),
}


def spread(model: Any) -> None:
    """Moments and scales that are not 0 and 1, and a head that is not 0, so that a wrong order of them shows."""
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, (layers.BatchNormalization, layers.Dense)):
            layer.set_weights([generator.uniform(0.5, 1.5, value.shape) for value in layer.get_weights()])


@pytest.mark.parametrize("kind", KINDS)
def test_the_bridged_model_computes_the_same(kind: str) -> None:
    keras.utils.set_random_seed(3)
    model = KINDS[kind]()
    if kind != "tiny":
        spread(model)
    source = load_float_model(model)
    bridged = bridge(source)
    pixels = np.random.default_rng(1).integers(0, 256, (3, source.height, source.width, 3)).astype(np.float32)
    logits = np.asarray(add_pixel_range(bridged.model, source)(pixels))
    wanted = np.asarray(source.model(pixels))
    # Rounding errors are of the logits' size, and show in probabilities.
    scale = max(1.0, float(np.abs(logits).max()))
    assert np.asarray(keras.ops.softmax(logits)) == pytest.approx(wanted, abs=1e-5 * scale)
    assert np.ptp(logits) > 0
    assert bridged.difference <= 1e-5 * max(1.0, np.abs(logits).max())
    # Every weight is on the other side, and all but BatchNorm's moments is trained there.
    assert sum(int(np.prod(value.shape)) for value in bridged.model.weights) == sum(
        int(np.prod(value.shape)) for layer in set(bridged.origin.values()) for value in layer.weights
    )
    moments = [value for value in bridged.model.non_trainable_weights if "moving" not in value.name]
    assert moments == []


def ending(x: Any, image: Any) -> Any:
    return keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)), name="wrong")


def test_what_has_no_counterpart_is_named() -> None:
    class Own(layers.Layer):
        def call(self, x: Any) -> Any:
            return x

    image = keras.Input((16, 16, 3))
    shared, once = layers.Conv2D(3, 1, name="shared"), layers.Conv2D(3, 1)(image)
    wrong = {
        r"own_layer \(Own\).*a custom class": ending(Own(name="own_layer")(layers.Conv2D(4, 3)(image)), image),
        r"odd \(GroupNormalization\).*Conv2D": ending(
            layers.GroupNormalization(2, name="odd")(layers.Conv2D(4, 3)(image)), image
        ),
        r"curved \(Conv2D\).*activation is gelu": ending(
            layers.Conv2D(4, 3, activation="gelu", name="curved")(image), image
        ),
        "the layer shared is used twice": ending(layers.Add()([shared(image), shared(once)]), image),
    }
    for said, model in wrong.items():
        with pytest.raises(ModelError, match=said):
            bridge(load_float_model(model))


def test_the_first_layer_that_differs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unbounded(made: Any, layer: Any, x: Any) -> Any:
        return made.add(bridge_layers.tf_keras().layers.ReLU, layer.name, x, max_value=0.5)

    monkeypatch.setitem(bridge_layers.EMITTERS, "ReLU", unbounded)
    with pytest.raises(ModelError, match=r"the layer stem_relu \(ReLU\) gives other values"):
        bridge(load_float_model(cnn.build(4, 32, 3)))


def test_keras_3_and_child_processes_do_not_notice_tfmot() -> None:
    import tensorflow as tf

    assert tfmot().__version__.startswith("0.8")
    assert "TF_USE_LEGACY_KERAS" not in os.environ
    assert tf.keras.version() == keras.__version__
    code = "import os; print(os.environ.get('TF_USE_LEGACY_KERAS'))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "None"
