"""What a step of distillation costs: with the stored column, on labels alone, and in keras.distillation.Distiller.

    python benchmarks/kd_speed/run.py

Blocks of steps of the four trainings take turns in one process, in a new order every round. The teacher has random
weights: they do not change its time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.devices.table import open_device
from edgekd.distill.hinton import Hinton
from edgekd.quiet import import_keras
from edgekd.storage import write_json, write_text
from edgekd.students import cnn
from edgekd.teach import applications
from edgekd.teach.column import compute_column
from edgekd.teach.keras_teacher import KerasTeacher
from edgekd.training.batches import BatchStream
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import step_function

TEACHER, WIDTH, SIZE, CLASSES, BATCH, PHOTOS = "ResNet50", 8, 128, 10, 16, 256
RESAMPLES = 2000


@dataclass
class Arm:
    """One training: ``block`` does that many steps and gives the seconds that each waited for its input."""

    shown: str
    steps: int
    block: Callable[[int], float]
    step_ms: list[float] = field(default_factory=list)
    wait_share: list[float] = field(default_factory=list)

    def run(self) -> None:
        """One block, measured."""
        started = time.perf_counter()
        waited = self.block(self.steps)
        seconds = time.perf_counter() - started
        self.step_ms.append(1e3 * seconds / self.steps)
        self.wait_share.append(waited / seconds)


@dataclass(frozen=True)
class Stored:
    """Views on disk, uint8 [N, V, H, W, 3], as a training reads them."""

    pixels: Any
    views: int

    def gather(self, sample_indices: npt.NDArray[Any], view_numbers: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Views uint8 [B, H, W, 3]."""
        return np.asarray(self.pixels[sample_indices, view_numbers])


def main() -> None:
    """Measure and write ``results/``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--rounds", type=int, default=25)
    given = parser.parse_args()
    import_keras()
    with tempfile.TemporaryDirectory() as folder:
        arms, facts = prepare(Path(folder))
        order = np.random.default_rng(0)
        for arm in arms.values():  # Traced, compiled and warm.
            arm.block(2)
        load_before = os.getloadavg()
        for number in range(given.rounds):
            for name in order.permutation(list(arms)):
                arms[name].run()
            print(f"round {number + 1} of {given.rounds}", flush=True)
    told = {
        "schema": 1, **facts, "rounds": given.rounds,
        "arms": {name: {"step_ms": arm.step_ms, "wait_share": arm.wait_share} for name, arm in arms.items()},
        "ratios": {f"{a}/{b}": ratio(arms[a], arms[b]) for a, b in
                   (("column", "labels"), ("distiller", "column"), ("distiller", "keras_labels"),
                    ("labels", "keras_labels"), ("teacher_forward", "student_forward"))},
        "load": {"before": load_before, "after": os.getloadavg()},
        "machine": open_device("host").facts(),
        "versions": {name: metadata.version(name) for name in ("tensorflow", "keras", "edgekd")},
    }  # fmt: skip
    write_json(given.out / "kd_speed.json", told)
    write_text(given.out / "kd_speed.md", markdown(told, arms))
    print(markdown(told, arms))


def prepare(folder: Path) -> tuple[dict[str, Arm], dict[str, Any]]:
    """The four trainings of the same pair on the same images, and a forward pass of each network."""
    import keras

    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    np.save(folder / "views.npy", random.integers(0, 256, (PHOTOS, 1, SIZE, SIZE, 3), np.uint8))
    views = Stored(np.load(folder / "views.npy", mmap_mode="r", allow_pickle=False), 1)
    labels = random.integers(0, CLASSES, PHOTOS)
    teacher = applications.build(TEACHER, SIZE, CLASSES, "none")
    column = compute_column(
        folder / "column", KerasTeacher(teacher, "random"),
        lambda _size: lambda start, stop: (views.pixels[i : i + 16] for i in range(start, stop, 16)),
        photos=PHOTOS, views=1, key="k",
    )  # fmt: skip
    photos = np.arange(PHOTOS)
    student = cnn.build(WIDTH, SIZE, CLASSES)
    arms = {
        "labels": Arm("edgekd, labels alone", 12, edgekd_arm(LabelsOnly(), BatchStream(
            views, photos, labels, None, batch_size=BATCH, seed=0))),
        "column": Arm("edgekd, the stored column", 12, edgekd_arm(Hinton(), BatchStream(
            views, photos, labels, column, batch_size=BATCH, seed=0))),
        "keras_labels": Arm("Keras, labels alone", 12, keras_arm(cnn.build(WIDTH, SIZE, CLASSES), views, labels)),
        "distiller": Arm("keras.distillation.Distiller", 2, keras_arm(
            keras.distillation.Distiller(teacher, cnn.build(WIDTH, SIZE, CLASSES),
                                         keras.distillation.LogitsDistillation(temperature=2.0)), views, labels)),
    }  # fmt: skip
    arms["teacher_forward"] = Arm("the teacher's forward pass", 1, forward_arm(teacher))
    arms["student_forward"] = Arm("the student's forward pass", 12, forward_arm(student))
    facts = {
        "teacher": TEACHER, "student": f"cnn:{WIDTH}", "input_size": SIZE, "batch_size": BATCH, "classes": CLASSES,
        "parameters": {"teacher": teacher.count_params(), "student": student.count_params()},
    }  # fmt: skip
    return arms, facts


def edgekd_arm(loss: Any, stream: BatchStream) -> Callable[[int], float]:
    """Steps as ``edgekd.training.loop.train`` does them: batches made by a thread, the step compiled."""
    import keras

    model = cnn.build(WIDTH, SIZE, CLASSES)
    optimizer = keras.optimizers.AdamW(1e-3)
    optimizer.build(model.trainable_variables)
    # The stream's batches, made ahead as in training.
    step, batches = step_function(model, loss, optimizer), stream.range(0, 10**9)

    def block(steps: int) -> float:
        waited = 0.0
        for _ in range(steps):
            asked = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - asked
            float(step(batch))
        return waited

    return block


def keras_arm(model: Any, views: Stored, labels: npt.NDArray[Any]) -> Callable[[int], float]:
    """Steps by Keras' own ``train_on_batch`` on one batch that is a tensor already: its input costs it nothing."""
    import keras
    import tensorflow as tf

    # Without XLA, which makes small networks slower on a CPU: what suits Keras best.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.AdamW(1e-3), loss=loss, jit_compile=False)
    images = tf.constant(views.gather(np.arange(BATCH), np.zeros(BATCH, np.int64)).astype(np.float32))
    truth = tf.constant(labels[:BATCH])

    def block(steps: int) -> float:
        for _ in range(steps):
            model.train_on_batch(images, truth)
        return 0.0

    return block


