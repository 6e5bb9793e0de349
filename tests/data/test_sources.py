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
from edgekd.errors import DataError, MemoryShortage


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
    assert found(listing)["missing-decoder"] == ("a/9.heic",)


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


def test_a_class_called_train_is_listed_or_refused(tmp_path: Path) -> None:
    for name in ("train/1.png", "car/2.png", "bus/3.png"):
        make.write(tmp_path / name, b"x")
    with pytest.raises(DataError, match=r"'train' is named like a split, not like a class.*classes in"):
        list_class_folders(tmp_path)
    assert list_class_folders(tmp_path, ("bus", "car", "train")).classes == ("bus", "car", "train")


def test_class_order_is_that_of_text() -> None:
    assert class_order(["10", "9", "9", "-1"]) == ("-1", "10", "9")
    assert class_order(["10", "9", "x", "X"]) == ("10", "9", "X", "x")


@pytest.mark.parametrize("layout", ["{0}/1.png", "train/{0}/1.png"])
def test_numbered_classes_have_one_order_in_every_source(layout: str, tmp_path: Path) -> None:
    for name in ("10", "2", "1"):
        make.write(tmp_path / "photos" / layout.format(name), b"x")
    lines = [f"{layout.format(name)},{name}" for name in ("10", "2", "1")]
    table = a_csv(tmp_path / "photos", "\n".join(["filename,label", *lines]))
    assert list_class_folders(tmp_path / "photos").classes == list_csv(table).classes == ("1", "10", "2")


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


