"""Fashion-MNIST as photos: a small student and MobileNetV3-Small, distilled from a larger network's soft targets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fashion_mnist import CLASSES, Pixels, arrays

from edgekd.distill.bind import bind
from edgekd.distill.hinton import Hinton
from edgekd.models.load import load_model
from edgekd.storage import replacing
from edgekd.students import cnn
from edgekd.training.batches import BatchStream
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import Validation, logits_of, make_deterministic, train
from edgekd.training.schedule import Schedule


def held_out_count() -> int:
    """How many training images are validation images: 5,000 of 60,000."""
    return len(arrays("train")[1]) // 12


def distilled_count() -> int:
    """How many training images a student is trained on, in float and in every fine-tuning: 20,000 of 60,000."""
    return len(arrays("train")[1]) // 3


@dataclass(frozen=True)
class Kind:
    """A student: ``side`` in pixels (the images' 28, or more by a black rim), and its ``epochs`` of distillation."""

    name: str
    side: int
    epochs: int


SMALL = Kind("Fashion-MNIST, cnn:8@28", 28, 8)
HARD = Kind("Fashion-MNIST, MobileNetV3-Small x0.75@32", 32, 6)
_TEACHER = Schedule(epochs=6, batch_size=128, learning_rate=4e-3)


def network(kind: Kind) -> Any:
    """The untrained student, pixels 0..255 to 10 logits."""
    import keras

    if kind is SMALL:
        return cnn.build(8, kind.side, len(CLASSES))
    image = keras.Input((kind.side, kind.side, 3), name="image")
    base = keras.applications.MobileNetV3Small(
        input_tensor=keras.layers.Rescaling(1 / 128, -127 / 128)(image), input_shape=image.shape[1:],
        alpha=0.75, include_top=False, weights=None, include_preprocessing=False,
    )  # fmt: skip
    for layer in base.layers:
        # The moving averages of 0.999 would need thousands of steps.
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9
    x = keras.layers.GlobalAveragePooling2D(name="pool")(base.output)
    return keras.Model(image, keras.layers.Dense(len(CLASSES), name="logits")(x), name="mobilenet_v3_small")


def as_photos(grey: Pixels, side: int) -> Pixels:
    """Grey images [N, 28, 28] as photos uint8 [N, side, side, 3]."""
    rim = (side - grey.shape[1]) // 2
    return np.repeat(np.pad(grey, ((0, 0), (rim, rim), (rim, rim)))[..., np.newaxis], 3, axis=3)


@dataclass(frozen=True)
class Source:
    """Training images as a student takes them; one view each."""

    side: int
    views: int = 1

    def gather(self, sample_indices: npt.NDArray[Any], view_numbers: npt.NDArray[Any]) -> Pixels:
        """uint8 [B, side, side, 3]."""
        return as_photos(arrays("train")[0][sample_indices], self.side)


def soft_targets_of(work: Path) -> npt.NDArray[np.float16]:
    """The teacher's logits for all training images, [N, 1, 10]: cnn:32, trained on all but the held-out ones."""
    path = work / "fashion" / "soft-targets.npy"
    if path.is_file():
        return np.load(path, allow_pickle=False)
    make_deterministic(0)
    model = cnn.build(32, 28, len(CLASSES))
    _, labels = arrays("train")
    photos = np.arange(len(labels) - held_out_count())
    stream = BatchStream(Source(28), photos, labels, None, batch_size=128, seed=0)
    train(
        model, bind(LabelsOnly(), model), stream, validation(28), _TEACHER,
        steps_per_epoch=_TEACHER.steps_per_epoch(len(photos)), checkpoint=path.with_suffix(".npz"), key="teacher",
    )  # fmt: skip
    grey = arrays("train")[0]
    parts = [logits_of(model, as_photos(grey[i : i + 2000], 28), 500) for i in range(0, len(grey), 2000)]
    with replacing(path) as temporary, temporary.open("wb") as out:
        np.save(out, np.concatenate(parts)[:, np.newaxis].astype(np.float16), allow_pickle=False)
    test, truth = arrays("t10k")
    print(f"teacher: {np.mean(logits_of(model, as_photos(test, 28), 500).argmax(axis=1) == truth):.2%}", flush=True)
    return np.load(path, allow_pickle=False)


def validation(side: int) -> Validation:
    """The last images of the training set."""
    grey, labels = arrays("train")
    return Validation(as_photos(grey[-held_out_count() :], side), labels[-held_out_count() :])


def float_student(work: Path, kind: Kind, seed: int) -> Any:
    """The float student, distilled on its share of the images; trained once."""
    folder = work / "fashion" / f"{'small' if kind is SMALL else 'hard'}-{seed}"
    path = folder / "student.keras"
    if not path.is_file():
        make_deterministic(seed)
        model, soft_targets = network(kind), soft_targets_of(work)
        labels = arrays("train")[1]
        photos = np.arange(distilled_count())
        schedule = Schedule(epochs=kind.epochs, batch_size=128, learning_rate=4e-3)
        stream = BatchStream(Source(kind.side), photos, labels, soft_targets, batch_size=128, seed=seed)
        train(
            model, bind(Hinton(), model), stream, validation(kind.side), schedule,
            steps_per_epoch=schedule.steps_per_epoch(len(photos)),
            checkpoint=folder / "checkpoint.npz", key=f"{kind.name} {seed}",
        )  # fmt: skip
        with replacing(path) as temporary:
            model.save(temporary)
        (folder / "checkpoint.npz").unlink(missing_ok=True)
    return load_model(path)
