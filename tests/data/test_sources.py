from __future__ import annotations

from pathlib import Path

import numpy as np
import photo_makers as make
import pytest

from edgekd.data import SplitPolicy, load_dataset
from edgekd.data.arrays import list_npz, read_row
from edgekd.data.csv_file import list_csv
from edgekd.data.folder import list_class_folders
from edgekd.data.listing import Listing, class_order
from edgekd.errors import DataError


def rows(listing: Listing) -> list[tuple[str, str | None, str | None]]:
    return [(item.id, item.label, item.split) for item in listing.items]


def found(listing: Listing) -> dict[str, tuple[str, ...]]:
    return {finding.kind: finding.names for finding in listing.findings if finding.names}


# --- folders ---------------------------------------------------------------------------------------------------------


def test_class_folders_are_read_as_keras_does(tmp_path: Path) -> None:
    for name in (
        "b/1.JPG",
        "b/deep/er/2.webp",
        "a/3.tiff",
        "a/4.gif",
        "B/5.bmp",
        "a/._6.png",
        ".git/7.png",
        "a/.x/8.png",
    ):
        make.write(tmp_path / name, b"x")
    make.write(tmp_path / "a/9.heic", b"x")
    listing = list_class_folders(tmp_path)
    assert listing.classes == ("B", "a", "b")
    assert [item.id for item in listing.items] == ["B/5.bmp", "a/3.tiff", "a/4.gif", "b/1.JPG", "b/deep/er/2.webp"]
    root = tmp_path.name
    merged = sorted(name for finding in listing.findings if finding.kind == "hidden-files" for name in finding.names)
    assert merged == sorted([f"{root}/.git", "a/._6.png", "a/.x"])
    assert ("a/9.heic",) in [finding.names for finding in listing.findings if finding.kind == "other-files"]


def test_split_folders_with_any_usual_name(tmp_path: Path) -> None:
    for name in ("Train/a/1.png", "Train/b/2.png", "validation/a/3.png", "test/b/4.png", "unlabeled/5.png"):
        make.write(tmp_path / name, b"x")
    listing = list_class_folders(tmp_path)
    assert listing.classes == ("a", "b")
    assert sorted(rows(listing), key=str) == [
        ("Train/a/1.png", "a", "train"),
        ("Train/b/2.png", "b", "train"),
        ("test/b/4.png", "b", "test"),
        ("unlabeled/5.png", None, "unlabelled"),
        ("validation/a/3.png", "a", "val"),
    ]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("train/1.png", "car/2.png", "bus/3.png"):
        make.write(tmp_path / name, b"x")
    assert list_class_folders(tmp_path).classes == ("bus", "car", "train")
    for name in ("other/train/1.png", "other/test/2.png"):
        make.write(tmp_path / name, b"x")
    assert list_class_folders(tmp_path / "other").classes == ("test", "train")


def test_class_order_is_numeric_for_numbers() -> None:
    assert class_order(["10", "9", "9", "-1"]) == ("-1", "9", "10")
    assert class_order(["10", "9", "x"]) == ("10", "9", "x")


# --- CSV -------------------------------------------------------------------------------------------------------------


