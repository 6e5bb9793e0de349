"""The stored column: right rows, whole shards kept after a kill, other teachers' thrown away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgekd.errors import RunError
from edgekd.soft_targets import store
from edgekd.soft_targets.compute import compute_soft_targets
from edgekd.soft_targets.store import SoftTargets


class CountingTeacher:
    """Logits are the mean of each channel; counts the images it was asked about."""

    num_classes, input_size, key = 3, (2, 2), "k"

    def __init__(self, fail_after: int | None = None) -> None:
        self.seen, self.fail_after = 0, fail_after

    def logits(self, images: np.ndarray) -> np.ndarray:
        if self.fail_after is not None and self.seen >= self.fail_after:
            raise KeyboardInterrupt
        self.seen += len(images)
        return images.mean(axis=(1, 2)).astype(np.float32)


def rendered(start: int, stop: int) -> Iterator[np.ndarray]:
    """Photo p in view v is a 2x2 image of the value p + 100 v."""
    for first in range(start, stop, 3):
        photos = np.arange(first, min(first + 3, stop))[:, None] + 100 * np.arange(2)[None, :]
        yield np.broadcast_to(photos[:, :, None, None, None], (*photos.shape, 2, 2, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SHARD", 4)


def make(directory: Path, teacher: CountingTeacher, key: str = "a") -> SoftTargets:
    return compute_soft_targets(directory, teacher, lambda size: rendered, photos=10, views=2, key=key)


def test_rows_are_those_of_the_photo_and_the_view(tmp_path: Path) -> None:
    stored = make(tmp_path, CountingTeacher())
    photos, views = np.array([9, 0, 5]), np.array([1, 0, 1])
    assert stored[photos, views].tolist() == [[109] * 3, [0] * 3, [105] * 3]
    assert (len(stored), stored.shape) == (10, (10, 2, 3))


def test_whole_shards_are_kept_after_a_kill(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, CountingTeacher(fail_after=14))
    again = CountingTeacher()
    assert make(tmp_path, again)[np.array([7]), np.array([0])].tolist() == [[7] * 3]
    assert again.seen == 12  # 4 of 10 photos were kept, in 2 views.
    done = CountingTeacher()
    make(tmp_path, done)
    assert done.seen == 0


def test_another_key_computes_anew(tmp_path: Path) -> None:
    make(tmp_path, CountingTeacher())
    other = CountingTeacher()
    make(tmp_path, other, key="b")
    assert other.seen == 20


def test_logits_that_are_no_numbers_are_an_error(tmp_path: Path) -> None:
    teacher = CountingTeacher()
    teacher.logits = lambda images: np.full((len(images), 3), np.nan, np.float32)  # type: ignore[method-assign]
    with pytest.raises(RunError, match="pixel_range"):
        make(tmp_path, teacher)
