"""The files of the short form: those of an untrained student, which show that everything is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sets import PhotoSet

import edgekd
from edgekd.data.images import images_of
from edgekd.data.load import load_dataset
from edgekd.data.splitting import SplitPolicy
from edgekd.decisions.fit import DecisionPlan, LabelledImages
from edgekd.decisions.for_model import fit_model
from edgekd.preprocess import Preprocessing
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.ptq import to_int8

_SIDE = 32


def write_files(photos: PhotoSet, directory: Path, arms: tuple[str, str]) -> None:
    """Write ``data/`` and ``export/`` of two runs, without a decision and with one, into folders of their names."""
    dataset = load_dataset(photos.folder, policy=SplitPolicy(val=0.4, test=0.4))
    preprocessing = Preprocessing(height=_SIDE, width=_SIDE, crop="whole")
    split = {
        name: LabelledImages(images_of(dataset, dataset.split(name), preprocessing), dataset.labels(name))
        for name in ("train", "val", "test")
    }
    model = _student(len(dataset.classes))
    images = split["train"].images
    int8 = to_int8(load_float_model(model), images)
    plan = DecisionPlan(dataset.classes, reject=True)
    fitted = fit_model(
        load_float_model(model), int8, ("float32", "int8"), plan, split["val"], split["test"],
        calibration=lambda: images, say=print,
    )  # fmt: skip
    for arm, decisions in zip(arms, ({}, {name: one for name, (one, _) in fitted.items()}), strict=True):
        (directory / arm / "data").mkdir(parents=True)
        dataset.save(directory / arm / "data" / "dataset.json")
        edgekd.export_model(
            model, directory / arm / "export", "student", labels=dataset.classes, preprocessing=preprocessing,
            formats=("tflite",), calibration=images, quantize=int8, decisions=decisions,
        )  # fmt: skip


def _student(classes: int) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input((_SIDE, _SIDE, 3))
    x = keras.layers.Rescaling(1 / 128, offset=-1)(image)
    x = keras.layers.Conv2D(4, 3, strides=4, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(classes, kernel_initializer=keras.initializers.RandomNormal(0, 9))(x))
