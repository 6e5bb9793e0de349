"""What is timed: trainings of the same students on the same views, each a function that does some steps.

Every group of arms lives in a process of its own, because edgekd trains with deterministic kernels, which can be
switched on for a whole process only, and Keras' own trainings should not pay for that. One process works at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.distill.hinton import Hinton
from edgekd.models import applications, efficientnet_lite
from edgekd.soft_targets.compute import compute_soft_targets
from edgekd.students import cnn
from edgekd.teacher.keras_teacher import KerasTeacher
from edgekd.training.batches import BatchStream
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import make_deterministic, step_function

CLASSES, VIEWS = 10, 2
PRECISIONS = ("float32", "mixed_bfloat16")
# Steps (or passes) of a block, so that it takes a few tenths of a second.
STEPS = {
    "labels": 10, "soft_targets": 10, "keras_labels": 10, "distiller": 1, "teacher_forward": 1, "student_forward": 10,
    "small": 10, "large": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """Images of ``size`` pixels, ``photos`` of them in batches of ``batch``.

    ``pairs`` are a teacher and the student's width each; ``large`` is the larger student of the two precisions.
    """

    size: int
    batch: int
    photos: int
    pairs: dict[str, tuple[str, int]]
    large: str


# edgekd's own teacher, and one of a hundred times the student's cost.
FULL = Sizes(128, 16, 128, {"usual": ("efficientnet-lite0", 16), "hundred": ("VGG19", 8)}, "efficientnet-lite0")
SHORT = Sizes(32, 4, 8, {"usual": ("cnn:8", 4)}, "cnn:8")


@dataclass(frozen=True)
class Stored:
    """Views on disk, uint8 [N, V, H, W, 3], as a training reads them."""

    pixels: Any

    @property
    def views(self) -> int:
        """Views a photo."""
        return VIEWS

    def gather(self, sample_indices: npt.NDArray[Any], view_numbers: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Views uint8 [B, H, W, 3]."""
        return np.asarray(self.pixels[sample_indices, view_numbers])


Block = Callable[[int], float]
"""Does that many steps and gives the seconds that they waited for their input."""


def serve(connection: Connection, group: str, work: Path, sizes: Sizes) -> None:
    """Build a group's arms, send their names and facts, then run the arm that is requested for: (ms a step, waited)."""
    if group == "edgekd":
        make_deterministic(0)
    arms, facts = GROUPS[group](work, sizes)
    for name, block in arms.items():
        # Traced, compiled and warm.
        block(2 if STEPS[name.split("/")[1]] > 1 else 1)
    connection.send((list(arms), facts))
    while (name := connection.recv()) is not None:
        steps, started = STEPS[name.split("/")[1]], time.perf_counter()
        waited = arms[name](steps)
        seconds = time.perf_counter() - started
        connection.send((1e3 * seconds / steps, waited / seconds))


def edgekd_arms(work: Path, sizes: Sizes) -> tuple[dict[str, Block], dict[str, Any]]:
    """Trainings as ``edgekd.training.loop`` does them: on labels, on soft targets, and in either precision."""
    import keras

    views, labels = stored_views(work, sizes)
    arms: dict[str, Block] = {}
    for pair, (teacher, width) in sizes.pairs.items():
        soft_targets = compute_soft_targets(
            work / f"soft-targets-{pair}", KerasTeacher(teacher_of(teacher, sizes), "random"),
            lambda _size: (
                lambda start, stop: (views.pixels[i : i + sizes.batch] for i in range(start, stop, sizes.batch))
            ),
            photos=sizes.photos, views=VIEWS, key="k",
        )  # fmt: skip
        for name, loss, logits in (("labels", LabelsOnly(), None), ("soft_targets", Hinton(), soft_targets)):
            stream = BatchStream(views, np.arange(sizes.photos), labels, logits, batch_size=sizes.batch, seed=0)
            arms[f"{pair}/{name}"] = training(cnn.build(width, sizes.size, CLASSES), loss, stream)
    for precision in PRECISIONS:
        keras.config.set_dtype_policy(precision)
        students = {
            "small": cnn.build(16, sizes.size, CLASSES),
            "large": teacher_of(sizes.large, sizes),
        }
        keras.config.set_dtype_policy("float32")
        for name, student in students.items():
            stream = BatchStream(views, np.arange(sizes.photos), labels, None, batch_size=sizes.batch, seed=0)
            arms[f"{precision}/{name}"] = training(student, in_float32, stream)
    return arms, {}


