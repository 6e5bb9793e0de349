"""A rebuilt model gives what the original gives, whatever its layers hold beside their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edgekd.errors import ModelError
from edgekd.models.load import load_model
from edgekd.models.logits import apply_squash, logits_model
from edgekd.models.rebuild import (
    RebuildError,
    check_rebuilt,
    copy_in_float32,
    copy_model,
    in_float32,
    probe_images,
    run_layers,
)

IMAGES = probe_images((None, 16, 16, 3), 8)


@keras.saving.register_keras_serializable("rebuild")
class Centred(keras.layers.Layer):
    """Subtracts a tensor that is derived from a weight when it is finalized, as `Normalization` does."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.centre = 0.0

    def build(self, shape: Any) -> None:
        self.total = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False, name="total")
        self.finalize_state()

    def finalize_state(self) -> None:
        self.centre = keras.ops.convert_to_tensor(np.asarray(self.total) / 2)

    def load_own_variables(self, store: Any) -> None:
        super().load_own_variables(store)
        self.finalize_state()

    def call(self, x: Any) -> Any:
        return x - keras.ops.cast(self.centre, x.dtype)


@keras.saving.register_keras_serializable("rebuild")
class Forgetful(keras.layers.Layer):
    """Multiplies by a number that is in neither its weights nor its settings."""

    factor = 1.0

    def call(self, x: Any) -> Any:
        return x * self.factor


def classifier(*first: Any, ending: str | None = "softmax") -> Any:
    keras.utils.set_random_seed(1)
    image = x = keras.Input((16, 16, 3))
    for layer in first:
        x = layer(x)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="gelu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(3, activation=ending, kernel_initializer="normal")(x))


def adapted() -> Any:
    layer = keras.layers.Normalization()
    layer.adapt(IMAGES)
    return layer


def centred() -> Any:
    layer = Centred()
    layer.build((None, 16, 16, 3))
    layer.total.assign([200.0, 100.0, 50.0])
    layer.finalize_state()
    return layer


def nested() -> Any:
    return keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Rescaling(1 / 255), adapted(), centred()])


@pytest.mark.parametrize(
    "first",
    [
        lambda: [adapted()],
        lambda: [keras.layers.Normalization(mean=[100.0, 110.0, 120.0], variance=[900.0, 800.0, 700.0])],
        lambda: [centred()],
        lambda: [nested()],
        lambda: [keras.layers.Rescaling(1 / 127.5, -1), keras.layers.BatchNormalization()],
        lambda: [keras.Sequential([keras.layers.RandomFlip(), keras.layers.RandomContrast(0.5)])],
    ],
    ids=["adapted", "mean and variance", "custom state", "nested", "batch norm", "augmentation"],
)
def test_a_copy_gives_the_same(first: Any) -> None:
    model = classifier(*first())
    copy = copy_model(logits_model(model, "m"))
    assert check_rebuilt(model, copy, IMAGES, "m", finish=apply_squash(model, "m")) < 1e-6
    # It is independent of the original, and ends in logits.
    assert run_layers(copy, IMAGES).min() < 0
    copy.layers[-1].set_weights([value + 1 for value in copy.layers[-1].get_weights()])
    copy.layers[1].trainable = False
    assert np.abs(run_layers(copy, IMAGES) - run_layers(copy_model(logits_model(model, "m")), IMAGES)).max() > 0.5


def test_constants_and_preprocess_input_come_along() -> None:
    image = keras.Input((16, 16, 3))
    x = keras.applications.resnet.preprocess_input(image) * keras.ops.convert_to_tensor(np.float32([0.1, 0.2, 0.3]))
    model = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(x)))
    assert check_rebuilt(model, copy_model(model), IMAGES, "m") < 1e-4


def test_what_a_copy_loses_is_refused_with_the_difference() -> None:
    layer = Forgetful()
    model = classifier(layer, ending=None)
    layer.factor = 3.0
    with pytest.raises(RebuildError, match="gives other outputs once it is rebuilt, by up to") as caught:
        check_rebuilt(model, copy_model(model), IMAGES, "m")
    assert caught.value.difference > 0.01


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = classifier(keras.layers.Rescaling(1 / 255), nested(), ending=None)
    finally:
        keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "half.keras")
    loaded = load_model(tmp_path / "half.keras")
    assert {layer.compute_dtype for layer in loaded._flatten_layers()} == {"float32"}
    assert run_layers(loaded, IMAGES) == pytest.approx(run_layers(model, IMAGES), abs=0.02)
    assert in_float32(loaded, "m") is loaded
    assert copy_in_float32(model.layers[-1]).compute_dtype == "float32"


