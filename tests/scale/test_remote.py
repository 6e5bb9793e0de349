"""Files on a real S3 server on loopback, which fails, is slow, and is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulators.object_store import ObjectStore

from edgekd.errors import DataError, StorageError, UsageError
from edgekd.scale import remote
from edgekd.scale.place import Place, open_place
from edgekd.soft_targets.photo_list import names_in, read_photo


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_WAITS_S", (0.05, 0.1))
    remote.file_system.cache_clear()


def place_in(store: ObjectStore, name: str) -> Place:
    return open_place(f"s3://cameras/{name}")


def test_files_come_back_as_they_were_written(store: ObjectStore) -> None:
    place = place_in(store, "plain")
    assert place.names() == [] and not place.has("a.npy")
    place.write("a.npy", b"0123456789")
    place.stream("b.txt", (bytes([65 + part]) for part in range(3)))
    assert sorted(place.names()) == ["a.npy", "b.txt"] and place.has("a.npy")
    assert (place.read("a.npy"), place.read("a.npy", 2, 5), place.read("b.txt")) == (b"0123456789", b"234", b"ABC")
    place.remove("b.txt")
    place.remove("b.txt")
    assert place.names() == ["a.npy"]
    with pytest.raises(StorageError, match="holds no c"):
        place.read("c")


def test_errors_now_and_then_are_asked_again(store: ObjectStore) -> None:
    place = place_in(store, "failing")
    store.fail = lambda method, path, number: 503 if number % 2 else 0
    for number in range(4):
        place.write(f"{number}.npy", bytes(100) + bytes([number]))
    assert sorted(place.names()) == [f"{number}.npy" for number in range(4)]
    assert all(place.read(f"{number}.npy")[-1] == number for number in range(4))
    assert store.failed >= 8


def test_a_slow_store_is_waited_for(store: ObjectStore) -> None:
    place = place_in(store, "slow")
    store.delay_s = 0.7
    place.write("a.npy", b"slow")
    assert place.read("a.npy") == b"slow"


def test_a_store_that_goes_on_failing_is_named(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_WAITS_S", (0.05,))  # pyarrow's own tries take seconds.
    place = place_in(store, "down")
    store.fail = lambda method, path, number: 500
    with pytest.raises(
        StorageError, match=r"s3://cameras/down: writing a\.npy: 2 tries failed.*run the same command to continue"
    ):
        place.write("a.npy", b"lost")
    store.fail = lambda method, path, number: 0
    assert place.names() == []


def test_lists_of_every_kind_and_place(store: ObjectStore, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    place, names = place_in(store, "lists"), [f"day/{number}.jpg" for number in range(9000)]
    text = "".join(f"{name}\n" for name in names)
    (tmp_path / "photos.txt").write_text(f"\ufeff{text}\n", encoding="utf-8")
    (tmp_path / "photos.csv").write_text("label,filename\n" + "".join(f"x,{name}\n" for name in names))
    parquet.write_table(pyarrow.table({"filename": names, "size": [0] * 9000}), tmp_path / "photos.parquet")
    for kind in ("txt", "csv", "parquet"):
        local = tmp_path / f"photos.{kind}"
        place.write(local.name, local.read_bytes())
        assert list(names_in(str(local))) == names and list(names_in(f"{place}/{local.name}")) == names
    for wrong in (tmp_path / "none.txt", f"{place}/none.txt"):
        with pytest.raises(DataError, match=r"none\.txt"):
            next(names_in(str(wrong)))
    with pytest.raises(UsageError, match="nowhere"):
        open_place("nowhere://bucket/key")


def test_photos_are_found_beside_their_list(store: ObjectStore, tmp_path: Path) -> None:
    place_in(store, "photos/day").write("1.jpg", b"on s3")
    (tmp_path / "2.jpg").write_bytes(b"here")
    source = "s3://cameras/photos/list.txt"
    assert read_photo("day/1.jpg", source) == b"on s3"
    assert read_photo("s3://cameras/photos/day/1.jpg", str(tmp_path / "list.txt")) == b"on s3"
    assert read_photo(str(tmp_path / "2.jpg"), source) == b"here"
    assert read_photo("2.jpg", str(tmp_path / "list.txt")) == b"here"
    for name, where in (("day/none.jpg", source), ("none.jpg", str(tmp_path / "list.txt"))):
        with pytest.raises(FileNotFoundError):
            read_photo(name, where)
