"""Trains the same network on one device and on three, which are CPUs that TensorFlow is told to make of one.

That has to be said before TensorFlow begins, so this is a process of its own. Prints, as JSON, the largest difference
of a weight for each case.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf

CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(CPU, [tf.config.LogicalDeviceConfiguration()] * 3)

import keras  # noqa: E402

from edgekd.distill.bind import bind  # noqa: E402
from edgekd.distill.hinton import Hinton  # noqa: E402
from edgekd.distill.relational import Relational  # noqa: E402
from edgekd.distill.table import Term, Weighted  # noqa: E402
from edgekd.training import replicas  # noqa: E402
from edgekd.training.batches import BatchStream  # noqa: E402
from edgekd.training.labels import LabelsOnly  # noqa: E402
from edgekd.training.loop import History, Validation, make_deterministic, train  # noqa: E402
from edgekd.training.schedule import Schedule  # noqa: E402

CHANCE = np.random.default_rng(0)
PHOTOS, SIZE, BATCH = 30, 16, 10  # Ten photos on three devices: parts of four, three and three.
IMAGES = CHANCE.integers(0, 256, (PHOTOS, SIZE, SIZE, 3), np.uint8)
LABELS = CHANCE.integers(0, 3, PHOTOS)
LOGITS = CHANCE.normal(size=(PHOTOS, 1, 3))
MAPS = CHANCE.normal(size=(PHOTOS, 1, 3, 3, 5))
PAIRS = Weighted(terms=(Term(objective=Hinton()), Term(objective=Relational())))


class Views:
    views = 1

    def gather(self, photos: Any, _views: Any) -> Any:
        return IMAGES[photos]


class Mixed(Views):
    """Every view shows two photos."""

    def mixes(self, photos: Any, _views: Any) -> Any:
        return (np.asarray(photos) + 1) % PHOTOS, np.linspace(0.5, 1, len(photos), dtype=np.float32)


def network() -> Any:
    x = inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 255)(x)
    for channels in (8, 16):
        x = keras.layers.Conv2D(channels, 3, strides=2, use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def teacher() -> Any:
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(5, 3, strides=5, name="maps")(inputs)
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))


def trained(devices: int, case: str, folder: Path, epochs: int = 3) -> tuple[list[Any], History]:
    """The weights of the file that comes of it, and the history; ``folder`` may hold an earlier call's checkpoint."""
    replicas.gpus = lambda: [device.name for device in tf.config.list_logical_devices("CPU")][:devices]
    with replicas.on_every_gpu(BATCH):
        make_deterministic(0)
        model = network()
        loss = bind(PAIRS, model, teacher()) if case == "pairs" else bind(LabelsOnly(), model)
        views = Mixed() if case == "pairs" else Views()
        features = [MAPS] if case == "pairs" else []
        stream = BatchStream(views, np.arange(PHOTOS), LABELS, LOGITS, batch_size=BATCH, seed=0, features=features)
        schedule = Schedule(epochs=3, batch_size=BATCH)
        if epochs < schedule.epochs:
            stream = Stopping(stream, epochs * 3)  # type: ignore[assignment]
        history = train(
            model, loss, stream, Validation(IMAGES, LABELS), schedule, steps_per_epoch=3,
            checkpoint=folder / "checkpoint.npz", key="same", tapped=loss.tapped,
        )  # fmt: skip
        model.save(folder / "model.keras")
    stored = keras.saving.load_model(folder / "model.keras", compile=False)
    assert not any(layer.synchronized for layer in stored.layers if isinstance(layer, keras.layers.BatchNormalization))
    return [variable.numpy() for variable in stored.variables], history


class Stopping:
    """Batches up to a step, at which the process might as well be killed."""

    def __init__(self, stream: BatchStream, last: int) -> None:
        self._stream, self._last = stream, last

    def range(self, start: int, stop: int) -> Any:
        if start >= self._last:
            raise InterruptedError
        return self._stream.range(start, stop)


def largest_difference(ours: list[Any], theirs: list[Any]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))


def main() -> None:
    told: dict[str, Any] = {}
    for case in ("labels", "pairs"):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as three:
            (ours, history), (theirs, other) = trained(1, case, Path(one)), trained(3, case, Path(three))
        told[case] = largest_difference(ours, theirs)
        told[f"{case}_losses"] = [[entry["loss"] for entry in each.epochs] for each in (history, other)]
        if case == "labels":
            before, plain = network_weights(), ours
            told["moved"] = largest_difference(before, ours)
    with tempfile.TemporaryDirectory() as folder:
        try:
            trained(3, "labels", Path(folder), epochs=1)
        except InterruptedError:
            told["resumed_on_one"] = largest_difference(plain, trained(1, "labels", Path(folder))[0])
    sys.stdout.write(json.dumps(told))


def network_weights() -> list[Any]:
    make_deterministic(0)
    return [variable.numpy() for variable in network().variables]


if __name__ == "__main__":
    main()
