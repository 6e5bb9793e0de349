"""Photos as features, and their divisions for the benchmark of class words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from encoder_files import cut

from edgekd.preprocess import Preprocessing, preprocess
from edgekd.teacher.encoder import open_encoder
from edgekd.teacher.files import EncoderFile
from edgekd.teacher.words import ClassWords, read_words
from edgekd.teacher.words_head import zero_shot_head
from edgekd.training.scores import mean_loss

PIXELS = {"pixel_range": (0.0, 255.0)}
_SCALES = (1, 2, 5, 10, 20, 30, 50, 70, 100)


@dataclass(frozen=True)
class Setting:
    """The sizes of one form."""

    input_size: int
    held_out: int
    test: int
    labels: tuple[int, ...]
    draws: int
    runs: int
    views: int
    epochs: int
    student: str


@dataclass(frozen=True)
class Photos:
    """All photos: their files, class numbers [N], features [N, D], and the names of the classes."""

    files: tuple[Path, ...]
    labels: npt.NDArray[np.int64]
    features: npt.NDArray[np.float32]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Draw:
    """One division of the photos, as numbers: for the table, for the test, and the rest in a random order."""

    seed: int
    table: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]
    rest: npt.NDArray[np.int64]


def encoder_network(size: int, short: bool) -> Any:
    """The network before its head; of the short form, the mean of its first convolution."""
    import keras

    network = cut("efficientnet-lite0", size)
    if not short:
        return network
    return keras.Model(network.inputs, keras.layers.GlobalAveragePooling2D()(network.get_layer("stem_relu").output))


def read_photos(folder: Path, encoder_file: Path, size: int) -> Photos:
    """Every photo through the encoder, once."""
    classes = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))
    files = [file for name in classes for file in sorted((folder / name).iterdir())]
    preprocessing = Preprocessing(height=size, width=size)

    def images(paths: Sequence[Path]) -> npt.NDArray[np.uint8]:
        return np.stack([preprocess(path, path.name, preprocessing) for path in paths])

    settings = EncoderFile(model=str(encoder_file), **PIXELS)
    encoder = open_encoder(settings, lambda _: images(files[:8]))
    features = [encoder.features(images(files[start : start + 64])) for start in range(0, len(files), 64)]
    labels = np.array([classes.index(file.parent.name) for file in files])
    return Photos(tuple(files), labels, np.concatenate(features), classes)


def draw_photos(photos: Photos, setting: Setting, seed: int) -> Draw:
    """The division of one seed: as many photos of every class for the table, any for the test."""
    order = np.random.default_rng(seed).permutation(len(photos.labels))
    table = np.concatenate([order[photos.labels[order] == c][: setting.held_out] for c in range(len(photos.classes))])
    others = order[~np.isin(order, table)]
    return Draw(seed, table, others[: setting.test], others[setting.test :])


def make_words(path: Path, photos: Photos, draw: Draw) -> ClassWords:
    """The stand-in for text vectors, written as a table and read again."""
    of_class = [draw.table[photos.labels[draw.table] == c] for c in range(len(photos.classes))]
    # Every photo is a prompt: they are averaged after each is normalized.
    most = min(len(numbers) for numbers in of_class) * 2 // 3
    vectors = np.stack([photos.features[numbers[:most]] for numbers in of_class])
    np.savez(path, classes=np.array(photos.classes), vectors=vectors, logit_scale=1.0)
    words, rest = read_words(path), np.concatenate([numbers[most:] for numbers in of_class])

    def loss(scale: float) -> float:
        logits = zero_shot_head(replace(words, logit_scale=scale), None).logits(photos.features[rest])
        return mean_loss(logits, photos.labels[rest])

    np.savez(path, classes=np.array(photos.classes), vectors=vectors, logit_scale=float(min(_SCALES, key=loss)))
    return read_words(path)


def choose_labelled(photos: Photos, draw: Draw, each: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Photos of each class to learn from, and about a fifth as many to judge by."""
    parts = [draw.rest[photos.labels[draw.rest] == c][:each] for c in range(len(photos.classes))]
    judging = max(1, each // 5)
    return np.concatenate([part[judging:] for part in parts]), np.concatenate([part[:judging] for part in parts])