def test_csv_columns_of_other_tools(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        make.write(tmp_path / name, b"x")
    table = ",Image,width,Class,subset\n0,1.png,640,cat,train\n1,2.png,640,dog,valid\n"
    listing = list_csv(a_csv(tmp_path, table))
    assert rows(listing) == [("1.png", "cat", "train"), ("2.png", "dog", "val")]
    assert found(listing) == {"other-columns": ("column 1", "width")}
    # A column of our own name is the one that is meant.
    listing = list_csv(a_csv(tmp_path, "filename;class;label\n1.png;animal;cat\n2.png;animal;dog\n"))
    assert listing.classes == ("cat", "dog") and found(listing) == {"other-columns": ("class",)}


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
        ("files,label\na.png,1\n", "has the columns files, label.* must be filename,label"),
        ("a.png,1\nb.png,2\n", "has the columns a.png, 1. They look like a photo and its label: write filename,label"),
        ("filename,width,height\na.png,640,480\n", "No column is called label. Give each photo one label"),
        (
            "filename,cat,dog\na.png,1,0\n",
            'columns cat, dog hold 0 and 1. To read them as tags, set task = "multi-label"',
        ),
        ("file,path,label\na.png,a.png,1\n", "several columns that may be the filename: file, path"),
        ("filename,label,label\na.png,1,2\n", "several columns that may be the label: label, label"),
        ("filename:label\na.png:1\n", "separated by commas or semicolons"),
        ("filename,label\n", "lists no photos"),
        ("filename,label\na.png\n", "line 2: not 2 values"),
        ("filename,label\na.png,1,2\n", "line 2: not 2 values"),
        ("filename,label\n../a.png,1\n", r"line 2: filename '../a.png' must be relative"),
        ("filename,label\n/etc/hostname,1\n", "names are absolute, and only these folders are read"),
        ("filename,label\nC:\\a.png,1\n", "names are absolute"),
        ("filename,label\nC:\\..\\a.png,1\n", "without '..'"),
        ("filename,label\n,1\n", "line 2: filename ''"),
        ("filename,label,split\na.png,1,dev\n", "line 2: split 'dev' must be one of train, val, test"),
        ("filename,label,split\na.png,,test\n", "line 2: a test photo without a label"),
        ('filename,label\n"a.png,1\n', "cannot be read as a CSV"),
    ],
)
def test_csv_errors_name_the_line(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        list_csv(a_csv(tmp_path, text))


def test_csv_that_is_no_csv(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither UTF-8, UTF-16 nor Windows-1252"):
        list_csv(make.write(tmp_path / "photos.csv", b"filename,label\n\x81.png,1\n"))
    with pytest.raises(DataError, match="does not exist"):
        list_csv(tmp_path / "none.csv")
    with pytest.raises(DataError, match="Is a directory"):
        list_csv(tmp_path)


@pytest.mark.parametrize(
    ("text", "encoding", "renamed"),
    [
        ("filename;label\ngreen/a.png;g\nr\u00f6t/b.png;r\n", "utf-8-sig", 0),
        ("sep=;\r\nfilename;label\r\ngreen/a.png;g\r\nr\u00f6t/b.png;r\r\n", "utf-8", 0),
        ("Filename\tLabel\ngreen/a.png\tg\nr\u00f6t/b.png\tr\n", "utf-16", 0),
        ("filename,label\ngreen\\a.png,g\nr\u00f6t\\b.png,r\n", "utf-8", 0),
        ("filename,label\nC:\\photos\\green\\a.png,g\nC:\\photos\\r\u00f6t\\b.png,r\n", "cp1252", 2),
        ("filename,label\n/home/me/green/a.png,g\n/home/me/r\u00f6t/b.png,r\n", "utf-8", 2),
        ("filename,label\nGreen/A.PNG,g\nr\u00f6t/b.png,r\n", "utf-8", 1),
        ("filename,label\ngreen/a.png,g\nro\u0308t/b.png,r\n", "utf-8", 1),
        ("filename,label\ngreen/a.png,\ufeffg \nr\u00f6t/b.png,r\n", "utf-8", 0),
    ],
)
def test_csvs_of_other_machines_are_read_as_meant(tmp_path: Path, text: str, encoding: str, renamed: int) -> None:
    for name in ("green/a.png", "r\u00f6t/b.png"):
        make.write(tmp_path / name, b"x")
    listing = list_csv(a_csv(tmp_path, text, encoding))
    assert rows(listing) == [("green/a.png", "g", None), ("r\u00f6t/b.png", "r", None)]
    assert len(found(listing).get("renamed-files", ())) == renamed
    assert ("csv-encoding" in found(listing)) == (encoding == "cp1252")


def test_a_csv_whose_files_are_not_found_says_why(tmp_path: Path) -> None:
    make.write(tmp_path / "photos/green/a.png", b"x")
    make.write(tmp_path / "other/x.txt", b"x")
    for text, match in (
        ("filename,label\ngreen/a,1\n", "There is green/a.png: write the names with their suffix"),
        ("filename,label\nyellow/b.png,1\n", "Check that its names are relative to"),
    ):
        with pytest.raises(DataError, match=match):
            list_csv(a_csv(tmp_path, text), tmp_path / "photos")
    with pytest.raises(DataError, match=r"There is .*/photos/green/a.png: say with images= which folder"):
        list_csv(a_csv(tmp_path, "filename,label\na.png,1\n"))
    for name in ("photos/green/B.png", "photos/green/b.PNG"):
        make.write(tmp_path / name, b"x")
    with pytest.raises(DataError, match="2 files could be meant by it"):
        list_csv(a_csv(tmp_path, "filename,label\nGreen/b.png,1\n"), tmp_path / "photos")


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


def test_npz_that_unpacks_to_more_than_photos_or_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "zeros.npz"
    np.savez_compressed(path, images=np.zeros((100, 1000, 1000), np.uint8), labels=np.zeros(100, int))
    with pytest.raises(DataError, match=r"'images.npy' unpacks from [\d,]+ to 100,000,128 bytes, which no photos do"):
        list_npz(path)
    path = tmp_path / "large.npz"
    np.savez(path, images=np.zeros((4, 8, 8), np.uint8), labels=np.zeros(4, int))
    monkeypatch.setattr("edgekd.data.arrays.free_memory", lambda: (500, 1 << 30))
    with pytest.raises(MemoryShortage, match=r"unpacks to .* GiB of memory are free"):
        list_npz(path)


@pytest.mark.parametrize("damage", ["header", "stream"])
def test_npz_damaged_inside(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "photos.npz"
    rng = np.random.default_rng(0)
    save = np.savez if damage == "header" else np.savez_compressed
    save(path, images=rng.integers(0, 256, (9, 8, 8), dtype=np.uint8), labels=np.zeros(9, int))
    content = bytearray(path.read_bytes())
    if damage == "header":
        # A bracket that is never closed, which is a TokenError of Python's own.
        place = content.index(b"}", content.index(b"{'descr'"))
        content[place : place + 1] = b"("
    else:
        content[150:400] = bytes(range(250))
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"photos\.npz cannot be read as a \.npz of plain arrays"):
        list_npz(path)


def test_npz_that_is_none(tmp_path: Path) -> None:
    for content in (b"", b"PK\3\4 no zip", b"\x80\4N."):
        with pytest.raises(DataError, match=r"cannot be read as a \.npz"):
            list_npz(make.write(tmp_path / f"{len(content)}.npz", content))
    with pytest.raises(DataError, match="cannot be opened"):
        list_npz(tmp_path / "none.npz")
