"""The teacher: its training on all 60,000 labels, and its soft targets for every view of every training image."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fashion import MOST_VIEWS, VIEW_SEED, VIEWS, WIDE, StoredViews, hash_name, load, view_file
from networks import source_of, teacher_network

from edgekd.data.views import ViewPolicy
from edgekd.distill.bind import find_tap
from edgekd.models.load import load_model
from edgekd.storage import read_json, replacing, write_json
from edgekd.training.batches import BatchStream
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import Validation, logits_of, make_deterministic, train
from edgekd.training.schedule import Schedule

FIRST = Schedule(epochs=8, batch_size=128, learning_rate=4e-3, weight_decay=0.01, warmup_share=0.15)
THEN = Schedule(epochs=3, batch_size=128, learning_rate=2e-3, weight_decay=0.01)
LAST = THEN.model_copy(update={"epochs": 4})
PHASES = ((FIRST, WIDE, MOST_VIEWS), (THEN, VIEWS, 4), (LAST, VIEWS, 4))
NO_VALIDATION = Validation(np.zeros((0, 28, 28, 1), np.uint8), np.zeros(0, np.int64))


def teacher_name(phases: int = len(PHASES)) -> str:
    """Its folder's name: all that decides its weights after its first ``phases`` phases."""
    schedule, policy, _ = PHASES[phases - 1]
    before = source_of(teacher_network) if phases == 1 else teacher_name(phases - 1)
    return "teacher-" + hash_name(schedule.model_dump(mode="json"), policy.model_dump(mode="json"), VIEW_SEED, before)


def train_teacher(work: Path) -> dict[str, Any]:
    """Train the teacher on all 60,000 labels, the views in turn; returns its accuracy on the test images."""
    for phase in range(1, len(PHASES) + 1):
        if not (work / teacher_name(phase) / "teacher.json").is_file():
            _train_phase(work, phase)
    mean = work / teacher_name() / "mean.json"
    if not mean.is_file():
        test, model = load("t10k"), load_model(work / teacher_name() / "teacher.keras")
        predictions = (logits_of(model, test.pixels, 500) + logits_of(model, mirrored(test.pixels), 500)).argmax(axis=1)
        write_json(mean, {"test_accuracy": float(np.mean(predictions == test.labels)), "answers": predictions.tolist()})
    phases = [read_json(work / teacher_name(phase) / "teacher.json") for phase in range(1, len(PHASES) + 1)]
    summaries = [{key: one[key] for key in ("epochs", "test_accuracy", "cpu_s")} for one in phases]
    return {"parameters": phases[-1]["parameters"], **read_json(mean), "phases": summaries}


def mirrored(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Images [N, H, W, C] with left and right swapped: the teacher's output is the mean of its logits for both."""
    return np.ascontiguousarray(pixels[:, :, ::-1])


def _train_phase(work: Path, phase: int) -> None:
    folder, (schedule, policy, views) = work / teacher_name(phase), PHASES[phase - 1]
    train_set, test, started = load("train"), load("t10k"), time.process_time()
    for number in range(views):
        view_file(work, number, policy)
    make_deterministic(phase - 1)
    model = teacher_network() if phase == 1 else load_model(work / teacher_name(phase - 1) / "teacher.keras")
    stream = BatchStream(
        StoredViews(work, views, policy), np.arange(len(train_set.labels)), train_set.labels, None,
        batch_size=schedule.batch_size, seed=phase - 1,
    )  # fmt: skip
    history = train(
        model, LabelsOnly(), stream, NO_VALIDATION, schedule,
        steps_per_epoch=schedule.steps_per_epoch(len(train_set.labels)),
        checkpoint=folder / "checkpoint.npz", key=teacher_name(phase),
    )  # fmt: skip
    with replacing(folder / "teacher.keras") as temporary:
        model.save(temporary)
    predictions = logits_of(model, test.pixels, 500).argmax(axis=1)
    write_json(folder / "teacher.json", {
        "test_accuracy": float(np.mean(predictions == test.labels)), "parameters": model.count_params(),
        "answers": predictions.tolist(), "epochs": schedule.epochs,
        "seconds": round(history.seconds), "cpu_s": round(time.process_time() - started),
    })  # fmt: skip


@dataclass(frozen=True)
class StoredOutputs:
    """The teacher's stored outputs of one kind, for every image, view by view: float16 [N, ...] each."""

    folder: Path
    kind: str
    policy: ViewPolicy = VIEWS

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
        return _opened(output_file(self.folder, self.kind, number, self.policy))


@cache
def _opened(path: Path) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def output_file(folder: Path, kind: str, number: int, policy: ViewPolicy) -> Path:
    """Where the teacher's outputs of one kind for one view are."""
    return folder / f"{kind}-{hash_name(policy.model_dump(mode='json'), VIEW_SEED)}-{number:02d}.npy"


def fill_soft_targets(work: Path, views: int, *, features: bool, policy: ViewPolicy = VIEWS) -> None:
    """The teacher's mean logits, and its last feature maps, of every image in the first ``views`` views; once."""
    import keras

    folder = work / teacher_name()
    model = load_model(folder / "teacher.keras")
    last = model.get_layer(find_tap(model, "last", "teacher")).output
    whole = keras.Model(model.input, [model.output, last])
    for number in range(views):
        wanted = {"mean-logits": 0, "features": 1} if features else {"mean-logits": 0}
        missing = {kind: at for kind, at in wanted.items() if not output_file(folder, kind, number, policy).is_file()}
        if not missing:
            continue
        pixels = np.load(view_file(work, number, policy), mmap_mode="r", allow_pickle=False)
        parts: dict[str, list[Any]] = {kind: [] for kind in missing}
        for start in range(0, len(pixels), 500):
            batch = pixels[start : start + 500].astype(np.float32)
            logits, maps = whole(batch, training=False)
            outputs = ((logits + model(mirrored(batch), training=False)) / 2, maps)
            for kind, at in missing.items():
                parts[kind].append(np.asarray(outputs[at], np.float16))
        for kind, rows in parts.items():
            with replacing(output_file(folder, kind, number, policy)) as temporary, temporary.open("wb") as stream:
                np.save(stream, np.concatenate(rows), allow_pickle=False)
