"""Whole small runs with teachers that are no Keras models of ours: an .onnx, and an average at two sizes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from support import Project

CLASSES = ("blue", "green", "red")
RECIPE = """
name = "{name}"
[data]
source = "photos"
[data.split]
val = 0.25
test = 0.25
[data.views]
views = 2
[teacher]
{teacher}
[student]
model = "{student}"
allow_larger = true
[distill.schedule]
epochs = 2
batch_size = 16
[gates]
min_agreement = 0.5
[export]
formats = ["tflite"]
calibration = 8
[bench]
launches = 2
seconds_per_launch = 0.05
warmup_max_s = 0.05
"""

FREE = """[distill]
labels = "none"
[distill.schedule]"""


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """16 noisy photos a colour, and a network that looks at the mean colour, as PyTorch would export it."""
    here = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(0)
    for place, colour in enumerate(("red", "green", "blue")):
        (here / "photos" / colour).mkdir(parents=True)
        for number in range(16):
            pixels = rng.integers(0, 200, (40, 40, 3))
            pixels[..., place] += 55
            Image.fromarray(pixels.astype(np.uint8)).save(here / "photos" / colour / f"{number}.png")
    save_teacher(here / "big.onnx", 40)
    save_teacher(here / "small.onnx", 24)
    return Project(here)


def save_teacher(path: Path, side: int) -> None:
    weights = {"w": 20 * np.eye(3, dtype=np.float32)}
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["image"], ["p"]),
            helper.make_node("Flatten", ["p"], ["f"]),
            helper.make_node("Gemm", ["f", "w"], ["z"]),
            helper.make_node("Softmax", ["z"], ["scores"], axis=1),
        ],
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, side, side])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def recipe(project: Project, name: str, teacher: str, student: str = "cnn:4@32") -> Path:
    path = project.folder / f"{name}.toml"
    path.write_text(RECIPE.format(name=name, teacher=teacher, student=student), encoding="utf-8")
    return path


def read(path: Path) -> dict:  # type: ignore[type-arg]
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def test_a_run_with_an_onnx_teacher(colours: Project) -> None:
    said = 'model = "big.onnx"\npixel_range = [0, 1]\nclasses = ["red", "green", "blue"]'
    # A slice of the built-in network: an .onnx can't be cut.
    done = colours.edgekd("run", recipe(colours, "onnx", said, "slice:1@32"), "--out", "runs")
    assert done.returncode in (0, 3), done.stderr
    run = colours.folder / "runs" / "onnx"
    told = read(run / "teacher/summary.json")
    assert (told["val_score"]["value"], told["input"], told["classes"]) == (1.0, [40, 40], list(CLASSES))
    assert told["members"][0]["outputs"] == {"are": "probabilities", "known_by": "a softmax is its last op"}
    teacher = read(run / "check/check.json")["rows"][0]
    assert (teacher["row"], teacher["artifact"], teacher["accuracy"]["value"]) == (
        "teacher",
        "teacher/teacher.onnx",
        1.0,
    )
    assert teacher["size_bytes"] == (colours.folder / "big.onnx").stat().st_size
    bench = read(run / "bench/bench.json")
    assert bench["baseline"] == "teacher"
    report = (run / "report.md").read_text()
    assert "| teacher | 9 | " in report
    assert "Latency ratio: to the teacher" in report
    # Measured again, on any device, the teacher's own file is the baseline, and the photos are named.
    quick = ("--launches", "1", "--seconds", "0.02", "--photos", "2", "--check", "2")
    done = colours.edgekd("bench", run, *quick, "--json", without_tensorflow=True)
    assert done.returncode == 0, done.stderr
    (measured,) = json.loads(done.stdout)["devices"]
    assert measured["baseline"] == "teacher" and measured["files"]["teacher"]["summary"]["samples"] > 0
    assert "48 photos; classes: blue 16, green 16, red 16; splits: train 24, val 12, test 12" in done.stderr


def test_a_run_with_an_average_no_label_and_no_validation_photos(colours: Project) -> None:
    said = """
    pixel_range = [0, 1]
    classes = ["red", "green", "blue"]
    [[teacher.model]]
    model = "big.onnx"
    [[teacher.model]]
    model = "small.onnx"
    """
    path = recipe(colours, "average", said)
    text = path.read_text().replace("val = 0.25", "val = 0").replace("[distill.schedule]", FREE)
    path.write_text(text, encoding="utf-8")
    done = colours.edgekd("run", path, "--out", "runs")
    assert done.returncode in (0, 3), done.stderr
    run = colours.folder / "runs" / "average"
    told = read(run / "teacher/summary.json")
    assert [member["input"] for member in told["members"]] == [[40, 40], [24, 24]]
    assert (told["average"], told["name"]) == ("probabilities", "the average of big.onnx, small.onnx")
    history = read(run / "distill/history.json")
    assert told["val_predictions"] == [] and (history["best_epoch"], len(history["epochs"])) == (1, 2)
    assert read(run / "bench/bench.json")["baseline"] == "distilled"
    report = (run / "report.md").read_text()
    assert "It was not timed, because it is an average of several files: accuracy and size only." in report
    assert "faster than the teacher" not in report
    assert "there were no validation photos to score it on." in report
    assert "with no validation photos its epoch is the last" in report
    assert "Latency ratio: to the student, distilled" in report


@pytest.mark.parametrize(
    ("teacher", "student", "message"),
    [
        ('model = "big.onnx"', "slice:99", "efficientnet-lite0 has 16 blocks: slice:1 to slice:16, not slice:99"),
        ('model = "big.onnx"\ntrain = true\nself_train = "auto"', "cnn:4@32", "big.onnx gives features"),
        ('model = "big.pt"', "cnn:4@32", "torch.onnx.export"),
        ('model = "big.onnx"\npixel_rang = [0, 1]', "cnn:4@32", "did you mean 'teacher.pixel_range'"),
    ],
)
def test_recipes_that_cannot_be_meant(colours: Project, teacher: str, student: str, message: str) -> None:
    done = colours.edgekd("run", recipe(colours, "wrong", teacher, student), "--out", "runs")
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
