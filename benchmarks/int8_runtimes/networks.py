"""The networks that the int8 runtimes are compared on, and the real photos that they see.

Two are trained (EfficientNet-Lite0's ImageNet weights with a head fitted on the road labels); MobileNetV2 and
MobileNetV3-Small have random weights, with BatchNorm statistics of the photos and a head that spreads the logits: their
predictions mean nothing, but every layer's values vary as in a trained network. ``short`` builds a smaller one.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.models import efficientnet_lite
from edgekd.preprocess import Preprocessing, preprocess
from edgekd.quiet import import_keras
from edgekd.students.build import build_student
from edgekd.students.spec import parse_student
from edgekd.teacher.head import fit_head

SEED = 0
BATCH = 16
CLASSES = 10


@dataclass(frozen=True)
class Photos:
    """Where the photos are: ``road`` with metadata.csv and Images/, ``unlabelled`` JPEGs, ``lights`` class folders."""

    road: Path
    unlabelled: Path
    lights: tuple[Path, ...]

    def labelled(self, size: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The road photos uint8 [N, size, size, 3] and their labels [N]."""
        with (self.road / "metadata.csv").open(encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        files = [(self.road / "Images" / row["filename"], int(row["label"])) for row in rows]
        present = [(path, label) for path, label in files if path.is_file()]
        return read([path for path, _ in present], size), np.array([label for _, label in present])

    def mixed(self, size: int, count: int, *, skip: int = 0) -> NDArray[np.uint8]:
        """``count`` photos of roads and of traffic lights by turns, uint8 [count, size, size, 3], after ``skip``."""
        roads = sorted(self.unlabelled.glob("*.jpg"))
        lights = sorted(path for folder in self.lights for path in folder.rglob("*.jpg"))
        # Neighbours in a folder look alike: one of each kind at a time, from a shuffled list.
        order = np.random.default_rng(SEED)
        pairs = zip(order.permutation(np.array(roads)), order.permutation(np.array(lights)), strict=False)
        return read([path for pair in pairs for path in pair][skip : skip + count], size)


def read(paths: list[Path], size: int) -> NDArray[np.uint8]:
    """Photos as the files take them."""
    settings = Preprocessing(height=size, width=size)
    return np.stack([preprocess(path.read_bytes(), path.name, settings) for path in paths])


def road_student(photos: Photos, short: bool) -> Any:
    """The road benchmark's larger student as it is before distillation: cut, narrowed, its head fitted."""
    teacher = _lite0(64 if short else 160, 2)
    spec = parse_student("slice:3@64" if short else "slice:12-8-11x0.48@160")
    student = build_student(spec, teacher, 2, photos=lambda size: photos.mixed(size[0], 64))
    return _fitted(student, photos)


def lite0(photos: Photos, short: bool) -> Any:
    """All of EfficientNet-Lite0 at 224 with a head fitted on the road photos."""
    return _fitted(_lite0(64 if short else 224, 2), photos)


def mobilenet_v2(photos: Photos, short: bool) -> Any:
    """MobileNetV2 1.0 at 224, random weights."""
    return _random(lambda keras, **common: keras.applications.MobileNetV2(**common), photos, short)


def mobilenet_v3_small(photos: Photos, short: bool) -> Any:
    """MobileNetV3-Small 1.0 at 224 with hard-swish and squeeze-and-excite, random weights."""
    return _random(
        lambda keras, **common: keras.applications.MobileNetV3Small(include_preprocessing=False, **common),
        photos,
        short,
    )


NETWORKS: dict[str, Callable[[Photos, bool], Any]] = {
    "road student": road_student,
    "EfficientNet-Lite0": lite0,
    "MobileNetV2": mobilenet_v2,
    "MobileNetV3-Small": mobilenet_v3_small,
}
TRAINED = ("road student", "EfficientNet-Lite0")


def _lite0(size: int, classes: int) -> Any:
    import_keras()
    import keras

    base = efficientnet_lite.build(size)
    pooled = base.get_layer("head_pool").output
    return keras.Model(base.inputs, keras.layers.Dense(classes, name="logits")(pooled), name="lite0")


def _fitted(model: Any, photos: Photos) -> Any:
    import keras

    images, labels = photos.labelled(model.input_shape[1])
    features = _run(keras.Model(model.input, model.layers[-1].input), images)
    validation = np.arange(len(labels)) % 5 == 0
    head = fit_head(
        features[~validation], labels[~validation], (features[validation], labels[validation]), model.output_shape[-1]
    )
    model.layers[-1].set_weights([head.kernel, head.bias])
    return model


def _random(make: Callable[..., Any], photos: Photos, short: bool) -> Any:
    import_keras()
    import keras

    keras.utils.set_random_seed(SEED)
    size = 64 if short else 224
    image = keras.Input((size, size, 3))
    width = {"alpha": 0.35} if short else {}
    base = make(keras, weights=None, include_top=False, pooling="avg", input_shape=(size, size, 3), **width)
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    images = photos.mixed(size, 32)
    features = keras.Model(image, base(keras.layers.Rescaling(1 / 127.5, offset=-1)(image)))
    # Without momentum, a layer's statistics are those of the last batch.
    features(images.astype(np.float32), training=True)
    logits = keras.layers.Dense(CLASSES)
    model = keras.Model(image, logits(features.output))
    _spread(logits, _run(features, images))
    return model


def _spread(dense: Any, features: NDArray[np.float32]) -> None:
    # Random weights whose logits centre on 0 and spread by 2 over these features.
    shape = (features.shape[1], dense.units)
    kernel = np.random.default_rng(SEED).normal(size=shape) / features.std(axis=0)[:, np.newaxis].clip(0.01)
    kernel *= 2 / (features @ kernel).std(axis=0)
    dense.set_weights([kernel, -(features.mean(axis=0) @ kernel)])


def _run(model: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    import keras

    parts = [images[i : i + BATCH].astype(np.float32) for i in range(0, len(images), BATCH)]
    return np.concatenate([keras.ops.convert_to_numpy(model(part, training=False)) for part in parts])
