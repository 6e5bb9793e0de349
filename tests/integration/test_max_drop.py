"""An int8 file with a guarantee: the ladder in a run, in its report, and where no step holds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import Project

GUARANTEED = """
[quantize]
max_drop = 20
precisions = ["float16", "dynamic", "int16x8"]
"""


@pytest.fixture(scope="module")
def climb_ladder(project: Project, finished: Path) -> Path:
    """The finished run, gone on with from its float student."""
    copy = finished.with_name("guaranteed")
    shutil.copytree(finished, copy)
    recipe = project.recipe("guaranteed")
    recipe.write_text(recipe.read_text() + GUARANTEED)
    done = project.edgekd("run", recipe)
    assert done.returncode == 0, done.stderr
    assert "float student:" in done.stderr and "ranges by min-max:" in done.stderr
    assert done.stderr.count("unchanged") == 6
    return copy


def test_the_run_ships_the_step_that_holds(climb_ladder: Path) -> None:
    told = json.loads((climb_ladder / "quantize" / "quantize.json").read_text())
    *before, last = told["ladder"]["steps"]
    assert last["holds"] and last["drop_points"] <= 20 and not any(step["holds"] for step in before)
    check = json.loads((climb_ladder / "check" / "check.json").read_text())
    rows = {row["row"]: row for row in check["rows"]}
    assert set(rows) == {
        "teacher", "labels_only", "distilled", "int8_tflite", "int8_onnx", "float16_tflite", "dynamic_tflite",
        "int16x8_tflite",
    }  # fmt: skip
    assert rows["float16_tflite"]["agreement"]["differing"] == 0
    assert rows["int16x8_tflite"]["precision"] == "int16x8"
    bench = json.loads((climb_ladder / "bench" / "bench.json").read_text())
    assert {one["name"] for one in bench["measurements"]} >= {"float16_tflite", "dynamic_tflite", "int16x8_tflite"}


def test_the_report_shows_the_ladder_and_says_what_the_precisions_are(climb_ladder: Path) -> None:
    for name in ("report.md", "report.html"):
        text = (climb_ladder / name).read_text()
        assert "Conversion to int8" in text
        assert "ranges by min-max" in text
        assert "int16 activations, int8 weights" in text
        assert "several times slower than the float32 one" in text


def test_a_run_whose_ladder_ends_in_nothing_says_what_every_step_gave(project: Project, spoilt: Path) -> None:
    done = project.edgekd(
        "export", spoilt, "--int8", "--data", "photos", "--out", "none", "--max-drop", "1", "--calibration", "16"
    )
    assert done.returncode == 3, done.stderr
    assert "no int8 file is within 1 points of the float student's" in done.stderr
    for step in ("ranges by min-max:", "ranges by percentile:", "ranges by mse:", "1 op of", "2 ops of", "4 ops of"):
        assert step in done.stderr
    # Nothing is written where nothing holds.
    assert not list((project.folder / "none").glob("spoilt*"))


def test_a_guarantee_is_refused_where_ranges_are_chosen_too(project: Project, spoilt: Path) -> None:
    done = project.edgekd(
        "export", spoilt, "--int8", "--data", "photos", "--out", "out", "--max-drop", "1", "--ranges", "mse"
    )
    assert done.returncode == 2
    assert "max_drop chooses ranges and float_ops itself" in done.stderr


@pytest.fixture(scope="module")
def spoilt(project: Project) -> Path:
    """A student that tells colours by channels a thousandth as large as another, through twelve layers."""
    import keras
    from keras import layers

    image = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 1, name="spread")(layers.Rescaling(1 / 128, -127 / 128)(image))
    for _ in range(12):
        x = layers.ReLU()(layers.Conv2D(4, 1)(x))
    model = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)), name="spoilt")
    model.trainable = False
    kernels = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    first = np.zeros((1, 1, 3, 4))
    # Red, green and blue, each above -1, and the brightness a thousand times larger.
    first[0, 0] = np.concatenate([np.eye(3), np.full((3, 1), 1e3)], axis=1)
    kernels[0].set_weights([first, np.array([1.0, 1.0, 1.0, 3e3])])
    for layer in kernels[1:]:
        layer.set_weights([np.eye(4)[np.newaxis, np.newaxis], np.zeros(4)])
    # Green, red, yellow: more green than red, more red than green, blue is missing.
    head: Any = np.array([[-6.0, 6, 4], [6, -6, 4], [0, 0, -8], [0, 0, 0]])
    model.layers[-1].set_weights([head, np.zeros(3)])
    path = project.folder / "spoilt.keras"
    model.save(path)
    return path
