"""A column on an S3 server that fails now and then: the bytes of a local one, fetched once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from simulators.object_store import ObjectStore

from edgekd.errors import StorageError
from edgekd.scale import remote
from edgekd.scale.place import LocalPlace, Place, open_place
from edgekd.soft_targets import store
from edgekd.soft_targets.compute import ShardWriter, fill_soft_targets
from edgekd.soft_targets.store import open_soft_targets


class Means:
    """Logits are the mean of each channel."""

    num_classes, input_size, key = 3, (2, 2), "k"

    def logits(self, images: np.ndarray) -> np.ndarray:
        return images.mean(axis=(1, 2)).astype(np.float32)


def rendered(start: int, stop: int) -> Iterator[np.ndarray]:
    """Photo p is a 2x2 image of the value p, in one view."""
    yield np.broadcast_to(np.arange(start, stop)[:, None, None, None, None], (stop - start, 1, 2, 2, 3)).astype(
        np.uint8
    )


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SHARD", 4)
    monkeypatch.setattr(remote, "_WAITS_S", (0.05, 0.1, 0.1))
    remote.file_system.cache_clear()


def fill(place: Place, key: str = "a") -> int:
    """How many photos had to be computed."""
    work = ShardWriter(place, Means(), lambda size: rendered, photos=10, views=1)
    return sum(told["photos"] for told in fill_soft_targets(place, lambda: work, photos=10, views=1, key=key))


def test_the_bytes_are_those_of_a_local_column(store: ObjectStore, tmp_path: Path) -> None:
    there, here = open_place("s3://cameras/column"), LocalPlace(tmp_path / "here")
    store.fail = lambda method, path, number: 503 if number % 4 == 0 else 0
    assert fill(there) == fill(here) == 10 and fill(there) == 0
    assert {name: there.read(name) for name in there.names()} == {name: here.read(name) for name in here.names()}
    cached = open_soft_targets(str(there), tmp_path / "cache")
    assert cached[np.array([9, 4]), np.array([0, 0])].tolist() == [[9] * 3, [4] * 3]
    store.fail = lambda method, path, number: 500 if "logits" in path else 0
    assert len(open_soft_targets(str(there), tmp_path / "cache")) == 10  # Of shards that are here nothing is asked.


def test_what_is_missing_is_computed_and_another_key_is_another_column(store: ObjectStore) -> None:
    place = open_place("s3://cameras/again")
    fill(place)
    place.remove("logits-00001.npy")
    assert fill(place) == 4
    assert fill(place, key="b") == 10


def test_a_store_that_is_down_ends_it_and_it_goes_on_later(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_WAITS_S", ())  # pyarrow's own tries take seconds.
    place = open_place("s3://cameras/down-later")
    store.fail = lambda method, path, number: 500 if "logits-00002" in path and method == "PUT" else 0
    with pytest.raises(StorageError, match="logits-00002"):
        fill(place)
    store.fail = lambda method, path, number: 0
    assert fill(place) == 2
