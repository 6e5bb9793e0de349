"""Photos with several tags, or with none, from every kind of source."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import photo_makers as make
import pytest

from edgekd.data import Dataset, SplitPolicy, load_dataset
from edgekd.data.csv_file import csv_task, list_csv
from edgekd.data.listing import Listing
from edgekd.data.sources import task_of
from edgekd.errors import DataError, SplitError

WHOLE = SplitPolicy(val=0, test=0)


def a_csv(folder: Path, text: str, photos: int = 6) -> Path:
    for number in range(photos):
        make.write(folder / f"{number}.png", make.content(number))
    return make.write(folder / "photos.csv", text.encode())


def tags_of(listing: Listing) -> dict[str, tuple[str, ...] | None]:
    return {item.id.removesuffix(".png"): item.tags for item in listing.items}


def tags_in(dataset: Dataset) -> dict[str, tuple[str, ...] | None]:
    return {
        sample.id: None if sample.tags is None else tuple(dataset.classes[tag] for tag in sample.tags)
        for sample in dataset.samples
    }


def found(listing: Listing) -> dict[str, tuple[str, ...]]:
    return {finding.kind: finding.names for finding in listing.findings if finding.names}


# --- CSV -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["filename,labels,split", "image,tags,subset", "File,Label,Split"])
def test_labels_of_a_cell(header: str, tmp_path: Path) -> None:
    rows = "0.png,wet|littered,train\n1.png, wet ,\n2.png,,val\n3.png,?,\n4.png,wet,unlabelled\n5.png,none of these,\n"
    listing = list_csv(a_csv(tmp_path, f"{header}\n{rows}0.png,dark,train\n1.png,,\n"), task="multi-label")
    assert tags_of(listing) == {
        "0": ("dark", "littered", "wet"), "1": ("wet",), "2": (), "3": None, "4": None, "5": (),
    }  # fmt: skip
    assert [item.split for item in listing.items] == ["train", None, "val", "unlabelled", "unlabelled", None]
    assert listing.classes == ("dark", "littered", "wet")
    assert found(listing) == {"conflicting-labels": ("1.png (wet first, no tag in line 9)",)}


def test_a_column_of_zeros_and_ones_for_each_tag(tmp_path: Path) -> None:
    rows = "0.png;1;640;true;train\n1.png;0;480;False;\n2.png;;640;;\n3.png;0.0;1;1.0;test\n"
    table = f"filename;Wet;width;dark;split\n{rows}"
    listing = list_csv(a_csv(tmp_path, table), task="multi-label")
    assert tags_of(listing) == {"0": ("Wet", "dark"), "1": (), "2": None, "3": ("dark",)}
    assert listing.classes == ("Wet", "dark") and found(listing) == {"other-columns": ("width",)}


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ("filename,wet,dark\n0.png,1,\n1.png,0,1\n", "line 2: column 'dark' is empty. Write 0 or 1"),
        ("filename,wet\n" + "0.png,1\n" * 20 + "1.png,2\n", "line 22: column 'wet' has '2' where its other values"),
        ("filename,labels\n0.png,wet|none of these\n", "line 2: 'none of these' beside wet"),
        ('filename,labels\n0.png,"wet,dark"\n', r"line 2: the labels 'wet,dark'. Separate several labels by \|"),
        ("filename,labels,split\n0.png,?,train\n", "line 2: a train photo whose tags are not known"),
        ("filename,width\n0.png,640\n", "must be filename,label"),
        ("filename,wet,wet\n0.png,1,0\n", "two columns called 'wet'"),
    ],
)
def test_errors_of_tables_with_tags_name_the_place(table: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=match):
        list_csv(a_csv(tmp_path, table), task="multi-label")


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("filename,label\n0.png,wet|dark\n1.png,wet\n", r"line 2 has the label 'wet\|dark'"),
        ("filename,labels\n0.png,wet\n", "its column labels"),
        ("filename,wet,dark\n0.png,1,0\n1.png,0,0\n", "its columns wet, dark hold 0 and 1"),
    ],
)
def test_a_table_of_tags_is_not_read_as_one_label_each(table: str, reason: str, tmp_path: Path) -> None:
    path = a_csv(tmp_path, table)
    with pytest.raises(DataError, match=rf'{reason}.* task = "multi-label" in \[data\]'):
        list_csv(path)
    assert csv_task(path) == task_of(path) == "multi-label"


def test_names_that_hold_separators_are_listed_as_classes(tmp_path: Path) -> None:
    names = ("a|b", "c,d")
    path = a_csv(tmp_path, 'filename,label\n0.png,a|b\n1.png,"c,d"\n')
    assert list_csv(path, classes=names).classes == names
    assert list_csv(path, None, "multi-label", names).classes == names


# --- .npz and folders ------------------------------------------------------------------------------------------------


def test_rows_of_tags_in_arrays(tmp_path: Path) -> None:
    images = np.stack([make.pixels(seed) for seed in range(4)])
    labels = np.array([[1, 1], [0, 1], [0, 0], [-1, -1]])
    np.savez(tmp_path / "a.npz", images=images, labels=labels, classes=np.array(["wet", "dark"]))
    dataset = load_dataset(tmp_path / "a.npz", task="multi-label", policy=WHOLE)
    assert dataset.classes == ("wet", "dark") and task_of(tmp_path / "a.npz") == "multi-label"
    assert tags_in(dataset) == {"a.npz#0": ("wet", "dark"), "a.npz#1": ("dark",), "a.npz#2": (), "a.npz#3": None}
    with pytest.raises(DataError, match=r'several labels a photo.*task = "multi-label"'):
        load_dataset(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", images=images, labels=labels * 2, classes=np.array(["wet", "dark"]))
    with pytest.raises(DataError, match=r"row 0: labels \[2, 2\] must be 0 or 1"):
        load_dataset(tmp_path / "b.npz", task="multi-label")


def test_a_photo_in_several_class_folders_has_all_their_tags(tmp_path: Path) -> None:
    for number, folders in enumerate((("wet", "dark"), ("wet",), ("dark",), ("none of these",))):
        for folder in folders:
            make.write(tmp_path / folder / f"{number}-{folder}.png", make.content(number))
    dataset = load_dataset(tmp_path, task="multi-label", policy=WHOLE)
    assert tags_in(dataset) == {
        "dark/0-dark.png": ("dark", "wet"), "wet/1-wet.png": ("wet",), "dark/2-dark.png": ("dark",),
        "none of these/3-none of these.png": (),
    }  # fmt: skip
    assert [warning.kind for warning in dataset.warnings] == ["joined-tags"]


def test_photos_that_all_have_one_tag_are_noticed_and_twins_with_other_tags(tmp_path: Path) -> None:
    make.class_folders(tmp_path, {"wet": 2, "dark": 2})
    dataset = load_dataset(tmp_path, task="multi-label", policy=WHOLE)
    assert [(warning.kind, warning.count) for warning in dataset.warnings] == [("one-tag-each", 4)]
    path = a_csv(tmp_path, "filename,labels\n0.png,wet|dark\n1.png,dark\ntwin.png,dark\n")
    make.write(tmp_path / "twin.png", make.content(0))
    dataset = load_dataset(path, task="multi-label", policy=WHOLE)
    (warning,) = dataset.warnings
    assert warning.examples == ("0.png (dark, wet) = twin.png (dark)",) and warning.kind == "conflicting-labels"


# --- splits ----------------------------------------------------------------------------------------------------------


def many(folder: Path) -> Path:
    """60 photos: half are wet, a third dark, a tenth icy, a few have none; every fifth photo is there twice."""
    rows = ["filename,labels"]
    for number in range(60):
        tags = [name for name, every in (("wet", 2), ("dark", 3), ("icy", 10)) if number % every == 0]
        for copy in ("a", "b") if number % 5 == 0 else ("a",):
            make.write(folder / f"{number}{copy}.png", make.content(number))
            rows.append(f"{number}{copy}.png,{'|'.join(tags)}")
    return make.write(folder / "tags.csv", "\n".join(rows).encode())


def test_splits_have_every_tag_in_its_share_and_keep_duplicates_together(tmp_path: Path) -> None:
    path = many(tmp_path)
    dataset = load_dataset(path, task="multi-label")
    assert load_dataset(path, task="multi-label").digest() == dataset.digest()
    assert load_dataset(path, task="multi-label", policy=SplitPolicy(seed=1)).digest() != dataset.digest()
    sides = {sample.group: sample.split for sample in dataset.samples}
    assert all(sides[sample.group] == sample.split for sample in dataset.samples)
    for split, share in (("train", 0.65), ("val", 0.15), ("test", 0.2)):
        for tag, (here, everywhere) in enumerate(zip(dataset.targets(split).sum(axis=0), counts(dataset), strict=True)):
            assert here >= 1 and abs(here - share * everywhere) <= 2, (split, dataset.classes[tag])
        without = (dataset.targets(split).sum(axis=1) == 0).sum()
        assert abs(without - share * sum(sample.tags == () for sample in dataset.samples)) <= 2


def counts(dataset: Dataset) -> list[int]:
    numbers = Counter(tag for sample in dataset.samples for tag in sample.tags or ())
    return [numbers[tag] for tag in range(len(dataset.classes))]


def test_a_tag_that_cannot_be_in_every_split_is_named(tmp_path: Path) -> None:
    rows = "".join(f"{n}.png,{'wet' if n > 1 else 'wet|dark'}\n" for n in range(12))
    with pytest.raises(SplitError, match="tag 'dark' has 2 photos to split, in 2 groups"):
        load_dataset(a_csv(tmp_path, f"filename,labels\n{rows}", 12), task="multi-label")


def test_few_labels_of_photos_with_tags(tmp_path: Path) -> None:
    path = many(tmp_path)
    kept = load_dataset(path, task="multi-label", policy=SplitPolicy(labelled_per_class=5))
    assert (sum(kept.targets(split).sum(axis=0) for split in ("train", "val")) >= 5).all()
    assert len(kept.split("train")) + len(kept.split("val")) <= 20
    thirteen = load_dataset(path, task="multi-label", policy=SplitPolicy(train=13))
    assert len(thirteen.split("train")) == 13 and (thirteen.targets("train").sum(axis=0) >= 3).all()
    half = load_dataset(path, task="multi-label", policy=SplitPolicy(train=0.5))
    whole = load_dataset(path, task="multi-label")
    assert len(half.split("train")) == round(0.5 * len(whole.split("train")))
    assert (abs(half.targets("train").sum(axis=0) - whole.targets("train").sum(axis=0) / 2) <= 3).all()


# --- none of the classes ---------------------------------------------------------------------------------------------


def test_photos_of_none_of_the_classes_are_a_last_class(tmp_path: Path) -> None:
    make.class_folders(tmp_path / "photos", {"wet": 8, "zebra": 8})
    make.class_folders(tmp_path / "other", {"deep": 8}, first_seed=50)
    dataset = load_dataset(tmp_path / "photos", none=tmp_path / "other")
    assert dataset.classes == ("wet", "zebra", "none of these") and dataset.none_class == "none of these"
    assert all(dataset.counts()[split]["none of these"] >= 1 for split in ("train", "val", "test"))
    ordered = load_dataset(tmp_path / "photos", none=tmp_path / "other", classes=("zebra", "wet"))
    assert ordered.classes == ("zebra", "wet", "none of these")
    first = load_dataset(tmp_path / "photos", none=tmp_path / "other", classes=("none of these", "zebra", "wet"))
    assert first.classes[0] == "none of these" == first.none_class
    dataset.save(tmp_path / "dataset.json")
    assert Dataset.load(tmp_path / "dataset.json").none_class == "none of these"
    (tmp_path / "other").rename(tmp_path / "photos/none of these")
    assert load_dataset(tmp_path / "photos").digest() == dataset.digest()
    with pytest.raises(DataError, match=r"lies in .*whose folders are classes"):
        load_dataset(tmp_path / "photos", none=tmp_path / "photos/none of these")


def test_photos_of_none_of_the_classes_follow_the_splits_of_the_data(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "val", "test")):
        make.class_folders(tmp_path / "photos" / split, {"wet": 4, "dark": 4}, first_seed=10 * number)
    make.class_folders(tmp_path / "other", {"deep": 9}, first_seed=50)
    # A twin of a test photo is on its side.
    make.write(tmp_path / "other/twin.png", make.content(20))
    dataset = load_dataset(tmp_path / "photos", none=tmp_path / "other")
    spread = Counter(sample.split for sample in dataset.samples if sample.label == 2)
    assert spread == {"train": 3, "val": 3, "test": 4}
    assert [sample.split for sample in dataset.samples if sample.id == "none/twin.png"] == ["test"]
    tagged = load_dataset(tmp_path / "photos", none=tmp_path / "other", task="multi-label")
    assert tagged.none_class is None and tagged.classes == ("dark", "wet")
    assert sum(sample.tags == () for sample in tagged.samples) == 10


def test_none_of_these_is_no_tag_and_a_folder_of_it_must_hold_photos(tmp_path: Path) -> None:
    make.class_folders(tmp_path / "photos", {"wet": 2, "dark": 2})
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no photo"):
        load_dataset(tmp_path / "photos", none=tmp_path / "empty", policy=WHOLE)
    with pytest.raises(DataError, match="which photos without a tag are called"):
        load_dataset(tmp_path / "photos", task="multi-label", classes=("dark", "wet", "none of these"))
