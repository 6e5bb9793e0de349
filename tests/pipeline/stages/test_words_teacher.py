"""Class words teach: photos are labelled without any label, and with few labels held-out photos choose."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import edgekd
from edgekd.errors import ModelError
from edgekd.progress import Silent
from edgekd.recipe import parse_recipe
from edgekd.soft_targets.store import SoftTargets
from edgekd.storage import read_json

CLASSES = ("blue", "green", "red")
COUNTS = {"blue": 12, "green": 12, "red": 12}


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def _photo(path: Path, place: int, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 200, (24, 24, 3))
    pixels[..., place] += 55
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of three colours, a pool that is mostly red, and an encoder of the mean colour with its words."""
    here, rng = tmp_path_factory.mktemp("words"), np.random.default_rng(0)
    for place, colour in ((2, "blue"), (1, "green"), (0, "red")):
        (here / "photos" / colour).mkdir(parents=True)
        for number in range(COUNTS[colour]):
            _photo(here / "photos" / colour / f"{number}.png", place, rng)
    (here / "pool").mkdir()
    for number in range(20):
        _photo(here / "pool" / f"{number}.png", 0 if number < 16 else 2, rng)
    # Colours become directions that a text encoder could give: the mean over all photos is taken off.
    weights = {"w": np.eye(3, dtype=np.float32), "b": np.full(3, -118 / 255, np.float32)}
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["image"], ["p"]),
            helper.make_node("Flatten", ["p"], ["f"]),
            helper.make_node("Gemm", ["f", "w", "b"], ["vector"]),
        ],
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 24, 24])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), here / "colours.onnx"
    )
    np.savez(here / "words.npz", classes=np.array(["red", "green", "blue"]), vectors=np.eye(3), logit_scale=8.0)
    return here


def _run(folder: Path, name: str, until: str = "soft_targets", **teacher: object) -> tuple[Path, Notes]:
    notes = Notes()
    table = {
        "name": name,
        "data": {
            "source": "photos", "unlabelled": "pool", "split": {"val": 0.25, "test": 0.25}, "views": {"views": 2},
        },
        "teacher": {"model": "colours.onnx", "pixel_range": [0, 1], "words": "words.npz", **teacher},
        "student": {"model": "cnn:2@32", "allow_larger": True},
        "distill": {"labels": "all" if teacher.get("train") else "none"},
    }  # fmt: skip
    edgekd.run(parse_recipe(table, folder / "r.toml"), folder / name, until=until, watcher=notes)
    return folder / name, notes


def test_words_label_photos_without_any_label(folder: Path) -> None:
    run, notes = _run(folder, "free", prior="estimate")
    summary = read_json(run / "teacher/summary.json")
    assert summary["name"] == "colours.onnx with class words"
    assert summary["val_score"]["value"] > 0.8
    assert summary["heads"] == []
    words = summary["words"]
    # 54 photos that training may look at: 18 labelled ones, whose labels are not read, and the pool.
    assert (words["prior_from"], words["photos"], words["converged"]) == ("estimate", 38, True)
    assert max(words["prior"], key=words["prior"].get) == "red"
    (note,) = [line for line in notes.lines if "class words" in line]
    assert "shares of the classes, estimated on 38 photos: blue " in note
    # Every view of every photo has the answer of the words.
    dataset = edgekd.Dataset.load(run / "data/dataset.json")
    store = SoftTargets(run / "soft_targets")
    assert store.shape[:2] == (38, 2)
    answers = store[np.arange(38), np.zeros(38, np.int64)].argmax(axis=1)
    truth = dataset.truth_of((*dataset.split("train"), *dataset.split("unlabelled")))
    assert (answers[:18] == truth[:18]).mean() > 0.8


def test_with_labels_words_labels_and_both_stand_side_by_side(folder: Path) -> None:
    run, notes = _run(folder, "few", train=True, head="linear")
    summary = read_json(run / "teacher/summary.json")
    assert [record["head"] for record in summary["heads"]] == ["words", "linear", "both"]
    assert {(record["n"], record["cross_validated"]) for record in summary["heads"]} == {(27, True)}
    assert summary["words"]["prior_from"] == "equal"
    (choice,) = [line for line in notes.lines if "class words alone" in line]
    assert re.search(r"a linear head [\d.]+%, class words with labels [\d.]+% \(cross-validated\); taken: ", choice)


def test_words_that_do_not_fit_are_refused(folder: Path) -> None:
    np.savez(folder / "other.npz", classes=np.array(["Red", "green", "blue"]), vectors=np.eye(3), logit_scale=8.0)
    with pytest.raises(ModelError, match=r"other\.npz has no vector for the data's class 'red'.*only in case"):
        _run(folder, "free", words="other.npz")
    np.savez(folder / "long.npz", classes=np.array(CLASSES), vectors=np.ones((3, 512)), logit_scale=8.0)
    with pytest.raises(ModelError, match=r"colours\.onnx gives features of 3 dimensions.*have 512"):
        _run(folder, "free", words="long.npz")
    with pytest.raises(ModelError, match=r"\[teacher\] prior must have a share for each class"):
        _run(folder, "free", prior={"red": 1.0})
    # Nothing was read before the table was.
    with pytest.raises(ModelError, match=r"gone\.npz does not exist"):
        _run(folder, "early", words="gone.npz")
    assert not (folder / "early" / "data").exists()
