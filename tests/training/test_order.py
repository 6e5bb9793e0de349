"""An order that is not held: a permutation all the same, and one for every seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekd.training.batches import BatchStream
from edgekd.training.order import permute

MANY = 10**12


class Counted:
    """The numbers from 0 to ``count``, of which none is held; as labels, those of no photo."""

    def __init__(self, count: int, label: int | None = None) -> None:
        self._count, self._label = count, label

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, places: Any) -> Any:
        return places if self._label is None else np.full(len(places), self._label)


class Dark:
    """Black views of any photo; keeps which were asked for."""

    views = 3

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def gather(self, sample_indices: Any, view_numbers: Any) -> Any:
        self.asked += zip(sample_indices.tolist(), view_numbers.tolist(), strict=True)
        return np.zeros((len(sample_indices), 2, 2, 3), np.uint8)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 64, 65, 1000, 4097])
def test_every_number_comes_once(count: int) -> None:
    assert sorted(permute(np.arange(count), count, (7, 0)).tolist()) == list(range(count))


def test_a_place_is_the_same_whoever_else_is_asked_for() -> None:
    whole = permute(np.arange(1000), 1000, (7, 2))
    assert permute(np.asarray([999, 3]), 1000, (7, 2)).tolist() == whole[[999, 3]].tolist()
    assert whole[:8].tolist() == [228, 864, 569, 6, 102, 451, 738, 694], "a killed run goes on with it on any machine"


def test_orders_are_no_nearer_to_each_other_than_chance() -> None:
    orders = [permute(np.arange(1000), 1000, (seed, number)) for seed in range(10) for number in range(10)]
    orders.append(np.arange(1000))
    same = [(orders[i] == orders[j]).sum() for i in range(101) for j in range(i)]
    assert 0.9 < np.mean(same) < 1.1 and np.max(same) < 12, "two random orders share one place on average"
    # Neighbours of an order: the mean of |a - b| is a third of the length.
    steps = [np.abs(np.diff(order)).mean() / 1000 for order in orders[:-1]]
    assert abs(np.mean(steps) - 1 / 3) < 0.01
    firsts = np.bincount([order[0] // 100 for order in orders[:-1]], minlength=10)
    assert firsts.max() < 25


def test_a_stream_of_a_million_million_photos_holds_none_of_them() -> None:
    views = Dark()
    stream = BatchStream(views, Counted(MANY), Counted(MANY, -1), None, batch_size=8, seed=3)
    last = MANY // 8 - 1
    for step in (0, last, last + 1):
        assert stream.batch(step).labels.tolist() == [-1] * 8
    photos = [photo for photo, _ in views.asked]
    assert len(set(photos)) == 24 and max(photos) > MANY // 2 and min(photos) >= 0


def test_every_photo_is_met_once_a_pass_in_the_view_of_the_pass() -> None:
    views = Dark()
    stream = BatchStream(views, Counted(10), Counted(10, -1), None, batch_size=4, seed=3)
    for step in range(15):
        stream.batch(step)
    for number in range(6):
        met = sorted(views.asked[10 * number : 10 * number + 10])
        assert met == [(photo, (photo + number) % 3) for photo in range(10)]
