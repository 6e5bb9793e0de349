"""The sets of the benchmark: their photos as class folders, and the recipes of their runs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from small_inputs import HEAD_ALONE

from edgekd.data.dataset import Dataset, Sample
from edgekd.data.images import images_of
from edgekd.data.load import load_dataset
from edgekd.data.splitting import SplitPolicy
from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.preprocess import Preprocessing
from edgekd.recipe import Recipe, parse_recipe

NONE_PHOTOS = 150
FULL: dict[str, Any] = {
    "data": {"split": {"val": 0.25, "test": 0.3}, "views": {"views": 2}},
    "teacher": {
        "model": "efficientnet-lite0",
        "input_size": 96,
        "accept_weak": True,
        **HEAD_ALONE,
    },
    "student": {"model": "slice:6@96"},
    "distill": {"schedule": {"epochs": 10}},
    "quantize": {"ranges": "min-max"},
    "export": {"formats": ["tflite"], "teacher_int8": False},
    "gates": {"min_agreement": 0.0},
}
DECIDE = {"calibrate": True, "reject": True}


@dataclass(frozen=True)
class PhotoSet:
    """A ``name``, and a ``folder`` with a folder of photos for each class."""

    name: str
    folder: Path

    def photos(self) -> list[Path]:
        """All its photos, in the order of their names."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


def photo_set(text: str, work: Path, each: int) -> PhotoSet:
    """NAME=SOURCE[,IMAGES], copied with at most ``each`` photos of a class, drawn by a seed."""
    name, _, places = text.partition("=")
    source, _, images = places.partition(",")
    return _copied(name, Path(source).resolve(), Path(images).resolve() if images else None, work, each)


def traffic_lights(work: Path, each: int) -> PhotoSet:
    """The traffic lights that a package carries."""
    return _copied("lights", list(traffic_light_folders()), None, work, each)


def _copied(name: str, source: Any, images: Path | None, work: Path, each: int) -> PhotoSet:
    folder = work / "photos" / name
    if not folder.is_dir():
        dataset = load_dataset(source, images=images, policy=SplitPolicy(val=0, test=0))
        part = folder.with_name(f"{name}.part")
        shutil.rmtree(part, ignore_errors=True)
        for number, label in enumerate(dataset.classes):
            (part / label).mkdir(parents=True)
            for place, sample in enumerate(_drawn([s for s in dataset.samples if s.label == number], each)):
                shutil.copy(sample.path, part / label / f"{name}-{place:04d}{sample.path.suffix}")
        part.replace(folder)
    return PhotoSet(name, folder)


def _drawn(samples: list[Sample], count: int) -> list[Sample]:
    order = np.random.default_rng(0).permutation(len(samples))[:count]
    return [samples[number] for number in sorted(order)]


def none_folder(photos: PhotoSet, work: Path) -> Path:
    """A folder of some photos of a set, for which it is ``data.none`` of another."""
    folder = work / "none" / photos.name
    if not folder.is_dir():
        part = folder.with_name(f"{photos.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        files = photos.photos()
        for number in np.random.default_rng(1).permutation(len(files))[:NONE_PHOTOS]:
            shutil.copy(files[number], part / files[number].name)
        part.replace(folder)
    return folder


def recipe_of(photos: PhotoSet, *, decide: bool, none: Path | None) -> Recipe:
    """The recipe of a set; ``none`` is a folder of photos that show none of its classes."""
    data = {**FULL["data"], "source": str(photos.folder), **({"none": str(none)} if none else {})}
    decision = {"decide": DECIDE} if decide else {}
    return parse_recipe({**FULL, "name": photos.name, "data": data, **decision}, photos.folder / "recipe.toml")


def images_of_split(dataset: Dataset, split: str, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """The inputs of a split, uint8 [N, H, W, 3]."""
    return images_of(dataset, dataset.split(split), preprocessing)


def foreign_images(photos: PhotoSet, preprocessing: Preprocessing, most: int) -> NDArray[np.uint8]:
    """At most ``most`` photos of a set as inputs of another's model, uint8 [N, H, W, 3]."""
    dataset = load_dataset(photos.folder, policy=SplitPolicy(val=0, test=0))
    return images_of(dataset, _drawn(list(dataset.samples), most), preprocessing)
