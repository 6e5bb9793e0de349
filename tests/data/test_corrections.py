"""Corrections that are laid over the data: what they do, what they leave alone, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import photo_makers as make
import pytest

from edgekd.data import Dataset, SplitPolicy, load_dataset
from edgekd.errors import DataError

Rows = list[tuple[str, str, str]]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make.class_folders(tmp_path / "photos", {"a": 12, "b": 12})


def write_rows(path: Path, rows: Rows, **options: str) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, **options).writerows([("photo", "action", "label"), *rows])  # type: ignore[arg-type]
    return path


def load(photos: Path, rows: Rows, **options: object) -> Dataset:
    return load_dataset(photos, corrections=write_rows(photos.parent / "corrections.csv", rows), **options)  # type: ignore[arg-type]


def by_name(dataset: Dataset) -> dict[str, tuple[str, int | None]]:
    return {sample.id: (sample.split, sample.label) for sample in dataset.samples}


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_labels_change_and_photos_go_while_splits_and_files_stay(photos: Path, tmp_path: Path) -> None:
    before, on_disk = load_dataset(photos), files(photos)
    names = by_name(before)
    in_test = next(name for name, (split, label) in names.items() if (split, label) == ("test", 0))
    first, second, dropped = [name for name, (split, _) in sorted(names.items()) if split == "train"][:3]
    assert names[second][1] == 0
    rows = [
        (in_test, "change", "b"),
        (dropped, "drop", ""),
        (first, "keep", ""),
        (second, "change", "a"),
    ]
    after = load(photos, rows)
    expected = {**names, in_test: ("test", 1)}
    del expected[dropped]
    assert by_name(after) == expected and files(photos) == on_disk
    assert after.summary_line().endswith("; corrections: 1 label corrected, 1 photo dropped, 2 labels confirmed")
    assert "corrections" not in before.summary_line() and after.digest() != before.digest()
    after.save(tmp_path / "dataset.json")
    assert Dataset.load(tmp_path / "dataset.json") == after and len(after.corrections.rows) == 4  # type: ignore[union-attr]
    # Photos that only were looked at are the same data.
    assert load(photos, [(first, "keep", "")]).digest() == before.digest()
    assert load(photos, []).summary_line().endswith("; corrections: none")


def test_a_photo_without_a_label_that_gets_one_goes_to_train_or_to_its_duplicate(photos: Path) -> None:
    pool = photos.parent / "pool"
    in_test = next(sample for sample in load_dataset(photos).samples if sample.split == "test" and sample.label == 0)
    make.write(pool / "new.png", make.content(900))
    make.write(pool / "twin.png", in_test.path.read_bytes())
    rows = [("unlabelled/new.png", "change", "b"), ("unlabelled/twin.png", "change", "a")]
    names = by_name(load(photos, rows, unlabelled=pool))
    assert names["unlabelled/new.png"] == ("train", 1) and names["unlabelled/twin.png"] == ("test", 0)
    assert load(photos, rows, unlabelled=pool).corrections.labelled == 2  # type: ignore[union-attr]


def test_labels_that_were_kept_from_training_are_corrected_too(photos: Path) -> None:
    policy = SplitPolicy(train=4)
    hidden = next(
        name for name, (split, _) in by_name(load_dataset(photos, policy=policy)).items() if split == "unlabelled"
    )
    assert by_name(load(photos, [(hidden, "change", "b")], policy=policy))[hidden] == ("train", 1)


def test_a_corrected_conflict_is_none_even_where_strict(photos: Path) -> None:
    make.write(photos / "b" / "copy.png", (photos / "a" / "000.png").read_bytes())
    with pytest.raises(DataError, match="there twice with different labels"):
        load_dataset(photos, strict=True)
    assert load(photos, [("b/copy.png", "change", "a")], strict=True).warnings == ()
    assert load(photos, [("b/copy.png", "drop", "")], strict=True).warnings == ()


def test_a_csv_with_tags_and_one_that_excel_saved(tmp_path: Path) -> None:
    rows = [f"{i}.png,{tags}" for i in range(24) for tags in [("wet", "wet|littered", "littered", "")[i % 4]]]
    for i in range(24):
        make.write(tmp_path / f"{i}.png", make.content(i))
    (tmp_path / "list.csv").write_text("\n".join(["filename,labels", *rows]), encoding="utf-8")
    corrections = [
        ("0.png", "change", "littered|wet"),
        ("1.png", "change", "none of these"),
        ("3.png", "change", "wet"),
    ]
    write_rows(tmp_path / "c.csv", corrections, delimiter=";")
    (tmp_path / "c.csv").write_bytes((tmp_path / "c.csv").read_text(encoding="utf-8").encode("utf-16"))
    dataset = load_dataset(tmp_path / "list.csv", task="multi-label", corrections=tmp_path / "c.csv")
    tags = {sample.id: sample.tags for sample in dataset.samples}
    assert (tags["0.png"], tags["1.png"], tags["3.png"], tags["2.png"]) == ((0, 1), (), (1,), (0,))
    assert dataset.corrections is not None and dataset.corrections.corrected == 3


def test_arrays_are_corrected_by_the_names_of_their_rows(tmp_path: Path) -> None:
    images = np.stack([make.pixels(i) for i in range(16)])
    np.savez(tmp_path / "p.npz", images=images, labels=np.arange(16) % 2)
    before = load_dataset(tmp_path / "p.npz")
    name = before.split("train")[0].id
    write_rows(tmp_path / "c.csv", [(name, "drop", "")])
    after = load_dataset(tmp_path / "p.npz", corrections=tmp_path / "c.csv")
    assert len(after.samples) == 15 and name not in by_name(after)


@pytest.mark.parametrize(("rows", "message"), [
    ([("a/999.png", "drop", "")], r"line 2: 'a/999.png' is not a photo of the data, whose photos are named like"),
    ([("A/000.png", "drop", "")], r"'A/000.png' and 'a/000.png' differ only in case"),
    ([("a/000.png", "change", "c")], r"line 2: 'c' is not a class of the data, which has a, b\. Correct the line"),
    ([("a/000.png", "keep", ""), ("a/000.png", "keep", "")], r"line 3: 'a/000.png' is in line 2 too"),
    ([("a/000.png", "delete", "")], r"line 2: action 'delete' must be one of keep, change, drop"),
    ([("a/000.png", "change", "")], "line 2: change needs a label"),
    ([("a/000.png", "drop", "b")], "line 2: drop takes no label, and 'b' is given"),
    ([("", "drop", "")], "line 2: no photo is named"),
    ([(f"a/{i:03d}.png", "drop", "") for i in range(12)], "no usable photo of class a"),
])  # fmt: skip
def test_a_row_that_cannot_be_followed_is_named(photos: Path, rows: Rows, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(photos, rows)


def test_a_split_that_loses_a_class_and_a_file_that_is_none_are_named(photos: Path, tmp_path: Path) -> None:
    in_val = [name for name, (split, label) in by_name(load_dataset(photos)).items() if (split, label) == ("val", 0)]
    with pytest.raises(DataError, match=r"corrections.csv leaves no photo of 'a' in val"):
        load(photos, [(name, "drop", "") for name in in_val])
    with pytest.raises(
        DataError, match=r"gone.csv does not exist\. Give the path of a CSV with the columns photo,action"
    ):
        load_dataset(photos, corrections=tmp_path / "gone.csv")
    (tmp_path / "other.csv").write_text("filename,label\na/000.png,b\n")
    with pytest.raises(DataError, match=r"other.csv has the columns filename, label\. Give a CSV with the columns"):
        load_dataset(photos, corrections=tmp_path / "other.csv")
