"""The step of each student's distillation, on stored soft targets and online, by turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.data.dataset import Dataset
from edgekd.data.images import images_of
from edgekd.distill.bind import bind
from edgekd.models.load import load_model
from edgekd.pipeline.context import pool_of
from edgekd.pipeline.sweep.records import Sweep
from edgekd.preprocess import Preprocessing
from edgekd.recipe import Recipe
from edgekd.storage import read_json, write_json
from edgekd.training.batches import Batch
from edgekd.training.loop import step_function

_STEPS = 4
_RESAMPLES = 2000


def measure_steps(
    result: Sweep, directory: Path, recipe: Recipe, stored_steps: Path, rounds: int
) -> list[dict[str, Any]]:
    """Milliseconds of a step with its 95 % bootstrap interval over rounds; each student's figures are stored."""
    done = {one["student"]: one for one in read_json(stored_steps)} if stored_steps.is_file() else {}
    for one in result.students:
        if one.student not in done:
            run = directory / one.directory
            steps = int(read_json(run / "distill" / "history.json")["steps"])
            times = _timed(run, recipe, rounds)
            done[one.student] = {"student": one.student, "steps": steps, **times}
            write_json(stored_steps, list(done.values()))
            print(f"{one.student}: a step {times['stored_ms']['value']:.1f} ms on soft targets, "
                  f"{times['online_ms']['value']:.1f} ms online", flush=True)  # fmt: skip
    return [done[one.student] for one in result.students]


def _timed(run: Path, recipe: Recipe, rounds: int) -> dict[str, Any]:
    import keras

    teacher = load_model(run / "teacher" / "teacher.keras")
    dataset, size = Dataset.load(run / "data" / "dataset.json"), recipe.distill.schedule.batch_size
    pool = pool_of(dataset)
    photos, labels = pool.samples[:size], pool.labels[:size]
    student = load_model(run / "start" / "student.keras")
    blocks = {"stored": stored(student, recipe, dataset, photos, labels, teacher.output_shape[-1])}
    keras.backend.clear_session()
    blocks["online"] = online(load_model(run / "start" / "student.keras"), teacher, recipe, dataset, photos, labels)
    for block in blocks.values():
        block(2)
    taken: dict[str, list[float]] = {name: [] for name in blocks}
    order = np.random.default_rng(0)
    for _ in range(rounds):
        for name in order.permutation(list(blocks)):
            started = time.perf_counter()
            blocks[name](_STEPS)
            taken[name].append(1e3 * (time.perf_counter() - started) / _STEPS)
    return {f"{name}_ms": {**_interval(values), "raw": values} for name, values in taken.items()}


def preprocessing_of(recipe: Recipe, model: Any) -> Preprocessing:
    """How a photo becomes the input of this Keras model."""
    height, width = model.input_shape[1:3]
    return Preprocessing(height=int(height), width=int(width), crop=recipe.data.crop)


def stored(
    student: Any, recipe: Recipe, dataset: Dataset, photos: Any, labels: Any, classes: int
) -> Callable[[int], None]:
    """The sweep's own step: images as bytes, the teacher's logits beside them."""
    import keras

    optimizer = keras.optimizers.AdamW(1e-3)
    optimizer.build(student.trainable_variables)
    step = step_function(student, bind(recipe.distill.objective, student), optimizer)
    images = images_of(dataset, photos, preprocessing_of(recipe, student))
    batch = Batch(images, labels.astype(np.int32), np.zeros((len(photos), classes), np.float32))

    def block(steps: int) -> None:
        for _ in range(steps):
            float(step(batch))

    return block


def online(
    student: Any, teacher: Any, recipe: Recipe, dataset: Dataset, photos: Any, labels: Any
) -> Callable[[int], None]:
    """A step of the stock Distiller on a batch of the teacher's size that is ready in memory."""
    import keras
    import tensorflow as tf

    side = int(teacher.input_shape[1])
    image = keras.Input((side, side, 3))
    small = keras.layers.Resizing(*student.input_shape[1:3])(image)
    distiller = keras.distillation.Distiller(
        teacher, keras.Model(image, student(small)), keras.distillation.LogitsDistillation(temperature=2.0)
    )
    # Without XLA, which makes small networks slower on a CPU: what suits Keras best.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile(optimizer=keras.optimizers.AdamW(1e-3), loss=loss, jit_compile=False)
    images = tf.constant(images_of(dataset, photos, preprocessing_of(recipe, teacher)).astype(np.float32))
    # It cannot train on photos without labels.
    truth = tf.constant(np.maximum(labels, 0))

    def block(steps: int) -> None:
        for _ in range(steps):
            distiller.train_on_batch(images, truth)

    return block


def _interval(values: list[float]) -> dict[str, float]:
    taken = np.array(values)
    rows = np.random.default_rng(0).integers(0, len(taken), (_RESAMPLES, len(taken)))
    low, high = np.percentile(np.median(taken[rows], axis=1), (2.5, 97.5))
    return {"value": float(np.median(taken)), "low": float(low), "high": float(high)}
