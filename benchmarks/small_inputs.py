"""What a short form takes where its user names nothing: few photos, a small run, the files of a small student."""

from __future__ import annotations

import csv
import gzip
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from edgekd.data.dataset import Dataset

HEAD_ALONE = {"fine_tune_blocks": 0, "self_train": "off"}
"""The keys of [teacher] for what is not about how a teacher is trained, which takes its time."""
COLOURS = ("green", "red", "yellow")


def light_photos(colour: str) -> list[Path]:
    """The packaged photos of traffic lights of one colour that have labels, in the order of their names."""
    from edgekd.data.traffic_lights import traffic_light_folders

    return sorted((traffic_light_folders()[0] / colour).iterdir())


def copied_photos(folder: Path, most: int, photos: Path | None, run: Path | None, each: int) -> list[Path]:
    """Copies whose names are their order: ``most`` of those in ``photos``, else of a run's test photos.

    Where neither is given, ``each`` red and green traffic lights.
    """
    if photos is not None:
        found = sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    elif run is not None:
        found = [sample.path for sample in Dataset.load(run / "data/dataset.json").split("test")]
    else:
        found = light_photos("red")[:each] + light_photos("green")[:each]
    folder.mkdir()
    step = max(1, len(found) // most)
    chosen = found[::step][:most]
    copies = [folder / f"{number:04d}{path.suffix.lower()}" for number, path in enumerate(chosen)]
    for path, copy in zip(chosen, copies, strict=True):
        shutil.copy(path, copy)
    return copies


def labelled_folder(folder: Path, each: int, *, skip: int = 0) -> Path:
    """A folder of class folders with ``each`` traffic lights of every colour."""
    for colour in COLOURS:
        (folder / colour).mkdir(parents=True, exist_ok=True)
        for photo in light_photos(colour)[skip : skip + each]:
            shutil.copy(photo, folder / colour / photo.name)
    return folder


def road_folder(folder: Path, each: int = 15) -> Path:
    """``metadata.csv`` and ``Images/`` as the road photos have them, of red lights (0) and green ones (1)."""
    (folder / "Images").mkdir(parents=True, exist_ok=True)
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["filename", "label"])
        for label, colour in enumerate(("red", "green")):
            for photo in light_photos(colour)[:each]:
                name = f"{colour}-{photo.name}"
                shutil.copy(photo, folder / "Images" / name)
                writer.writerow([name, label])
    return folder


def unlabelled_folder(folder: Path, count: int = 8) -> Path:
    """JPEGs of random gradients."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        corners = np.random.default_rng(number).integers(0, 256, (3, 4, 3), dtype=np.uint8)
        Image.fromarray(corners).resize((160, 120), Image.Resampling.BICUBIC).save(folder / f"{number:03d}.jpg")
    return folder


def fashion_folder(folder: Path, train: int, test: int) -> Path:
    """Random bars, a class each, in the files of Fashion-MNIST: 28 x 28, ten classes."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", train), ("t10k", test)):
        random, labels = np.random.default_rng(count), np.arange(count, dtype=np.uint8) % 10
        pixels = random.integers(0, 64, (count, 28, 28), dtype=np.uint8)
        for image, label in zip(pixels, labels, strict=True):
            image[2 * label + 3 : 2 * label + 7] += 128
        header = len(labels).to_bytes(4, "big")
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(12) + header + pixels.tobytes()))
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(4) + header + labels.tobytes()))
    return folder


def small_run(folder: Path) -> Path:
    """The directory of a whole run with few photos, a teacher at 32 pixels and a student of two epochs."""
    import edgekd
    from edgekd.recipe import parse_recipe

    table = {
        "name": "small",
        "data": {
            "source": str(labelled_folder(folder / "photos", 20)),
            "split": {"val": 0.2, "test": 0.3},
            "views": {"views": 1},
        },
        "teacher": {"model": "efficientnet-lite0", "input_size": 32, **HEAD_ALONE},
        "student": {"model": "cnn:4@32"},
        "distill": {"schedule": {"epochs": 2, "batch_size": 16}},
        "export": {"formats": ["tflite"], "calibration": 32, "teacher_int8": False},
        "gates": {"min_agreement": 0.0},
        "bench": {"launches": 1, "seconds_per_launch": 0.03, "warmup_max_s": 0.03},
    }
    directory = folder / "small"
    edgekd.run(parse_recipe(table, folder / "small.toml"), directory, accept_weak_teacher=True)
    return directory


def small_files(folder: Path) -> dict[str, Path]:
    """The files of a small untrained student of five classes at 32 pixels, by ``precision.format``."""
    from edgekd.quiet import import_keras

    import_keras()
    import keras
    from keras import layers

    from edgekd.export.exporter import export
    from edgekd.preprocess import Preprocessing

    keras.utils.set_random_seed(3)
    image = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    x = layers.ReLU(6.0)(layers.Conv2D(8, 3, strides=2, padding="same")(x))
    x = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, padding="same")(x))
    x = layers.ReLU(6.0)(layers.Conv2D(24, 3, strides=2, padding="same")(x))
    model = keras.Model(image, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 32, 3), dtype=np.uint8)
    exported = export(
        model, folder, "small", labels=tuple("abcde"), preprocessing=Preprocessing(height=32, width=32),
        calibration=pixels, provenance={},
    )  # fmt: skip
    return {f"{artifact.precision}.{artifact.format}": artifact.path for artifact in exported}
