"""Stages of a teacher's training: what is kept, how folds are made, and that a killed training ends the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edgekd.teacher import staged
from edgekd.teacher.cross_validation import FOLDS, assign_folds, train_cross_validated
from edgekd.teacher.labelled_views import LabelledViews
from edgekd.teacher.staged import Judgement, StageTrainer, stages_of, train_stages, training_bytes
from edgekd.training.loop import Validation, make_deterministic
from edgekd.training.schedule import Schedule

SIDE = 16
PHOTOS = 40
LABELS = np.arange(PHOTOS) % 2
SCHEDULE = Schedule(epochs=20, batch_size=8, learning_rate=0.03)


class Stripes:
    """Photos of vertical or of horizontal stripes."""

    views = 2

    def gather(self, sample_indices: Any, view_numbers: Any) -> Any:
        images = np.zeros((len(sample_indices), SIDE, SIDE, 3), np.uint8)
        for row, (sample, view) in enumerate(zip(sample_indices, view_numbers, strict=True)):
            bright = 120 + 5 * (int(sample) % 7) + 3 * int(view)
            if LABELS[sample]:
                images[row, :, ::2] = bright
            else:
                images[row, ::2] = bright
        return images


def build_network() -> Any:
    """Two blocks that do not tell a photo from its transpose until they are trained."""
    keras.utils.clear_session()
    make_deterministic(0)
    image = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    for number in range(2):
        x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name=f"block{number}_conv")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(2, name="logits")(x))
    for number in range(2):
        layer = model.get_layer(f"block{number}_conv")
        kernel, bias = layer.get_weights()
        layer.set_weights([(kernel + kernel.swapaxes(0, 1)) / 2, bias])
    return model


def trainer_in(folder: Path, notes: list[str] | None = None) -> StageTrainer:
    views = LabelledViews(Stripes(), LABELS.astype(np.int64))
    said = [] if notes is None else notes
    return StageTrainer(views, SCHEDULE, 0, folder, "key", said.append)


TRAIN, HELD_OUT = np.arange(16), np.arange(16, PHOTOS)
VALIDATION = Validation(Stripes().gather(HELD_OUT, np.zeros(PHOTOS - 16)), LABELS[HELD_OUT].astype(np.int64))


def weights(model: Any) -> list[np.ndarray]:
    return [value.numpy() for value in model.variables]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_stage_that_scores_lower_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, heads = build_network(), []
    scores = iter([Judgement(score, np.full(9, loss)) for score, loss in ((0.5, 0.7), (0.25, 0.6), (0.5, 0.8))])

    def judge(*_: Any) -> Judgement:
        heads.append(weights(model))
        return next(scores)

    monkeypatch.setattr(staged, "judge", judge)
    records, epochs = train_stages(model, trainer_in(tmp_path), TRAIN, VALIDATION)
    assert [record["kept"] for record in records] == [True, False, False] and epochs == []
    assert same(weights(model), heads[0]) and not same(heads[0], heads[1])


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        # Two photos of forty were surely wrong; both are right now, and the others surer.
        ([0.01] * 40, True),
        # One of them is, and the others are as they were.
        ([0.05] * 32 + [0.6] * 6 + [3.0, 0.3], False),
        # Both are right, and another one is surely wrong.
        ([0.01] * 39 + [9.0], False),
    ],
)
def test_a_stage_must_be_surer_of_right_answers_beyond_chance(losses: list[float], kept: bool) -> None:
    before, after = np.array([0.05] * 32 + [0.6] * 6 + [3.0] * 2), np.array(losses)
    head, tuned = Judgement(0.95, before), Judgement(0.975, after)
    assert tuned.clearly_beats(head) is kept and head.clearly_beats(None)
    assert not replace(tuned, score=0.95).clearly_beats(head)


def test_what_tells_the_photos_apart_is_kept_and_a_killed_training_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    model = build_network()
    records, _ = train_stages(model, trainer_in(tmp_path / "whole", notes), TRAIN, VALIDATION)
    assert [record["name"] for record in records] == ["the head", "the last block", "all 2 blocks"]
    best = [record for record in records if record["kept"]][-1]
    assert best["blocks"] > 0 and best["score"] == max(record["score"] for record in records)
    assert [note.split(" takes ")[0] for note in notes] == [
        f"teacher: fine-tuning {record['name']}" for record in records[1:]
    ]

    killed = build_network()
    judge, calls = staged.judge, []

    def kill(*arguments: Any) -> Judgement:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return judge(*arguments)

    monkeypatch.setattr(staged, "judge", kill)
    with pytest.raises(KeyboardInterrupt):
        train_stages(killed, trainer_in(tmp_path / "killed"), TRAIN, VALIDATION)
    resumed = build_network()
    again: list[str] = []
    records_again, _ = train_stages(resumed, trainer_in(tmp_path / "killed", again), TRAIN, VALIDATION)
    assert records_again == records and same(weights(resumed), weights(model))
    # The stage that was done is not trained again.
    assert [note.split(" takes ")[0] for note in again] == ["teacher: fine-tuning all 2 blocks"]


def test_a_stage_that_would_take_too_long_is_left_out(tmp_path: Path) -> None:
    notes: list[str] = []
    model = build_network()
    hurried = replace(trainer_in(tmp_path, notes), most_s=1e-6)
    records, epochs = train_cross_validated(model, hurried, TRAIN, VALIDATION, np.arange(PHOTOS))
    assert [record["name"] for record in records] == ["the head"] and epochs == []
    assert len(notes) == 1 and "more than the 0.0 minutes that it may: it is left out" in notes[0]


def test_a_stage_that_needs_more_memory_than_is_free_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staged, "free_memory", lambda: (1_000, 1 << 30))
    notes: list[str] = []
    bounded = replace(trainer_in(tmp_path, notes), most_s=60.0)
    records, epochs = train_stages(build_network(), bounded, TRAIN, VALIDATION)
    assert [record["name"] for record in records] == ["the head"] and epochs == []
    assert len(notes) == 1 and "would take about 0.1 GB of memory, and 0.0 GB are free: it is left out" in notes[0]


def test_memory_follows_from_what_the_trained_layers_are_given() -> None:
    model = build_network()
    # The second convolution: its input and that of the head for each photo, and four copies of the weights.
    inputs, weights = SIDE * SIDE * 4 + 4, (9 * 4 * 4 + 4) + (4 * 2 + 2)
    assert training_bytes(model, 1, 8) == 4 * (8 * inputs + 4 * weights)
    assert training_bytes(model, 2, 8) - training_bytes(model, 1, 8) == 4 * (8 * SIDE * SIDE * 3 + 4 * (9 * 3 * 4 + 4))


def test_few_photos_are_cross_validated_and_finished_folds_stay(tmp_path: Path) -> None:
    groups, notes = np.arange(PHOTOS), []
    model = build_network()
    records, _ = train_cross_validated(model, trainer_in(tmp_path, notes), TRAIN, VALIDATION, groups)
    assert all(record["cross_validated"] and record["n"] == PHOTOS for record in records)
    assert records[0]["kept"] and sum("fold" in note for note in notes) == 2 * FOLDS
    again: list[str] = []
    other = build_network()
    records_again, _ = train_cross_validated(other, trainer_in(tmp_path, again), TRAIN, VALIDATION, groups)
    assert records_again == records and again == [] and same(weights(other), weights(model))
    trainer_in(tmp_path).tidy()
    assert list(tmp_path.iterdir()) == []


def test_folds_keep_duplicates_together_and_classes_apart() -> None:
    labels, groups = np.repeat([0, 1], [30, 15]), np.repeat(np.arange(15), 3)
    folds = assign_folds(labels, groups, 0)
    assert all(len(set(folds[groups == group])) == 1 for group in groups)
    counts = [[int(((folds == fold) & (labels == label)).sum()) for fold in range(FOLDS)] for label in (0, 1)]
    assert max(counts[0]) - min(counts[0]) <= 3 and max(counts[1]) - min(counts[1]) <= 3


def test_a_network_without_blocks_has_a_head_alone() -> None:
    image = keras.Input((SIDE, SIDE, 3))
    plain = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    assert [stage.blocks for stage in stages_of(plain)] == [0]
