"""Folders that are not classes, names that are not what they look like, and files that are not photos."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import unicodedata
from pathlib import Path

import photo_makers as make
import pytest

from edgekd.data import Dataset, load_dataset
from edgekd.data.folder import list_class_folders
from edgekd.data.names import describe_difference
from edgekd.errors import DataError


def photos(root: Path, *names: str) -> Path:
    """Photos of these names under ``root``."""
    for number, name in enumerate(names):
        make.write(root / name, make.content(number))
    return root


def of_class(root: Path, *folders: str, count: int = 6) -> Path:
    """So many photos in each of the folders."""
    return photos(root, *(f"{folder}/{number}.png" for folder in folders for number in range(count)))


def warnings(dataset: Dataset) -> dict[str, str]:
    return {warning.kind: warning.message for warning in dataset.warnings}


# --- folders that are not classes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["unlabelled", "Unlabeled", "pred", "seg_pred", "Testing", "valid", "test-2", "val1"])
def test_a_folder_that_is_named_like_a_split_is_no_silent_class(name: str, tmp_path: Path) -> None:
    of_class(tmp_path, "clean", "littered", name)
    with pytest.raises(DataError, match=f"'{name}' is named like a split, not like a class"):
        load_dataset(tmp_path)
    order = ("clean", "littered", name)
    assert load_dataset(tmp_path, classes=order).classes == order


def test_training_and_testing_are_splits(tmp_path: Path) -> None:
    of_class(tmp_path, "Training/a", "Training/b", count=8)
    photos(tmp_path, *(f"Testing/{name}/t{number}.png" for name in "ab" for number in range(3)))
    for number, path in enumerate(sorted((tmp_path / "Testing").rglob("*.png"))):
        path.write_bytes(make.content(100 + number))
    assert load_dataset(tmp_path).summary_line().endswith("splits: train 14, val 2, test 6")


def test_only_splits_without_classes_are_refused(tmp_path: Path) -> None:
    of_class(tmp_path, "train", "test")
    with pytest.raises(DataError, match="'test' and 'train' are named like a split"):
        load_dataset(tmp_path)


def test_the_same_subfolders_below_every_class_are_named(tmp_path: Path) -> None:
    of_class(tmp_path / "folds", "fold1/clean", "fold1/littered", "fold2/clean", "fold2/littered")
    with pytest.raises(DataError, match=r"has the same subfolders clean, littered.*give one of the outer folders"):
        load_dataset(tmp_path / "folds")
    assert load_dataset(tmp_path / "folds", classes=("fold1", "fold2")).classes == ("fold1", "fold2")
    of_class(tmp_path / "inside", "clean/test", "clean/train", "littered/test", "littered/train")
    with pytest.raises(DataError, match=r"make .*/inside/test/clean of .*/inside/clean/test"):
        load_dataset(tmp_path / "inside")
    of_class(tmp_path / "days", "clean/monday", "clean/tuesday", "littered/monday")
    assert load_dataset(tmp_path / "days").classes == ("clean", "littered")


def test_one_folder_too_far_out_names_the_one_to_give(tmp_path: Path) -> None:
    of_class(tmp_path, "dataset/a", "dataset/b")
    with pytest.raises(DataError, match=r"has one folder, which has folders of its own \(a, b\). Give .*/dataset"):
        load_dataset(tmp_path)
    of_class(tmp_path / "deep", "dataset/images/a", "dataset/images/b")
    with pytest.raises(DataError, match=r"folders of its own \(a, b\)\. Give .*/deep/dataset/images$"):
        load_dataset(tmp_path / "deep")


def test_what_archives_leave_is_no_class(tmp_path: Path) -> None:
    of_class(tmp_path, "a", "b")
    photos(tmp_path, "__MACOSX/a/._0.png", "a/__MACOSX/1.png", "@eaDir/x.png")
    dataset = load_dataset(tmp_path)
    assert dataset.classes == ("a", "b") and len(dataset.samples) == 12
    assert "__MACOSX" in warnings(dataset)["hidden-files"]


# --- names -----------------------------------------------------------------------------------------------------------


def test_names_that_differ_in_case_only_are_named(tmp_path: Path) -> None:
    of_class(tmp_path, "Clean", "clean", "littered")
    dataset = load_dataset(tmp_path)
    assert dataset.classes == ("Clean", "clean", "littered")
    assert "'Clean' and 'clean' differ only in case" in warnings(dataset)["similar-classes"]


def test_a_class_that_is_a_missing_value_is_named(tmp_path: Path) -> None:
    of_class(tmp_path, "clean", "littered", "NaN")
    assert "may be photos without a label: 1 ('NaN')" in warnings(load_dataset(tmp_path))["missing-labels"]


def test_names_of_other_form_are_one_class(tmp_path: Path) -> None:
    other = unicodedata.normalize("NFD", "röt")
    of_class(tmp_path, "röt", "grün", "gelb ")
    photos(tmp_path, *(f"{other}/x{number}.png" for number in range(3)))
    dataset = load_dataset(tmp_path)
    assert dataset.classes == ("gelb", "grün", "röt")
    assert r"'r\xf6t' and 'ro\u0308t' differ only in Unicode form" in warnings(dataset)["merged-classes"].replace(
        r"'ro\u0308t' and 'r\xf6t'", r"'r\xf6t' and 'ro\u0308t'"
    )


def test_classes_are_matched_without_marks_and_a_hidden_difference_is_shown(tmp_path: Path) -> None:
    of_class(tmp_path, "green", "red")
    assert load_dataset(tmp_path, classes=("\ufeffred", "green ")).classes == ("red", "green")
    with pytest.raises(DataError, match="'green' and 'Green' differ only in case"):
        load_dataset(tmp_path, classes=("red", "Green"))
    with pytest.raises(DataError, match="names 'red' twice"):
        load_dataset(tmp_path, classes=("red", "red ", "green"))


@pytest.mark.parametrize(
    ("first", "second", "kinds"),
    [
        ("green", "Green", "case"),
        ("green", "green ", "spaces"),
        ("green", "\ufeffgreen", "invisible marks"),
        ("gr\u00fcn", "gru\u0308n", "Unicode form"),
        ("green", " GREEN", "case and spaces"),
    ],
)
def test_a_difference_that_nobody_sees_is_named(first: str, second: str, kinds: str) -> None:
    assert str(describe_difference(first, second)).endswith(f" differ only in {kinds}")
    assert describe_difference(first, "red") is None and describe_difference(first, first) is None


def test_names_that_are_not_utf8_come_through_to_the_saved_dataset(tmp_path: Path) -> None:
    of_class(tmp_path / "photos", "red")
    for number in range(6):
        folder = os.fsencode(tmp_path / "photos") + b"/caf\xe9"
        make.write(Path(os.fsdecode(folder + b"/stra\xdfe%d.png" % number)), make.content(50 + number))
    dataset = load_dataset(tmp_path / "photos")
    assert dataset.classes == ("café", "red") and "café/straße0.png" in {sample.id for sample in dataset.samples}
    assert "photos/café" in warnings(dataset)["names-not-utf8"]
    dataset.save(tmp_path / "dataset.json")
    loaded = Dataset.load(tmp_path / "dataset.json")
    assert loaded == dataset and all(loaded.read(sample).shape for sample in loaded.samples)
    dataset.summary_line().encode()


# --- files -----------------------------------------------------------------------------------------------------------


def test_pipes_devices_sockets_and_broken_links_are_named_and_do_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_class(tmp_path, "a", "b")
    os.mkfifo(tmp_path / "a/pipe.jpg")
    (tmp_path / "a/zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "a/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    with (tmp_path / "b/huge.jpg").open("wb") as stream:
        stream.truncate(40 << 30)
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)
        server.bind("b/socket.jpg")
        dataset = load_dataset(tmp_path)
    message = warnings(dataset)["undecodable"]
    for part in ("a pipe", "a device", "a socket", "40.0 GiB", "No such file"):
        assert part in message
    assert len(dataset.samples) == 12
    os.mkfifo(tmp_path / "photos.csv")
    with pytest.raises(DataError, match="it is a pipe, not a file"):
        load_dataset(tmp_path / "photos.csv")


def test_suffixes_are_those_of_the_decoder(tmp_path: Path) -> None:
    for number, suffix in enumerate((".jfif", ".jpe", ".mpo", ".apng", ".dib", ".JPEG")):
        kind = {".mpo": "MPO", ".apng": "PNG", ".dib": "BMP"}.get(suffix, "JPEG")
        make.write(tmp_path / f"a/x{suffix}", make.content(60 + number, kind))
    of_class(tmp_path, "b")
    dataset = load_dataset(tmp_path)
    assert "classes: a 6, b 6" in dataset.summary_line() and not dataset.warnings


def test_avif_is_read_where_pillow_can(tmp_path: Path) -> None:
    from PIL import features

    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    of_class(tmp_path, "b")
    for number in range(6):
        make.write(tmp_path / f"a/{number}.avif", make.content(40 + number, "AVIF"))
    assert "classes: a 6, b 6" in load_dataset(tmp_path).summary_line()


def test_a_class_of_photos_that_need_a_plug_in_says_so(tmp_path: Path) -> None:
    of_class(tmp_path, "b")
    make.write(tmp_path / "a/1.heic", b"\0\0\0\x18ftypheic")
    if importlib.util.find_spec("pillow_heif"):
        pytest.skip("the plug-in is installed")
    with pytest.raises(DataError, match=r"no usable photo of class a .*pip install pillow-heif.*a/1.heic"):
        load_dataset(tmp_path)
    make.write(tmp_path / "a/2.jpg", b"\0\0\0\x18ftypheic")
    with pytest.raises(DataError, match=r"a/2.jpg is a HEIC photo. To use such photos, install"):
        load_dataset(tmp_path)


def test_too_little_memory_is_no_damaged_photo(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (9000, 9000)).save(tmp_path / "big.png")
    code = (
        "import resource, sys\n"
        "from edgekd import preprocess_photo, Preprocessing\n"
        "from edgekd.errors import MemoryShortage\n"
        "from PIL import Image; Image.init()\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20),) * 2)\n"
        "try: preprocess_photo(sys.argv[1], None, Preprocessing(height=8, width=8))\n"
        "except MemoryShortage as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "big.png")], capture_output=True, text=True, check=False
    )
    assert "not enough memory to decode" in done.stdout, done.stderr


def test_one_line_says_what_was_read(tmp_path: Path) -> None:
    of_class(tmp_path, *(f"c{number:02d}" for number in range(14)))
    line = load_dataset(tmp_path).summary_line()
    assert line.startswith("84 photos; classes: c00 6, c01 6") and "… 3 more; splits: train" in line
    assert len(list_class_folders(tmp_path).classes) == 14
