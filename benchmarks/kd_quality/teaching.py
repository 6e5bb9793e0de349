"""The teacher: its training on all 60,000 labels, and its stored answers for every view of every training image."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fashion import MOST_VIEWS, VIEW_SEED, VIEWS, StoredViews, load, named, view_file
from networks import source_of, teacher_network

from edgekd.distill.bind import tap
from edgekd.storage import read_json, replacing, write_json
from edgekd.teach.keras_teacher import load_model
from edgekd.training.batches import BatchStream
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import Validation, deterministic, logits_of, train
from edgekd.training.schedule import Schedule

TEACHER = Schedule(epochs=8, batch_size=128, learning_rate=4e-3, weight_decay=0.01, warmup_share=0.15)
NOBODY = Validation(np.zeros((0, 28, 28, 1), np.uint8), np.zeros(0, np.int64))


def teacher_name() -> str:
    """Its folder's name: all that decides its weights."""
    return "teacher-" + named(
        TEACHER.model_dump(mode="json"), VIEWS.model_dump(mode="json"), VIEW_SEED, source_of(teacher_network)
    )


def teach(work: Path) -> dict[str, Any]:
    """Train the teacher on all 60,000 labels, the views in turn; what it came to on the test images."""
    folder = work / teacher_name()
    told = folder / "teacher.json"
    if not told.is_file():
        train_set, test, started = load("train"), load("t10k"), time.process_time()
        for number in range(MOST_VIEWS):
            view_file(work, number)
        deterministic(0)
        model = teacher_network()
        stream = BatchStream(
            StoredViews(work, MOST_VIEWS),
            np.arange(len(train_set.labels)),
            train_set.labels,
            None,
            batch_size=TEACHER.batch_size,
            seed=0,
        )
        history = train(
            model, LabelsOnly(), stream, NOBODY, TEACHER,
            steps_per_epoch=TEACHER.steps_per_epoch(len(train_set.labels)),
            checkpoint=folder / "checkpoint.npz", key=teacher_name(),
        )  # fmt: skip
        with replacing(folder / "teacher.keras") as temporary:
            model.save(temporary)
        answers = logits_of(model, test.pixels, 500).argmax(axis=1)
        write_json(told, {
            "test_accuracy": float(np.mean(answers == test.labels)), "parameters": model.count_params(),
            "answers": answers.tolist(), "epochs": TEACHER.epochs,
            "seconds": round(history.seconds), "cpu_s": round(time.process_time() - started),
        })  # fmt: skip
    return dict(read_json(told))


@dataclass(frozen=True)
class Column:
    """The teacher's outputs of one kind, for every image, view by view: float16 [60000, ...] each."""

    folder: Path
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
        return _opened(self.folder / f"{self.kind}-{number:02d}.npy")


@cache
def _opened(path: Path) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def fill_column(work: Path, views: int, *, features: bool) -> None:
    """The teacher's logits, and its last feature maps, of every image in the first ``views`` views; once."""
    import keras

    folder = work / teacher_name()
    model = load_model(folder / "teacher.keras")
    last = model.get_layer(tap(model, "last", "teacher")).output
    whole = keras.Model(model.input, [model.output, last])
    for number in range(views):
        wanted = {"logits": 0, "features": 1} if features else {"logits": 0}
        missing = {kind: at for kind, at in wanted.items() if not (folder / f"{kind}-{number:02d}.npy").is_file()}
        if not missing:
            continue
        pixels = np.load(view_file(work, number), mmap_mode="r", allow_pickle=False)
        parts: dict[str, list[Any]] = {kind: [] for kind in missing}
        for start in range(0, len(pixels), 500):
            outputs = whole(pixels[start : start + 500].astype(np.float32), training=False)
            for kind, at in missing.items():
                parts[kind].append(np.asarray(outputs[at], np.float16))
        for kind, rows in parts.items():
            with replacing(folder / f"{kind}-{number:02d}.npy") as temporary, temporary.open("wb") as stream:
                np.save(stream, np.concatenate(rows), allow_pickle=False)