def test_lists_of_one_and_old_files_are_models_like_any_other(tmp_path: Path) -> None:
    plain = classifier(adapted())
    listed = keras.Model([plain.input], [plain.output])
    listed.save(tmp_path / "listed.keras")
    listed.save(tmp_path / "old.h5")
    for name in ("listed.keras", "old.h5"):
        model = load_model(tmp_path / name)
        assert model.output_shape == (None, 3) and not isinstance(model.input, list)
        assert check_rebuilt(plain, logits_model(model, name), IMAGES, name, finish=apply_squash(model, name)) < 1e-6


@pytest.mark.parametrize("ending", ["sigmoid", "logit", "sigmoid op", "float32 behind a sigmoid", "nested logit"])
def test_one_score_is_two_classes(ending: str) -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    x = keras.layers.Dense(1, activation="sigmoid" if ending in ("sigmoid", "float32 behind a sigmoid") else None)(
        keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 64)(image))
    )
    x = keras.ops.sigmoid(x) if ending == "sigmoid op" else x
    x = keras.layers.Activation("linear", dtype="float32")(x) if ending.startswith("float32") else x
    model = keras.Model(image, x)
    if ending == "nested logit":
        model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Rescaling(1.0), model])
    logits = logits_model(model, "m")
    assert logits.output_shape == (None, 2)
    check_rebuilt(model, copy_model(logits), IMAGES, "m", finish=apply_squash(model, "m"))
    score = run_layers(model, IMAGES)[:, 0]
    difference = np.diff(run_layers(logits, IMAGES), axis=1)[:, 0]
    assert difference == pytest.approx(score if "logit" in ending else np.log(score / (1 - score)), abs=1e-3)


@pytest.mark.parametrize("ending", ["log_softmax", "log_softmax op", "1x1 convolution", "flattened convolution"])
def test_other_ways_to_end_in_scores(ending: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    image, layers = keras.Input((16, 16, 3)), keras.layers
    x = layers.GlobalAveragePooling2D(keepdims="conv" in ending)(layers.Rescaling(1 / 64)(image))
    if "conv" in ending:
        x = layers.Conv2D(3, 1, activation="softmax")(x)
        x = layers.Flatten()(x) if ending.startswith("flattened") else x
    else:
        x = layers.Dense(3, activation=None if ending.endswith("op") else "log_softmax")(x)
        x = keras.ops.log_softmax(x) if ending.endswith("op") else x
    original = keras.Model(image, x)
    original.save(tmp_path / "m.keras")
    model = load_model(tmp_path / "m.keras")
    logits = logits_model(model, "m")
    assert model.output_shape == logits.output_shape == (None, 3)
    rows = run_layers(logits, IMAGES)
    assert check_rebuilt(model, copy_model(logits), IMAGES, "m", finish=apply_squash(model, "m")) < 1e-6
    # Neither probabilities nor their logarithms, of which a loss would take a softmax again.
    assert not np.allclose(rows.sum(axis=1), 1, atol=1e-3) and not np.allclose(np.exp(rows).sum(axis=1), 1, atol=1e-3)


def test_a_model_that_keras_does_not_run_is_called_that() -> None:
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(image)))
    with pytest.raises(ModelError, match=r"^Keras itself does not run \w+ on an image: Input 0 .* incompatible"):
        run_layers(model, IMAGES[:, :8])


def test_other_models_are_refused_by_their_shapes() -> None:
    table = keras.Sequential([keras.Input((10,)), keras.layers.Dense(3)])
    with pytest.raises(ModelError, match=r"m takes \[N, 10\]: edgekd takes models of one image"):
        logits_model(table, "m")
    image, extra = keras.Input((16, 16, 3)), keras.Input((4,))
    two = keras.Model([image, extra], keras.layers.Dense(3)(keras.layers.Flatten()(image)) + extra[:, :3])
    with pytest.raises(ModelError, match=r"m takes \[N, 16, 16, 3\], \[N, 4\]: edgekd takes models of one image"):
        logits_model(two, "m")
    with pytest.raises(ModelError, match=r"m gives \[N, 14, 14, 2\]"):
        logits_model(keras.Sequential([image, keras.layers.Conv2D(2, 3)]), "m")
    with pytest.raises(ModelError, match="a softmax to one score, which is then always 1"):
        logits_model(keras.Sequential([image, keras.layers.Flatten(), keras.layers.Dense(1, "softmax")]), "m")
