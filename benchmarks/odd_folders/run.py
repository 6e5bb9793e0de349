"""What is said for folders and CSVs that are not what edgekd expects: a table of each case and the answer.

    python benchmarks/odd_folders/run.py [--out DIR]    --short is the same: it takes seconds

Every case is made in a temporary folder of drawn photos and loaded as `edgekd run` and `edgekd check` load it. "read"
is the line that commands print, "note" a warning, "error" what ends the command.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, run_script, write_results

from edgekd import load_dataset
from edgekd.errors import EdgekdError

Maker = Callable[[Path], Path]
_COUNT = 6


def photo(seed: int, kind: str = "PNG") -> bytes:
    """A photo of its own for every seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((32, 24), Image.Resampling.BICUBIC).save(stream, kind)
    return stream.getvalue()


class Writer:
    """Writes photos that are all different."""

    def __init__(self, root: Path) -> None:
        self.root, self._seed = root, 0

    def photos(self, *folders: str, count: int = _COUNT, suffix: str = ".png", kind: str = "PNG") -> Writer:
        """So many photos in each of the folders."""
        for folder in folders:
            for number in range(count):
                self.file(f"{folder}/{number}{suffix}", photo(self._seed, kind))
                self._seed += 1
        return self

    def file(self, name: str, content: bytes) -> Writer:
        """A file and the folders it needs."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return self


def folders(*names: str) -> Maker:
    """A case that is a folder with these folders of photos."""
    return lambda root: Writer(root).photos(*names).root


def table(text: str, encoding: str = "utf-8") -> Maker:
    """A case that is a CSV next to green/0.png … and röt/0.png …; ``{}`` in ``text`` is the number of a photo."""

    def make(root: Path) -> Path:
        Writer(root).photos("green", "röt")
        head, green, red = text.split("|")
        lines = [head, *(line.replace("{}", str(n)) for n in range(_COUNT) for line in (green, red))]
        Writer(root).file("photos.csv", "\n".join([*lines, ""]).encode(encoding))
        return root / "photos.csv"

    return make


def odd_files(root: Path) -> Path:
    """Class folders with a pipe, a device, a file of 40 GB and a broken link in them."""
    Writer(root).photos("clean", "littered")
    os.mkfifo(root / "clean/pipe.jpg")
    (root / "clean/zero.jpg").symlink_to("/dev/zero")
    (root / "littered/gone.jpg").symlink_to("nowhere.jpg")
    with (root / "littered/huge.jpg").open("wb") as stream:
        stream.truncate(40 << 30)
    return root


def latin1_folder(root: Path) -> Path:
    """A class folder and photos whose names are Latin-1."""
    Writer(root).photos("red")
    for number in range(_COUNT):
        name = os.fsdecode(b"caf\xe9/stra\xdfe%d.png" % number)
        Writer(root).file(name, photo(100 + number))
    return root


def two_forms(root: Path) -> Path:
    """One class as two folders, whose names differ in Unicode form only."""
    return Writer(root).photos("röt", "gelb").photos(unicodedata.normalize("NFD", "röt"), count=2).root


def other_suffixes(root: Path) -> Path:
    """A class of .jfif and .mpo, and one of .heic."""
    writer = Writer(root).photos("clean", suffix=".jfif", kind="JPEG").photos("littered", suffix=".mpo", kind="MPO")
    return writer.file("littered/x.heic", b"\0\0\0\x18ftypheic").root


FOLDERS: dict[str, Maker] = {
    "Training/ Testing/ of classes": lambda root: (
        Writer(root).photos("Training/a", "Training/b", "Testing/a", "Testing/b").root
    ),
    "train/ test/ of photos": folders("train", "test"),
    "clean littered unlabelled": folders("clean", "littered", "unlabelled"),
    "seg_train seg_test seg_pred": folders("seg_train/a", "seg_train/b", "seg_test/a", "seg_pred"),
    "clean/train clean/test littered/…": folders("clean/train", "clean/test", "littered/train", "littered/test"),
    "fold1/a fold1/b fold2/a fold2/b": folders("fold1/a", "fold1/b", "fold2/a", "fold2/b"),
    "one folder too far out": folders("dataset/a", "dataset/b"),
    "Clean clean littered": folders("Clean", "clean", "littered"),
    "10 2 1": folders("10", "2", "1"),
    "__MACOSX next to classes": folders("a", "b", "__MACOSX/a"),
    "röt in two Unicode forms": two_forms,
    "Latin-1 names": latin1_folder,
    ".jfif, .mpo, .heic": other_suffixes,
    "a pipe, /dev/zero, 40 GB, a broken link": odd_files,
    "a folder in a folder": folders("set/photos/a", "set/photos/b"),
    "an archive": lambda root: Writer(root).file("photos.zip", b"PK").root / "photos.zip",
    "photos without folders": lambda root: Writer(root).file("0.png", photo(0)).root,
}
CSVS: dict[str, Maker] = {
    "semicolons, byte order mark": table("filename;label|green/{}.png;g|röt/{}.png;r", "utf-8-sig"),
    "sep=; of Excel": table("sep=;\nfilename;label|green/{}.png;g|röt/{}.png;r"),
    "UTF-16 with tabs": table("filename\tlabel|green/{}.png\tg|röt/{}.png\tr", "utf-16"),
    "Windows-1252": table("filename,label|green/{}.png,g|röt/{}.png,r", "cp1252"),
    "backslashes": table("filename,label|green\\{}.png,g|röt\\{}.png,r"),
    "absolute Windows names": table("filename,label|C:\\photos\\green\\{}.png,g|C:\\photos\\röt\\{}.png,r"),
    "absolute names of another home": table("filename,label|/home/me/p/green/{}.png,g|/home/me/p/röt/{}.png,r"),
    "other case": table("Filename,Label|Green/{}.PNG,g|röt/{}.png,r"),
    "other Unicode form": table("filename,label|green/{}.png,g|" + unicodedata.normalize("NFD", "röt/{}.png,r")),
    "labels with spaces, case": table("filename,label|green/{}.png, g|röt/{}.png,G"),
    "names without suffix": table("filename,label|green/{},g|röt/{},r"),
    "names outside the folder": table("filename,label|../green/{}.png,g|röt/{}.png,r"),
    "columns of other names": table("file,class|green/{}.png,g|röt/{}.png,r"),
    "a numbered column first, as pandas writes": table(",filename,label|{},green/{}.png,g|{},röt/{}.png,r"),
    "no column of labels": table("filename,g,r|green/{}.png,1,0|röt/{}.png,0,1"),
    "no names of columns": table("green/0.png,g|green/{}.png,g|röt/{}.png,r"),
    "a class called nan": table("filename,label|green/{}.png,nan|röt/{}.png,r"),
    "not a text": lambda root: Writer(root).file("photos.csv", b"filename,label\n\x81\x8d\n").root / "photos.csv",
}


def answers(maker: Maker) -> list[str]:
    """What is said of one case."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "photos"
        root.mkdir()
        try:
            dataset = load_dataset(maker(root), progress=lambda done, total: None)
            lines = [f"read   {dataset.summary_line()}", *(f"note   {warning.message}" for warning in dataset.warnings)]
        except EdgekdError as error:
            lines = [f"error  {error}"]
        return [line.replace(str(root), "photos") for line in lines]


def report(results: dict[str, Any]) -> str:
    """Every case and what is said of it, in Markdown."""
    count = sum(map(len, results["answers"].values()))
    tables = [
        f"{count} cases: `read` is the line that commands print, `note` a warning, `error` what ends a command.\n"
    ]
    for title, cases in results["answers"].items():
        rows = "\n".join(f"| {name} | {'<br>'.join(lines).replace('|', '&#124;')} |" for name, lines in cases.items())
        tables.append(f"## {title}\n\n| what is there | what is said |\n|---|---|\n{rows}\n")
    return "\n".join(tables)


def main() -> None:
    """Load every case and write what is said."""
    arguments = Parser(__file__, __doc__).parse()
    groups = {"Folders": FOLDERS, "CSVs": CSVS}
    table = {title: {name: answers(maker) for name, maker in cases.items()} for title, cases in groups.items()}
    results = {"schema": 1, "answers": table}
    write_results(arguments.out, "odd_folders", results, report(results))


if __name__ == "__main__":
    run_script(main)