def keras_arms(work: Path, sizes: Sizes) -> tuple[dict[str, Block], dict[str, Any]]:
    """Keras' own trainings on one batch that is a tensor already, so that its input costs it nothing; and passes."""
    import keras

    views, labels = stored_views(work, sizes)
    arms: dict[str, Block] = {}
    parameters: dict[str, Any] = {}
    for pair, (name, width) in sizes.pairs.items():
        teacher, student = teacher_of(name, sizes), cnn.build(width, sizes.size, CLASSES)
        distiller = keras.distillation.Distiller(
            teacher, cnn.build(width, sizes.size, CLASSES), keras.distillation.LogitsDistillation(temperature=2.0)
        )
        arms |= {
            f"{pair}/keras_labels": fitting(cnn.build(width, sizes.size, CLASSES), views, labels, sizes.batch),
            f"{pair}/distiller": fitting(distiller, views, labels, sizes.batch),
            f"{pair}/teacher_forward": passing(teacher, sizes), f"{pair}/student_forward": passing(student, sizes),
        }  # fmt: skip
        parameters[pair] = {"teacher": teacher.count_params(), "student": student.count_params()}
    return arms, parameters


GROUPS = {"edgekd": edgekd_arms, "keras": keras_arms}


def stored_views(work: Path, sizes: Sizes) -> tuple[Stored, npt.NDArray[np.int64]]:
    """The same random views and labels in both processes."""
    path, random = work / "views.npy", np.random.default_rng(0)
    labels = random.integers(0, CLASSES, sizes.photos)
    pixels = random.integers(0, 256, (sizes.photos, VIEWS, sizes.size, sizes.size, 3), np.uint8)
    if not path.is_file():
        np.save(path.with_suffix(".part.npy"), pixels)
        path.with_suffix(".part.npy").replace(path)
    return Stored(np.load(path, mmap_mode="r", allow_pickle=False)), labels


def teacher_of(name: str, sizes: Sizes) -> Any:
    """A teacher of random weights: they do not change its time."""
    if name.startswith("cnn:"):
        return cnn.build(int(name.removeprefix("cnn:")), sizes.size, CLASSES)
    if name == "efficientnet-lite0":
        return efficientnet_lite.build(sizes.size, CLASSES, pretrained=False)
    return applications.build(name, sizes.size, CLASSES, "none")


def in_float32(labels: Any, student: Any, teacher: Any) -> Any:
    """Cross-entropy of logits of any precision."""
    import keras

    return LabelsOnly()(labels, keras.ops.cast(student, "float32"), teacher)


def training(model: Any, loss: Any, stream: BatchStream) -> Block:
    """Steps as ``edgekd.training.loop.train`` does them: batches made by a thread, the step compiled."""
    import keras

    optimizer = keras.optimizers.AdamW(1e-3)
    optimizer.build(model.trainable_variables)
    # The stream's batches, made ahead as in training.
    step, batches = step_function(model, loss, optimizer), stream.range(0, 10**9)

    def block(steps: int) -> float:
        waited = 0.0
        for _ in range(steps):
            requested = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - requested
            float(step(batch))
        return waited

    return block


def fitting(model: Any, views: Stored, labels: npt.NDArray[Any], batch: int) -> Block:
    """Steps by Keras' own ``train_on_batch``."""
    import keras
    import tensorflow as tf

    # Without XLA, which makes small networks slower on a CPU: what suits Keras best.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.AdamW(1e-3), loss=loss, jit_compile=False)
    images = tf.constant(views.gather(np.arange(batch), np.zeros(batch, np.int64)).astype(np.float32))
    truth = tf.constant(labels[:batch])

    def block(steps: int) -> float:
        for _ in range(steps):
            model.train_on_batch(images, truth)
        return 0.0

    return block


def passing(model: Any, sizes: Sizes) -> Block:
    """Compiled forward passes of one batch."""
    import tensorflow as tf

    forward = tf.function(lambda x: model(x, training=False))
    images = tf.zeros((sizes.batch, sizes.size, sizes.size, 3))

    def block(steps: int) -> float:
        for _ in range(steps):
            np.asarray(forward(images))
        return 0.0

    return block
