from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgekd.errors import DecodeError
from edgekd.preprocess import preprocess
from edgekd.runtime import open_runner, predict


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
