from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from decided_files import with_decision
from numpy.typing import NDArray
from PIL import Image

from edgekd.cli.predict_command import command
from edgekd.errors import DecodeError
from edgekd.formats.decision import Decision
from edgekd.preprocess import preprocess
from edgekd.runtime import open_runner, predict
from edgekd.task import NONE_LABEL


def test_answers_are_the_runners_on_preprocessed_bytes(
    exported: dict[str, Any], images: NDArray[np.uint8], tmp_path: Path
) -> None:
    paths = [tmp_path / "photo.png", tmp_path / "disguised.jpg", tmp_path / "clear.png"]
    Image.fromarray(images[0]).resize((120, 80)).save(paths[0])
    Image.fromarray(images[1]).save(paths[1], format="WEBP")
    Image.fromarray(images[2]).convert("RGBA").save(paths[2])
    for name in ("int8.tflite", "int8.onnx"):
        artifact = exported[name]
        answers = predict(artifact, paths)
        assert [answer.path for answer in answers] == paths
        assert [answer.notes for answer in answers] == [(), ("WEBP named .jpg",), ("RGBA",)]
        pixels = np.stack([preprocess(p.read_bytes(), p.name, artifact.preprocessing) for p in paths])
        rows = open_runner(artifact).run(pixels)
        for answer, row in zip(answers, rows, strict=True):
            assert answer.label == artifact.labels[int(row.argmax())]
            assert answer.probability == row.max()
            assert answer.probabilities == dict(zip(artifact.labels, row.tolist(), strict=True))


def test_what_is_no_photo_is_named(exported: dict[str, Any], tmp_path: Path) -> None:
    cut = tmp_path / "cut.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(cut)
    cut.write_bytes(cut.read_bytes()[:900])
    with pytest.raises(DecodeError, match=r"cut\.jpg is damaged or cut short"):
        predict(exported["int8.onnx"], [cut])
    with pytest.raises(DecodeError, match=r"gone\.jpg cannot be read: No such file"):
        predict(exported["int8.onnx"], [tmp_path / "gone.jpg"])


def test_paths_may_be_strings(exported: dict[str, Any], images: NDArray[np.uint8], tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(images[0]).save(photo)
    artifact = exported["int8.tflite"]
    assert predict(str(artifact.path), [str(photo)]) == predict(artifact, [photo]) == predict(artifact, str(photo))
    assert open_runner(str(artifact.path)).artifact == open_runner(artifact).artifact


@pytest.fixture(scope="module")
def photos(images: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / f"{number:02d}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


@pytest.mark.parametrize("name", ["int8.tflite", "int8.onnx", "float32.tflite", "float32.onnx"])
def test_a_photo_gets_the_tags_that_reach_their_thresholds(
    decided: dict[str, Any], photos: list[Path], name: str
) -> None:
    artifact = decided[f"tags.{name}"]
    least = dict(zip(artifact.labels, artifact.decision.thresholds, strict=True))
    answers = predict(artifact, photos)
    for one in answers:
        assert one.answer.labels == tuple(label for label, p in one.probabilities.items() if p >= least[label])
    # Sigmoids: not one of them has to be large, and several may be.
    assert {len(one.answer.labels) for one in answers} >= {0, 1, 2}


@pytest.mark.parametrize("name", ["int8.tflite", "float32.onnx"])
def test_a_photo_may_show_none_of_the_classes(decided: dict[str, Any], photos: list[Path], name: str) -> None:
    rejecting = predict(decided[f"reject.{name}"], photos)
    for one in rejecting:
        shown = one.probability >= 0.6 and one.label != "kerb & gutter"
        assert one.answer.labels == ((one.label,) if shown else ())
    assert {one.label for one in rejecting if one.answer.is_none} == {"crossing", "kerb & gutter", "Straße"}


def test_the_command_says_tags_and_none(decided: dict[str, Any], photos: list[Path]) -> None:
    for kind in ("tags", "reject"):
        artifact = decided[f"{kind}.int8.tflite"]
        wanted = predict(artifact, photos)
        said = CliRunner().invoke(command, [str(artifact.path), *map(str, photos)], catch_exceptions=False)
        lines = dict(re.findall(r"(\d\d\.png): ([^\n]+)", said.output.replace("\n ", " ")))
        for one in wanted:
            tags = ", ".join(f"{label} {one.probabilities[label]:.1%}" for label in one.answer.labels)
            nearest = f"none of these (most probable: {one.label} {one.probability:.1%})"
            assert lines[one.path.name] == (tags or nearest)
        out = CliRunner().invoke(command, [str(artifact.path), *map(str, photos), "--json"], catch_exceptions=False)
        assert [row["answer"] for row in json.loads(out.stdout)] == [list(one.answer.labels) for one in wanted]
        none = sum(one.answer.is_none for one in wanted)
        assert f"none of these {none}" in " ".join(out.stderr.split())


def test_a_class_of_none_is_said_once(exported: dict[str, Any], photos: list[Path], tmp_path: Path) -> None:
    labels = (*exported["int8.onnx"].labels[:2], NONE_LABEL)
    renamed = replace(exported["int8.onnx"], labels=labels)
    artifact = with_decision(renamed, tmp_path / "none.onnx", Decision(none_label=NONE_LABEL))
    wanted = predict(artifact, photos)
    assert {one.label == NONE_LABEL for one in wanted} == {True, False}
    said = CliRunner().invoke(command, [str(artifact.path), *map(str, photos)], catch_exceptions=False)
    lines = dict(re.findall(r"(\d\d\.png): ([^\n]+)", said.output.replace("\n ", " ")))
    assert lines == {one.path.name: f"{one.label} {one.probability:.1%}" for one in wanted}
    assert all(one.answer.labels == (() if one.label == NONE_LABEL else (one.label,)) for one in wanted)