def forward_arm(model: Any) -> Callable[[int], float]:
    """Compiled forward passes of one batch."""
    import tensorflow as tf

    forward = tf.function(lambda x: model(x, training=False))
    images = tf.zeros((BATCH, SIZE, SIZE, 3))

    def block(steps: int) -> float:
        for _ in range(steps):
            np.asarray(forward(images))
        return 0.0

    return block


def ratio(arm: Arm, other: Arm) -> dict[str, float]:
    """Ratio of median step times with a 95 % bootstrap interval that resamples whole rounds."""
    a, b = np.array(arm.step_ms), np.array(other.step_ms)
    rows = np.random.default_rng(0).integers(0, len(a), (RESAMPLES, len(a)))
    drawn = np.median(a[rows], axis=1) / np.median(b[rows], axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return {"value": float(np.median(a) / np.median(b)), "low": float(low), "high": float(high)}


def markdown(told: dict[str, Any], arms: dict[str, Arm]) -> str:
    """The table, and what was compared."""
    lines = ["| training | ms a step (median) | waits for its input |", "|---|---|---|"]
    for name, arm in arms.items():
        waits = f"{100 * float(np.median(arm.wait_share)):.1f} %" if name in ("labels", "column") else "not counted"
        lines.append(f"| {arm.shown} | {np.median(arm.step_ms):.1f} | {waits} |")
    said = {
        "column/labels": "a step with the stored column against one on labels alone",
        "distiller/column": "keras.distillation.Distiller against the stored column",
        "distiller/keras_labels": "keras.distillation.Distiller against Keras on labels alone",
        "teacher_forward/student_forward": "the teacher's forward pass against the student's",
        "labels/keras_labels": "edgekd on labels alone (its input made as it goes) against Keras (its input ready)",
    }
    ratios = [
        f"- {said[name]}: {r['value']:.2f}x ({r['low']:.2f}-{r['high']:.2f})" for name, r in told["ratios"].items()
    ]
    machine = told["machine"]
    pair = (
        f"Teacher {told['teacher']}, student {told['student']} at {told['input_size']} px, batches of "
        f"{told['batch_size']}. Keras is called by train_on_batch, without XLA, on a batch that is ready. "
        "The column's own cost, one pass of the teacher over every view, is not in these figures."
    )
    facts = (
        f"{machine['cpu_model']}, {machine['cores']} cores, load {told['load']['before'][0]:.1f} before and "
        f"{told['load']['after'][0]:.1f} after; {told['rounds']} rounds, interleaved."
    )
    return "\n".join(["# The cost of a step of distillation", "", *lines, "", *ratios, "", pair, "", facts]) + "\n"


if __name__ == "__main__":
    main()
