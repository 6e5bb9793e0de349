"""Models of tags, exported: several sigmoids, or logits that are said to be tags', in every format and precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny_student import LABELS, SIZE, smooth_images

from edgekd.errors import ExportError
from edgekd.export.exporter import export
from edgekd.foreign.open_model import open_model
from edgekd.preprocess import Preprocessing
from edgekd.runtime.open import open_runner

IMAGES = smooth_images(16, SIZE, seed=5)
PREPROCESSING = Preprocessing(height=SIZE, width=SIZE)


def with_ending(student: Any, ending: str) -> Any:
    """The student with sigmoids by a layer, by an op, or as it is."""
    if ending == "logits":
        return student
    output = (
        keras.layers.Activation("sigmoid")(student.output) if ending == "layer" else keras.ops.sigmoid(student.output)
    )
    return keras.Model(student.input, output, name="tags")


def sigmoids(student: Any) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(student(IMAGES.astype(np.float32)), np.float64)))


def test_every_precision_and_format_gives_sigmoids(student: Any, tmp_path: Path) -> None:
    artifacts = export(
        with_ending(student, "layer"), tmp_path, "tags", labels=LABELS, preprocessing=PREPROCESSING, calibration=IMAGES,
        precisions=("float32", "int8", "float16"), formats=("tflite", "onnx", "ort"),
    )  # fmt: skip
    assert len(artifacts) == 7
    for artifact in artifacts:
        assert (artifact.scores, artifact.decision.task) == ("independent", "multi-label")
        assert artifact.decision.thresholds == (0.5,) * 3
        assert artifact.outputs[0].name == "probabilities"
        far = {"float32": 1e-4, "float16": 0.01, "int8": 0.1}[artifact.precision]
        assert np.abs(open_runner(artifact).run(IMAGES) - sigmoids(student)).max() < far


@pytest.mark.parametrize("ending", ["op", "logits"])
def test_an_op_is_a_sigmoid_too_and_logits_get_one(student: Any, ending: str, tmp_path: Path) -> None:
    (artifact,) = export(
        with_ending(student, ending), tmp_path, "tags", labels=LABELS, preprocessing=PREPROCESSING,
        precisions=("float32",), formats=("tflite",), task="multi-label" if ending == "logits" else None,
    )  # fmt: skip
    assert np.abs(open_runner(artifact).run(IMAGES) - sigmoids(student)).max() < 1e-4
    assert open_model(artifact.path).decision.task == "multi-label"


def test_integers_give_bytes_of_sigmoids(student: Any, tmp_path: Path) -> None:
    files = export(
        with_ending(student, "layer"), tmp_path, "tags", labels=LABELS, preprocessing=PREPROCESSING, calibration=IMAGES,
        precisions=("int8",), output="uint8",
    )  # fmt: skip
    rows = [open_runner(artifact).run(IMAGES) for artifact in files]
    assert (files[0].outputs[0].scale, files[0].outputs[0].zero_point) == (1 / 256, 0)
    assert np.abs(rows[0] - rows[1]).max() <= 2 / 256 and rows[0].sum(axis=1).max() > 1.5


def test_an_ending_that_contradicts_the_task_is_refused(student: Any, tmp_path: Path) -> None:
    softmax = keras.Model(student.input, keras.layers.Softmax()(student.output), name="choice")
    given = {"labels": LABELS, "preprocessing": PREPROCESSING, "precisions": ("float32",)}
    with pytest.raises(ExportError, match="choice ends in softmax; tags need a sigmoid each"):
        export(softmax, tmp_path, "tags", task="multi-label", **given)
    with pytest.raises(ExportError, match=r"ends in sigmoid; logits .* Several sigmoids are of tags"):
        export(with_ending(student, "layer"), tmp_path, "tags", task="single-label", **given)
    assert not list(tmp_path.iterdir())
