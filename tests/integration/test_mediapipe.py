"""MediaPipe Tasks' ImageClassifier, in an environment of its own, reads our files unaided and agrees with us."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decided_files import with_decision
from PIL import Image
from warm import edgekd

from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.errors import DataError
from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Decision
from edgekd.preprocess import Preprocessing, preprocess
from edgekd.runtime.predict import Prediction, predict

CLIENT = Path(__file__).parents[1] / "clients/mediapipe_client.py"
VARIABLE = "EDGEKD_MEDIAPIPE_PYTHON"
PREPROCESSING = Preprocessing(height=48, width=48)
LABELS = ("green", "red", "yellow")


@pytest.fixture(scope="module")
def python() -> str:
    found = os.environ.get(VARIABLE)
    if not found:
        pytest.skip(f"{VARIABLE} does not name a Python with mediapipe")
    return found


@pytest.fixture(scope="module")
def folders() -> tuple[Path, Path]:
    """Photos to learn from, and 297 others."""
    try:
        return traffic_light_folders()
    except DataError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def photos(folders: tuple[Path, Path]) -> list[Path]:
    return sorted(path for label in LABELS for path in (folders[1] / label).iterdir())


@pytest.fixture(scope="module")
def files(python: str, folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """A small student that has learned enough to have opinions, in int8 and float32."""
    import keras
    from keras import layers

    from edgekd.export.exporter import export

    paths = [(path, number) for number, label in enumerate(LABELS) for path in sorted((folders[0] / label).iterdir())]
    images = np.stack([preprocess(path.read_bytes(), path.name, PREPROCESSING) for path, _ in paths])
    keras.utils.set_random_seed(0)
    image = keras.Input((48, 48, 3))
    x = layers.Rescaling(1 / 255)(image)
    for filters in (8, 16, 32):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.8)(x))
    model = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    rate = keras.optimizers.schedules.CosineDecay(5e-3, 16 * len(images) // 32)
    model.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images.astype(np.float32), np.array([n for _, n in paths]), batch_size=32, epochs=16, verbose=0)
    made = export(
        model, tmp_path_factory.mktemp("mediapipe"), "student", labels=LABELS, preprocessing=PREPROCESSING,
        formats=("tflite",), calibration=images[::8],
    )  # fmt: skip
    return {artifact.precision: artifact for artifact in made}


def ask_mediapipe(python: str, artifact: Artifact, paths: list[Path]) -> list[dict[str, Any]]:
    (answers,) = ask_mediapipe_of(python, [artifact], paths)
    return answers


def ask_mediapipe_of(python: str, artifacts: list[Artifact], paths: list[Path]) -> list[list[dict[str, Any]]]:
    argv = [python, str(CLIENT), *(str(artifact.path) for artifact in artifacts)]
    text = "\n".join(map(str, paths))
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout)["answers"])


def ask_edgekd(artifact: Artifact, paths: list[Path]) -> list[dict[str, Any]]:
    done = edgekd("predict", artifact.path, *paths, "--json")
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def differing(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[tuple[str, str]]:
    pairs = [(our["label"], their["top"]) for our, their in zip(ours, theirs, strict=True)]
    return [(our, their) for our, their in pairs if our != their]


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_mediapipe_says_what_predict_says(
    python: str, files: dict[str, Artifact], photos: list[Path], tmp_path: Path, precision: str
) -> None:
    artifact = files[precision]
    # Its own resize has another kernel, so it gets the pixels of our specification, as an app should give them.
    prepared = [tmp_path / f"{number}.png" for number in range(len(photos))]
    for photo, path in zip(photos, prepared, strict=True):
        Image.fromarray(preprocess(photo.read_bytes(), photo.name, artifact.preprocessing)).save(path)
    ours, theirs = ask_edgekd(artifact, photos), ask_mediapipe(python, artifact, prepared)
    # It may break a tie of two integers the other way: none here does.
    assert len(ours) == 297
    assert differing(ours, theirs) == []
    right = [their["top"] == photo.parent.name for their, photo in zip(theirs, photos, strict=True)]
    assert sum(right) / len(right) > 0.8
    for our, their in zip(ours, theirs, strict=True):
        assert their["head"] == "probabilities"
        assert their["scores"] == pytest.approx(our["probabilities"], abs=1e-5)


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_photos_as_they_are_differ_by_its_resize_alone(
    python: str, files: dict[str, Artifact], photos: list[Path], precision: str
) -> None:
    # It decodes with another JPEG decoder, and resizes from corner to corner and without smoothing.
    ours, theirs = ask_edgekd(files[precision], photos), ask_mediapipe(python, files[precision], photos)
    assert len(differing(ours, theirs)) <= 0.02 * len(photos)


def test_mediapipe_gives_the_tags_that_predict_gives(
    python: str, files: dict[str, Artifact], photos: list[Path], tmp_path: Path
) -> None:
    artifact, some = files["int8"], photos[::8]
    prepared = [tmp_path / f"{number}.png" for number in range(len(some))]
    for photo, path in zip(some, prepared, strict=True):
        Image.fromarray(preprocess(photo.read_bytes(), photo.name, artifact.preprocessing)).save(path)
    # Thresholds that are probabilities of a photo, a number above one, and what no photo is below.
    even = with_decision(artifact, tmp_path / "even.tflite", Decision("multi-label", (0.5, 0.5, 0.5)))
    found = np.array([list(one.probabilities.values()) for one in predict(even, prepared)])
    exact = tuple(float(value) for value in np.quantile(found, 0.7, axis=0, method="nearest"))
    rules = {
        "exact": Decision("multi-label", exact),
        "above": Decision("multi-label", tuple(float(np.nextafter(value, 1)) for value in exact)),
        "low": Decision("multi-label", (0.0, *exact[1:])),
        "reject": Decision(reject_below=0.7),
    }
    made = [even, *(with_decision(artifact, tmp_path / f"{name}.tflite", rule) for name, rule in rules.items())]
    answered, counts = ask_mediapipe_of(python, made, prepared), {}
    for one, theirs in zip(made, answered, strict=True):
        ours = predict(one, prepared)
        given = [
            set(their["scores"]) if one.decision.task == "multi-label" else {their["top"]} - {None} for their in theirs
        ]
        assert given == [set(our.answer.labels) for our in ours], one.path.name
        assert largest_difference(ours, theirs) < 1e-6
        counts[one.path.stem] = {len(our.answer.labels) for our in ours}
    assert counts["exact"] >= {0, 1} and counts["reject"] == {0, 1} and 0 not in counts["low"]
    assert {2, 3} & (counts["even"] | counts["exact"])


def largest_difference(ours: list[Prediction], theirs: list[dict[str, Any]]) -> float:
    """Between scores of labels that are given."""
    pairs = zip(ours, theirs, strict=True)
    return max(
        abs(our.probabilities[label] - score) for our, their in pairs for label, score in their["scores"].items()
    )
