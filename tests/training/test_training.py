"""The training loop: what is in a batch, what is best, and a kill that leaves no trace."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edgekd.errors import ModelError, RunError
from edgekd.training.batches import BatchStream
from edgekd.training.checkpoint import TrainingState, load_state, save_state
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import Handling, Validation, _finish_epoch, logits_of, make_deterministic, train
from edgekd.training.schedule import Schedule, StudentSchedule
from edgekd.training.scores import evaluate


class Numbered:
    """Photo p in view v is a 4x4 image of the value 10 p + v."""

    views = 3

    def gather(self, sample_indices: Any, view_numbers: Any) -> Any:
        values = (10 * np.asarray(sample_indices) + view_numbers).astype(np.uint8)
        return np.broadcast_to(values[:, None, None, None], (len(values), 4, 4, 3))


def stream(photos: int = 7, batch_size: int = 4, labels_of: Any = None, **changes: Any) -> BatchStream:
    labels = np.arange(photos) % 2 if labels_of is None else labels_of
    options: dict[str, Any] = {"teacher": None, "batch_size": batch_size, "seed": 5, **changes}
    return BatchStream(Numbered(), np.arange(photos), labels, options.pop("teacher"), **options)


def test_every_photo_is_met_once_a_pass_and_every_view_once_in_v_passes() -> None:
    s = stream(photos=8)
    values = np.concatenate([s.batch(step).images[:, 0, 0, 0] for step in range(2 * 3)])
    for start in range(0, 24, 8):
        assert sorted(v // 10 for v in values[start : start + 8]) == list(range(8))
    assert sorted(values) == sorted(10 * p + v for p in range(8) for v in range(3))


def test_batches_run_on_across_the_end_of_a_pass() -> None:
    batch = stream(photos=3, batch_size=8).batch(0)
    assert len(batch.images) == 8
    assert sorted(batch.images[:3, 0, 0, 0] // 10) == [0, 1, 2]


def test_a_batch_depends_on_the_step_and_the_seed_alone() -> None:
    ahead = list(stream().range(2, 6))
    assert [b.images.tolist() for b in ahead] == [stream().batch(step).images.tolist() for step in range(2, 6)]
    assert any(a.images.tolist() != b.images.tolist() for a, b in zip(ahead, stream(seed=6).range(2, 6), strict=True))


def test_teacher_rows_belong_to_the_photo_and_the_view() -> None:
    logits = 10 * np.arange(7)[:, None, None] + np.arange(3)[None, :, None] + np.zeros((1, 1, 2))
    batch = stream(teacher=logits.astype(np.float16)).batch(3)
    assert batch.teacher[:, 0].tolist() == batch.images[:, 0, 0, 0].tolist()
    assert batch.teacher.dtype == np.float32


def test_schedule_warms_up_and_ends_near_zero() -> None:
    schedule = Schedule(learning_rate=1.0, warmup_share=0.1)
    rates = [schedule.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[99] < 1e-3
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert schedule.steps_per_epoch(33) == 2


def test_evaluate_by_hand() -> None:
    logits = np.log(np.array([[0.5, 0.5], [0.25, 0.75]], np.float32))
    accuracy, loss = evaluate(logits, np.array([1, 1]))
    assert accuracy == 0.5  # A tie goes to the first class.
    assert loss == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 2)


def network() -> Any:
    image = keras.Input((4, 4, 3))
    x = keras.layers.Rescaling(1 / 80)(image)
    x = keras.layers.BatchNormalization(momentum=0.8)(keras.layers.Conv2D(4, 3)(x))
    return keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))


def learn(tmp_path: Path, epochs: int, key: str = "k", stop_after: int | None = None) -> tuple[Any, Any]:
    make_deterministic(3)
    model = network()
    validation = Validation(Numbered().gather(np.arange(7), np.zeros(7)), np.arange(7) % 2)
    calls: list[int] = []

    def progress(done: int, total: int) -> None:
        calls.append(done)
        if stop_after is not None and done >= stop_after:
            raise KeyboardInterrupt

    history = train(
        model, LabelsOnly(), stream(), validation, Schedule(epochs=epochs, batch_size=4, learning_rate=0.01),
        steps_per_epoch=3, checkpoint=tmp_path / "checkpoint.npz", key=key, progress=progress,
    )  # fmt: skip
    return history, [v.numpy() for v in model.variables]


def test_an_interrupted_training_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole, expected = learn(tmp_path / "a", 5)
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path / "b", 5, stop_after=8)
    resumed, weights = learn(tmp_path / "b", 5)
    assert all((a == b).all() for a, b in zip(weights, expected, strict=True))
    assert resumed.epochs == whole.epochs
    assert resumed.steps == 15


def test_a_checkpoint_of_another_training_is_not_used(tmp_path: Path) -> None:
    learn(tmp_path, 2, key="old")
    history, weights = learn(tmp_path, 2, key="new")
    _, expected = learn(tmp_path / "fresh", 2)
    assert all((a == b).all() for a, b in zip(weights, expected, strict=True))
    assert len(history.epochs) == 2


def test_state_survives_the_disk_and_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    state = TrainingState(
        "k", 2, 1.5, 0.1, 1, 0, 0.25, [{"loss": 1.0}], [np.ones(3)], [np.arange(4)], [np.zeros((2, 2))]
    )
    save_state(path, state)
    state_read = load_state(path, "k")
    assert state_read is not None and (state_read.epoch, state_read.history) == (2, [{"loss": 1.0}])
    assert (state_read.best_epoch, state_read.highest_epoch, state_read.floor) == (1, 0, 0.25)
    assert state_read.best[0].tolist() == [[0, 0], [0, 0]]
    assert load_state(path, "other") is None
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunError, match="damaged"):
        load_state(path, "k")


def test_a_file_that_unpacks_to_more_than_it_holds_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    header = np.lib.format.magic(1, 0) + (lambda text: len(text).to_bytes(2, "little") + text)(
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("facts.npy", header + b"\0" * 64)
    with pytest.raises(RunError, match=r"is damaged \(facts.npy is not stored as it was saved\)"):
        load_state(path, "k")
    np.savez_compressed(path, facts=np.zeros(1 << 22, np.uint8))
    with pytest.raises(RunError, match="is not stored as it was saved"):
        load_state(path, "k")


def test_a_loss_that_is_no_number_stops_the_training(tmp_path: Path) -> None:
    class Broken(LabelsOnly):
        def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
            return super().__call__(labels, student, teacher) * np.nan

    make_deterministic(0)
    validation = Validation(Numbered().gather(np.arange(7), np.zeros(7)), np.arange(7) % 2)
    with pytest.raises(ModelError, match="learning_rate"):
        train(
            network(), Broken(), stream(), validation, Schedule(epochs=1, batch_size=4),
            steps_per_epoch=2, checkpoint=tmp_path / "c.npz", key="k",
        )  # fmt: skip


def test_the_epoch_is_chosen_by_the_metric() -> None:
    image = keras.Input((1, 1, 3))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    # Nine in ten photos are of class 0, two of them as bright as the one of class 1; enough to tell the scores apart.
    levels = np.array(([0] * 7 + [200] * 2 + [255]) * 20, np.uint8)
    images, labels = np.broadcast_to(levels[:, None, None, None], (200, 1, 1, 3)), np.array(([0] * 9 + [1]) * 20)
    always_first, by_brightness = np.zeros((3, 2)), np.array([[0.0, 1.0]] * 3)
    optimizer = keras.optimizers.AdamW()
    for metric, best in (("accuracy", 0), ("balanced_accuracy", 1)):
        state = TrainingState("k")
        for kernel, bias in ((always_first, [1.0, 0.0]), (by_brightness, [100.0, 0.0])):
            model.layers[-1].set_weights([kernel, np.array(bias)])
            _finish_epoch(state, model, model, optimizer, [1.0], Validation(images, labels, metric))  # type: ignore[arg-type]
        assert state.best_epoch == best
        assert [entry["val_accuracy"] for entry in state.history] == pytest.approx([0.9, 0.8])
    balanced = [entry["val_balanced_accuracy"] for entry in state.history]
    assert balanced == pytest.approx([0.5, (7 / 9 + 1) / 2])


def test_a_labelled_photo_is_met_in_the_same_views_with_and_without_the_others() -> None:
    class Recorded:
        views = 3

        def __init__(self) -> None:
            self.met: dict[int, list[int]] = {}

        def gather(self, sample_indices: Any, view_numbers: Any) -> Any:
            for photo, view in zip(sample_indices, view_numbers, strict=True):
                self.met.setdefault(int(photo), []).append(int(view))
            return np.zeros((len(sample_indices), 1, 1, 3), np.uint8)

    alone, taught = Recorded(), Recorded()
    labels = np.array([0, 1, 0, 1] + [-1] * 8)
    for source, photos, steps in ((alone, np.arange(4), 9), (taught, np.arange(12), 27)):
        stream = BatchStream(source, photos, labels, None, batch_size=4, seed=0)
        for step in range(steps):
            stream.batch(step)
    assert {photo: taught.met[photo] for photo in range(4)} == alone.met
    assert all(set(views) == {0, 1, 2} for views in taught.met.values())


def test_a_start_that_training_only_spoils_is_kept(tmp_path: Path) -> None:
    make_deterministic(0)
    model, settled = network(), []
    images = Numbered().gather(np.arange(7), np.zeros(7))
    logits = logits_of(model, images)
    # Labels that the start gets all right and a training on others does not.
    validation = Validation(images, logits.argmax(axis=1))
    before = [v.numpy() for v in model.variables]
    history = train(
        model, LabelsOnly(), stream(labels_of=1 - logits.argmax(axis=1)), validation,
        Schedule(epochs=2, batch_size=4, learning_rate=0.5),
        steps_per_epoch=3, checkpoint=tmp_path / "c.npz", key="k",
        handling=Handling(settle=lambda: settled.append(1), judge_start=True),
    )  # fmt: skip
    assert (history.best_epoch, len(history.epochs), len(settled)) == (0, 3, 3)
    assert history.epochs[0]["val_accuracy"] == 1.0
    assert "loss" not in history.epochs[0]
    assert all((a == v.numpy()).all() for a, v in zip(before, model.variables, strict=True))


def test_epochs_before_the_one_to_choose_from_are_never_the_best(tmp_path: Path) -> None:
    make_deterministic(0)
    images = Numbered().gather(np.arange(7), np.zeros(7))
    model = network()
    validation = Validation(images, logits_of(model, images).argmax(axis=1))
    history = train(
        model, LabelsOnly(), stream(labels_of=1 - validation.labels), validation,
        Schedule(epochs=3, batch_size=4, learning_rate=0.5),
        steps_per_epoch=3, checkpoint=tmp_path / "c.npz", key="k",
        handling=Handling(judge_start=True, choose_from=2),
    )  # fmt: skip
    assert history.best_epoch >= 2


def test_a_short_training_of_a_student_warms_up_for_longer() -> None:
    student = StudentSchedule(learning_rate=1.0).with_epochs(1)
    # 25 steps where a twentieth is less, a third of what is shorter still, and none where none is wanted.
    for total, first_full in ((80, 24), (40, 12), (3, 0), (2000, 99)):
        rates = [student.rate(step, total) for step in range(total)]
        assert rates.index(max(rates)) == first_full and max(rates) == 1.0
    assert StudentSchedule(learning_rate=1.0, warmup_share=0).with_epochs(1).rate(0, 80) == 1.0
    assert Schedule(learning_rate=1.0).rate(3, 80) == 1.0
