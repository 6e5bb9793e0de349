"""The labels of views that show two photos: right for both, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edgekd.distill.hinton import Hinton
from edgekd.training.batches import BatchStream
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import Validation, _mixed_loss, make_deterministic, train
from edgekd.training.schedule import Schedule


class Mixed:
    """Photo p is an image of the value 10 p; in view 1 it is mixed with p + 1 and has a share of 0.25."""

    views = 2

    def gather(self, sample_indices: Any, view_numbers: Any) -> Any:
        values = (10 * np.asarray(sample_indices)).astype(np.uint8)
        return np.broadcast_to(values[:, None, None, None], (len(values), 4, 4, 3))

    def mixes(self, sample_indices: Any, view_numbers: Any) -> Any:
        is_mixed = np.asarray(view_numbers) == 1
        partners = np.where(is_mixed, (np.asarray(sample_indices) + 1) % 5, -1)
        return partners, np.where(is_mixed, 0.25, 1.0).astype(np.float32)


def test_second_labels_and_shares_and_none_where_one_is_unknown() -> None:
    labels = np.array([0, 1, 2, -1, 1])
    stream = BatchStream(Mixed(), np.arange(5), labels, None, batch_size=5, seed=0)
    seen = set()
    for step in range(2):
        batch = stream.batch(step)
        assert batch.second is not None and batch.share is not None
        photos = batch.images[:, 0, 0, 0] // 10
        for photo, first, second, share in zip(photos, batch.labels, batch.second, batch.share, strict=True):
            seen.add((int(photo), int(first), int(second), float(share)))
    alone = {(0, 0, 0, 1.0), (1, 1, 1, 1.0), (2, 2, 2, 1.0), (3, -1, -1, 1.0), (4, 1, 1, 1.0)}
    both = {(0, 0, 1, 0.25), (1, 1, 2, 0.25), (2, -1, -1, 0.25), (3, -1, -1, 0.25), (4, 1, 0, 0.25)}
    assert seen == alone | both


def test_the_teacher_is_as_sure_of_a_mixture_as_of_its_photos() -> None:
    # Photo p has the top probability 1 - p / 10 as it is (view 0), and of any mixture the teacher knows nothing.
    top = np.stack([1 - np.arange(5) / 10, np.full(5, 0.5)], axis=1)
    teacher = np.log(np.stack([top, 1 - top + 1e-9], axis=-1)).astype(np.float32)
    stream = BatchStream(Mixed(), np.arange(5), np.full(5, -1), teacher, batch_size=5, seed=0)
    for step in range(2):
        batch = stream.batch(step)
        photos = batch.images[:, 0, 0, 0] // 10
        assert batch.sure is not None and batch.share is not None
        expected = np.where(batch.share < 1, 0.25 * top[photos, 0] + 0.75 * top[(photos + 1) % 5, 0], top[photos, 0])
        assert batch.sure == pytest.approx(expected, abs=1e-5)
    alone = BatchStream(Mixed(), np.arange(5), np.full(5, -1), None, batch_size=5, seed=0).batch(1)
    assert alone.sure is not None and alone.sure.tolist() == [1] * 5


def test_the_loss_of_a_mixed_view_by_hand() -> None:
    student = np.log(np.array([[0.5, 0.25, 0.25]] * 3, np.float32))
    teacher = np.log(np.array([[0.2, 0.4, 0.4]] * 3, np.float32))
    labels, second = np.array([0, 1, -1]), np.array([1, 2, -1])
    share = np.array([0.25, 0.75, 0.5], np.float32)
    entropies = np.array([0.25 * np.log(2) + 0.75 * np.log(4), np.log(4), 0.0])
    loss = keras.ops.convert_to_numpy(_mixed_loss(LabelsOnly(), labels, student, teacher, second, share))
    assert loss == pytest.approx(entropies, abs=1e-6)
    # T = 1: 0.2 log(0.2 / 0.5) + 0.8 log(0.4 / 0.25); with labels 0.7 of it and 0.3 of the entropy, without all of it.
    divergence = 0.2 * np.log(0.4) + 0.8 * np.log(1.6)
    objective = Hinton(softmax_temperature=1.0, label_weight=0.3)
    loss = keras.ops.convert_to_numpy(_mixed_loss(objective, labels, student, teacher, second, share))
    expected = np.array([0.7, 0.7, 1.0]) * divergence + 0.3 * entropies
    assert loss == pytest.approx(expected, abs=1e-6)


def test_a_source_that_never_mixes_gives_one_label() -> None:
    class Plain(Mixed):
        def mixes(self, sample_indices: Any, view_numbers: Any) -> Any:
            return None

    batch = BatchStream(Plain(), np.arange(5), np.arange(5), None, batch_size=4, seed=0).batch(0)
    assert batch.second is None and batch.share is None


def test_training_on_mixed_views(tmp_path: Path) -> None:
    make_deterministic(0)
    image = keras.Input((4, 4, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 40)(image))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Dense(16, activation="relu")(pooled)))
    labels = np.array([0, 0, 1, 1, 1])
    stream = BatchStream(Mixed(), np.arange(5), labels, None, batch_size=5, seed=0)
    validation = Validation(Mixed().gather(np.arange(5), np.zeros(5)), labels)
    history = train(
        model, LabelsOnly(), stream, validation, Schedule(epochs=2, batch_size=5, learning_rate=0.01),
        steps_per_epoch=40, checkpoint=tmp_path / "c.npz", key="k",
    )  # fmt: skip
    # The entropy of the labels' own mixes is the floor: two of five views of a pass are of both classes.
    assert history.epochs[1]["loss"] < history.epochs[0]["loss"]


def test_batches_made_ahead_are_those_of_their_steps() -> None:
    stream, labels = BatchStream(Mixed(), np.arange(5), np.arange(5), None, batch_size=3, seed=2), np.arange(5)
    fresh = BatchStream(Mixed(), np.arange(5), labels, None, batch_size=3, seed=2)
    for start, stop in ((0, 4), (4, 8), (2, 3), (30, 33), (0, 2)):
        for step, batch in zip(range(start, stop), stream.range(start, stop), strict=True):
            assert batch.images.tolist() == fresh.batch(step).images.tolist()
            assert batch.labels.tolist() == fresh.batch(step).labels.tolist()
