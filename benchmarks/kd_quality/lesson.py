"""The teacher, its stored column, and one training of the student: what each variant of the benchmark is made of."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fashion import StoredViews, load, student_network, teacher_network, view_file
from variants import BATCH, EPOCHS, Setting, Variant

from edgekd.distill.bind import bind, tap
from edgekd.storage import digest, read_json, replacing, write_json
from edgekd.teach.keras_teacher import load_model
from edgekd.training.batches import UNLABELLED, BatchStream
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import Validation, deterministic, logits_of, train
from edgekd.training.schedule import Schedule

LABELLED, HELD_OUT = 3_000, 5_000
TEACHER = Schedule(epochs=10, batch_size=128, learning_rate=4e-3, weight_decay=0.01, warmup_share=0.15)
NOBODY = Validation(np.zeros((0, 28, 28, 1), np.uint8), np.zeros(0, np.int64))


def teach(work: Path) -> dict[str, Any]:
    """Train the teacher on all 60,000 labels, a new view of each image a pass; what it came to on the test images."""
    told = work / "teacher.json"
    if not told.is_file():
        train_set, test, started = load("train"), load("t10k"), time.process_time()
        for number in range(TEACHER.epochs):
            view_file(work, number)
        deterministic(0)
        model = teacher_network()
        stream = BatchStream(
            StoredViews(work, TEACHER.epochs),
            np.arange(len(train_set.labels)),
            train_set.labels,
            None,
            batch_size=128,
            seed=0,
        )
        history = train(
            model, LabelsOnly(), stream, NOBODY, TEACHER,
            steps_per_epoch=TEACHER.steps_per_epoch(len(train_set.labels)),
            checkpoint=work / "teacher-checkpoint.npz", key=digest(TEACHER.model_dump()),
        )  # fmt: skip
        with replacing(work / "teacher.keras") as temporary:
            model.save(temporary)
        answers = logits_of(model, test.pixels, 500).argmax(axis=1)
        accuracy = float(np.mean(answers == test.labels))
        write_json(told, {
            "test_accuracy": accuracy, "parameters": model.count_params(), "answers": answers.tolist(),
            "seconds": round(history.seconds), "cpu_s": round(time.process_time() - started),
        })  # fmt: skip
    return dict(read_json(told))


@dataclass(frozen=True)
class Column:
    """The teacher's outputs of one kind, for every image, view by view: float16 [60000, ...] each."""

    work: Path
    kind: str

    def __getitem__(self, where: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> npt.NDArray[np.float16]:
        """Rows [B, ...] of image and view numbers [B]."""
        images, views = where
        first = self._of(int(views[0]))
        rows = np.empty((len(images), *first.shape[1:]), np.float16)
        for number in np.unique(views):
            here = views == number
            rows[here] = self._of(int(number))[images[here]]
        return rows

    def _of(self, number: int) -> Any:
        return _column_file(self.work, self.kind, number)


@cache
def _column_file(work: Path, kind: str, number: int) -> Any:
    return np.load(work / f"{kind}-{number:02d}.npy", mmap_mode="r", allow_pickle=False)


def fill_column(work: Path, views: int, *, features: bool) -> None:
    """The teacher's logits, and its last feature maps, of every image in the first ``views`` views; once."""
    import keras

    model = load_model(work / "teacher.keras")
    last = model.get_layer(tap(model, "last", "teacher")).output
    whole = keras.Model(model.input, [model.output, last])
    for number in range(views):
        wanted = {"logits": 0, "features": 1} if features else {"logits": 0}
        missing = {kind: at for kind, at in wanted.items() if not (work / f"{kind}-{number:02d}.npy").is_file()}
        if not missing:
            continue
        pixels = np.load(view_file(work, number), mmap_mode="r", allow_pickle=False)
        parts: dict[str, list[Any]] = {kind: [] for kind in missing}
        for start in range(0, len(pixels), 500):
            outputs = whole(pixels[start : start + 500].astype(np.float32), training=False)
            for kind, at in missing.items():
                parts[kind].append(np.asarray(outputs[at], np.float16))
        for kind, rows in parts.items():
            with replacing(work / f"{kind}-{number:02d}.npy") as temporary, temporary.open("wb") as stream:
                np.save(stream, np.concatenate(rows), allow_pickle=False)


def study(work: Path, variant: Variant, setting: Setting, seed: int, *, held_out: bool, epochs: int) -> dict[str, Any]:
    """Train one student; its accuracy on the test images, or with ``held_out`` on 5,000 training images kept apart.

    ``seed`` decides which 3,000 images have labels, the student's start and the order of the batches.
    """
    import keras

    train_set, started = load("train"), time.process_time()
    order = np.random.default_rng(seed).permutation(len(train_set.labels))
    kept, pool = (order[-HELD_OUT:], order[:-HELD_OUT]) if held_out else (order[:0], order)
    labels = np.full(len(train_set.labels), UNLABELLED)
    known = pool if variant.labels == "all" else pool[:LABELLED]
    labels[known] = train_set.labels[known]
    photos = pool if variant.photos == "all" else pool[:LABELLED]
    keras.backend.clear_session()
    deterministic(seed)
    student = student_network()
    teacher = load_model(work / "teacher.keras") if setting.features else None
    bound = bind(setting.objective, student, teacher, setting.confidence)
    stream = BatchStream(
        StoredViews(work, variant.views), photos, labels, Column(work, "logits") if variant.taught else None,
        batch_size=BATCH, seed=seed, features=[Column(work, "features")] * len(bound.teacher_layers),
    )  # fmt: skip
    schedule = Schedule(epochs=epochs, batch_size=BATCH, learning_rate=setting.learning_rate, weight_decay=1e-3)
    checkpoint = work / "checkpoints" / f"{variant.name}-{setting.name}-{seed}-{epochs}-{held_out}.npz"
    history = train(
        student, bound, stream, NOBODY, schedule, steps_per_epoch=schedule.steps_per_epoch(len(pool)),
        checkpoint=checkpoint, key=digest([variant.name, setting.name, seed, held_out, schedule.model_dump()]),
        tapped=bound.tapped,
    )  # fmt: skip
    checkpoint.unlink(missing_ok=True)
    images, truth = (train_set.pixels[kept], train_set.labels[kept]) if held_out else _test()
    answers = logits_of(student, images, 500).argmax(axis=1)
    told = {
        "accuracy": float(np.mean(answers == truth)), "parameters": student.count_params(), "epochs": epochs,
        "steps": history.steps, "seconds": round(history.seconds, 1), "wait_share": round(history.wait_share, 4),
        "cpu_s": round(time.process_time() - started), "loss": history.epochs[-1]["loss"],
    }  # fmt: skip
    if not held_out:
        told["teacher_agreement"] = float(np.mean(answers == np.asarray(read_json(work / "teacher.json")["answers"])))
    return told


def _test() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    test = load("t10k")
    return test.pixels, test.labels


assert TEACHER.epochs == EPOCHS, "the view of every pass is rendered for the teacher"
