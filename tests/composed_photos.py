"""Photos with several tags, composed of photos that have one label each: pairs and triples side by side, by a seed."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from edgekd.data.dataset import Dataset

SPLITS = ("train", "val", "test")
Parts = Mapping[str, Sequence[Path]]
# Cells of a composition, as shares of its side: left, top, right, bottom.
_Cell = tuple[float, float, float, float]
_LAYOUTS: dict[int, tuple[tuple[_Cell, ...], ...]] = {
    1: (((0, 0, 1, 1),),),
    2: (
        ((0, 0, 0.5, 1), (0.5, 0, 1, 1)),
        ((0, 0, 1, 0.5), (0, 0.5, 1, 1)),
    ),
    3: (
        ((0, 0, 0.5, 1), (0.5, 0, 1, 0.5), (0.5, 0.5, 1, 1)),
        ((0, 0, 1, 0.5), (0, 0.5, 0.5, 1), (0.5, 0.5, 1, 1)),
    ),
}


def parts_by_split(dataset: Dataset, prefix: str = "") -> dict[str, dict[str, list[Path]]]:
    """The labelled photos of a dataset by split and class, for ``compose_photos``: its splits keep duplicates apart.

    ``prefix`` is put before the names of classes, for several datasets side by side.
    """
    parts: dict[str, dict[str, list[Path]]] = {split: {} for split in SPLITS}
    for sample in dataset.samples:
        if sample.label is not None:
            name = prefix + dataset.classes[sample.label]
            parts[sample.split].setdefault(name, []).append(sample.path)
    return parts


def compose_photos(
    folder: Path,
    parts: Mapping[str, Parts],
    counts: Mapping[str, int],
    *,
    without: Mapping[str, Sequence[Path]] | None = None,
    most: int = 3,
    side: int = 224,
    seed: int = 0,
) -> Path:
    """Write ``photos/NNNN.jpg`` and ``tags.csv`` (filename, labels, split) into ``folder``; returns the CSV.

    A photo shows one to ``most`` parts of different tags, drawn by ``seed``; its labels are all of theirs. A part is
    seen in its own split alone, so that nothing of a test photo is ever trained on; it may be seen several times there,
    but not before all of its tag have been.

    Args:
        folder: Where the photos go.
        parts: Photos by split ("train", "val", "test") and tag.
        counts: How many photos to compose for each split.
        without: Photos by split that show no tag. Each becomes a photo with an empty labels cell, after the composed
            ones.
        most: Parts of a photo at most: 1, 2 or 3.
        side: Pixels of a side.
        seed: What everything is drawn by.
    """
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, str, str]] = []
    for number, split in enumerate(split for split in SPLITS if split in counts):
        random = np.random.default_rng([seed, number])
        turns = {tag: _Turns(paths, random) for tag, paths in sorted(parts[split].items())}
        tags = list(turns)
        for _ in range(counts[split]):
            shown = random.choice(len(tags), 1 + int(random.integers(min(most, len(tags)))), replace=False)
            chosen = [tags[place] for place in shown]
            photo = _compose([turns[tag].next() for tag in chosen], side, random)
            rows.append((_save(photo, folder, len(rows)), "|".join(sorted(chosen)), split))
        for path in (without or {}).get(split, ()):
            rows.append((_save(_compose([path], side, random), folder, len(rows)), "", split))
    table = folder / "tags.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("filename", "labels", "split"), *rows])
    return table


class _Turns:
    """Photos one after the other, in a new random order each time that all have been seen."""

    def __init__(self, paths: Sequence[Path], random: np.random.Generator) -> None:
        self._paths, self._random = sorted(paths), random
        self._rest: list[Path] = []

    def next(self) -> Path:
        if not self._rest:
            self._rest = [self._paths[place] for place in self._random.permutation(len(self._paths))]
        return self._rest.pop()


def _compose(paths: Sequence[Path], side: int, random: np.random.Generator) -> Image.Image:
    layouts = _LAYOUTS[len(paths)]
    cells = layouts[int(random.integers(len(layouts)))]
    canvas = Image.new("RGB", (side, side))
    for path, place in zip(paths, random.permutation(len(cells)), strict=True):
        left, top, right, bottom = (round(side * share) for share in cells[place])
        with Image.open(path) as photo:
            part = ImageOps.fit(photo.convert("RGB"), (right - left, bottom - top), Image.Resampling.BICUBIC)
        canvas.paste(part, (left, top))
    return canvas


def _save(photo: Image.Image, folder: Path, number: int) -> str:
    name = f"photos/{number:04d}.jpg"
    photo.save(folder / name, quality=92)
    return name