def a_csv(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    return make.write(folder / "photos.csv", text.encode(encoding))


def test_csv_with_splits_and_untidy_rows(tmp_path: Path) -> None:
    for name in ("1.png", "sub/2.png", "3.png", "4.png", "5.png"):
        make.write(tmp_path / name, b"x")
    path = a_csv(
        tmp_path,
        "filename,label,split\n1.png,dog,Train\nsub/2.png, cat ,validation\n3.png,dog,\n4.png,,\n5.png,dog,unlabelled\n"
        "1.png,dog,train\n3.png,cat,\ngone.png,cat,test\n",
        "utf-8-sig",
    )
    listing = list_csv(path)
    assert rows(listing) == [
        ("1.png", "dog", "train"),
        ("sub/2.png", "cat", "val"),
        ("3.png", "dog", None),
        ("4.png", None, "unlabelled"),
        ("5.png", None, "unlabelled"),
    ]
    assert listing.classes == ("cat", "dog")
    assert found(listing) == {
        "missing-files": ("gone.png",),
        "repeated-rows": ("1.png",),
        "conflicting-labels": ("3.png (dog first, cat in line 8)",),
    }


def test_csv_images_beside_it_in_the_one_folder_or_where_said(tmp_path: Path) -> None:
    path = a_csv(tmp_path / "data", "filename,label\n1.png,0\n2.png,1\n")
    with pytest.raises(DataError, match=r"none of the 2 files .* Say where they are with images="):
        list_csv(path)
    make.write(tmp_path / "data/1.png", b"x")
    make.write(tmp_path / "data/Images/2.png", b"x")
    assert [item.path.parent.name for item in list_csv(path).items] == ["data", "Images"]
    make.write(tmp_path / "data/Other/x.png", b"x")
    assert found(list_csv(path)) == {"missing-files": ("2.png",)}
    assert len(list_csv(path, tmp_path / "data/Images").items) == 2
    with pytest.raises(DataError, match="does not exist"):
        list_csv(path, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("file,label\na.png,1\n", "has the columns file, label"),
        ("filename;label\na.png;1\n", "separated by commas"),
        ("filename,label\n", "lists no photos"),
        ("filename,label\na.png\n", "line 2: not 2 values"),
        ("filename,label\na.png,1,2\n", "line 2: not 2 values"),
        ("filename,label\n../a.png,1\n", r"line 2: filename '../a.png' must be relative"),
        ("filename,label\n/etc/a.png,1\n", "must be relative"),
        ("filename,label\nC:\\a.png,1\n", "must be relative"),
        ("filename,label\n,1\n", "line 2: filename ''"),
        ("filename,label,split\na.png,1,dev\n", "line 2: split 'dev' must be one of train, val, test"),
        ("filename,label,split\na.png,,test\n", "line 2: a test photo without a label"),
        ('filename,label\n"a.png,1\n', "cannot be read as a UTF-8 CSV"),
    ],
)
def test_csv_errors_name_the_line(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        list_csv(a_csv(tmp_path, text))


def test_csv_that_is_no_csv(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read as a UTF-8 CSV"):
        list_csv(a_csv(tmp_path, "filename,label\nä.png,1\n", "latin-1"))
    with pytest.raises(DataError, match="does not exist"):
        list_csv(tmp_path / "none.csv")


# --- arrays ----------------------------------------------------------------------------------------------------------


def test_npz_with_names_and_splits(tmp_path: Path) -> None:
    images = np.stack([make.pixels(seed) for seed in range(12)])
    splits = np.array(["train"] * 6 + ["test"] * 4 + ["unlabelled", ""])
    path = tmp_path / "photos.npz"
    np.savez(path, images=images, labels=np.arange(12) % 2, classes=np.array(["x", "y"]), split=splits)
    dataset = load_dataset(path, policy=SplitPolicy(val=0.3))
    assert dataset.classes == ("x", "y")
    assert dataset.counts()["test"] == {"x": 2, "y": 2}
    assert [sample.id for sample in dataset.split("unlabelled")] == ["photos.npz#10"]
    sample = next(sample for sample in dataset.samples if sample.id == "photos.npz#7")
    assert (sample.index, sample.split, sample.label) == (7, "test", 1)
    assert np.array_equal(dataset.read(sample), images[7])
    np.savez(path, images=images[::-1], labels=np.arange(12) % 2)
    with pytest.raises(DataError, match="changed"):
        dataset.read(sample)


def test_npz_as_keras_has_them(tmp_path: Path) -> None:
    grey = np.stack([make.pixels(seed)[..., 0] for seed in range(20)])
    path = tmp_path / "mnist.npz"
    labels = np.array([3, 10] * 10, np.uint8)
    np.savez(path, x_train=grey[:14], y_train=labels[:14, None], x_test=grey[14:], y_test=labels[14:, None])
    listing = list_npz(path)
    assert listing.classes == ("3", "10")
    assert [item.split for item in listing.items] == ["train"] * 14 + ["test"] * 6
    assert np.array_equal(read_row(path, 15), np.repeat(grey[15][..., None], 3, 2))
    with pytest.raises(DataError, match="fewer rows"):
        read_row(path, 20)


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"pictures": np.zeros(3)}, "holds pictures. It must hold images and labels"),
        ({"images": np.zeros((2, 4, 4, 3)), "labels": [0, 1]}, r"images is float64 \[2, 4, 4, 3\]"),
        ({"images": np.zeros((2, 4, 4, 4), np.uint8), "labels": [0, 1]}, r"uint8 \[2, 4, 4, 4\]"),
        ({"images": np.zeros((2, 4, 4), np.uint8), "labels": [0.5, 1]}, "labels is float64"),
        ({"images": np.zeros((2, 4, 4), np.uint8), "labels": [0]}, "each of the 2 photos"),
        ({"images": np.zeros((1, 4, 4), np.uint8), "labels": [2], "classes": ["a", "b"]}, "label 2 does not index"),
        ({"images": np.zeros((1, 4, 4), np.uint8), "labels": [0], "split": ["dev"]}, "split of row 0 is 'dev'"),
        ({"images": np.zeros((1, 4, 4), np.uint8), "labels": [0], "split": ["val", "val"]}, "split has 2 rows"),
        ({"images": np.array([{}]), "labels": [0]}, "cannot be read as a .npz of plain arrays"),
    ],
)
def test_npz_errors(tmp_path: Path, arrays: dict[str, object], match: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=match):
        list_npz(path)


def test_npz_that_is_none(tmp_path: Path) -> None:
    for content in (b"", b"PK\3\4 no zip", b"\x80\4N."):
        with pytest.raises(DataError, match=r"cannot be read as a \.npz"):
            list_npz(make.write(tmp_path / f"{len(content)}.npz", content))
    with pytest.raises(DataError, match="cannot be opened"):
        list_npz(tmp_path / "none.npz")
