"""Small runs with encoders: features are stored once, and heads, soft targets and objectives come from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import edgekd
from edgekd.data.dataset import Dataset
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.fixed_teacher import logits_over
from edgekd.pipeline.soft_target_views import load_finished_teacher
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stages.features import open_features
from edgekd.pipeline.sweep.check_students import check_students
from edgekd.recipe import parse_recipe
from edgekd.soft_targets.store import SoftTargets
from edgekd.storage import read_json

WEIGHTED = {
    "name": "weighted",
    "terms": [{"objective": {"name": "hinton"}}, {"objective": {"name": "fitnet"}, "weight": 0.1}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 noisy photos a colour, a pool, a table of tags, and two encoders of the mean colour that see other sizes."""
    here, random = tmp_path_factory.mktemp("encoders"), np.random.default_rng(0)
    lines = ["filename,labels"]
    for place, colour in enumerate(("red", "green", "blue")):
        (here / "photos" / colour).mkdir(parents=True)
        for number in range(16):
            _photo(here / "photos" / colour / f"{number}.png", random, place)
            lines.append(f"{colour}/{number}.png,{('warm', 'warm|cold', 'cold')[place]}")
    (here / "pool").mkdir()
    for number in range(10):
        _photo(here / "pool" / f"{number}.png", random, number % 3)
    (here / "tags.csv").write_text("\n".join(lines), encoding="utf-8")
    for name, side in (("big", 32), ("small", 24)):
        _save_encoder(here / f"{name}.onnx", side)
    return here


def _photo(path: Path, random: np.random.Generator, place: int) -> None:
    pixels = random.integers(0, 200, (40, 40, 3))
    pixels[..., place] += 55
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def _save_encoder(path: Path, side: int) -> None:
    weights = numpy_helper.from_array(np.random.default_rng(side).normal(size=(3, 5)).astype(np.float32), "w")
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["p"]), helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["vector"]),
    ]  # fmt: skip
    ends = (("image", ["N", 3, side, side]), ("vector", ["N", 5]))
    image, vector = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends)
    graph = helper.make_graph(nodes, "colours", [image], [vector], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def _recipe(folder: Path, teacher: dict[str, Any], **more: Any) -> edgekd.Recipe:
    data = {"source": "photos", "unlabelled": "pool", "split": {"val": 0.25, "test": 0.25}, "views": {"views": 2}}
    table = {
        "name": "encoders", "data": data | more.pop("data", {}),
        "teacher": {"pixel_range": [0, 1], "train": True, **teacher},
        "student": {"model": "cnn:2@32", "allow_larger": True}, "distill": {"schedule": {"epochs": 2}}, **more,
    }  # fmt: skip
    return parse_recipe(table, folder / "recipe.toml")


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.npy"))}


def test_two_encoders_teach_by_logits_and_by_features(folder: Path) -> None:
    distill = {"schedule": {"epochs": 2, "batch_size": 16}, "objective": WEIGHTED}
    recipe, run = _recipe(folder, {"model": ["big.onnx", "small.onnx"]}, distill=distill), folder / "two"
    edgekd.run(recipe, run, until="features")
    summary = read_json(run / "teacher" / "summary.json")
    assert (summary["name"], summary["average"]) == ("a head on big.onnx, small.onnx", "features")
    assert [member["features"] for member in summary["members"]] == [{"dimensions": 5, "are": "vector"}] * 2
    assert summary["val_score"]["value"] > 0.9 and {entry["head"] for entry in summary["heads"]} == {"linear", "mlp"}
    # What the store says of a photo is what the teacher, opened again, says of it.
    dataset = Dataset.load(run / "data" / "dataset.json")
    pool = (*dataset.split("train"), *dataset.split("unlabelled"))
    answers = logits_over(load_finished_teacher(recipe, run, dataset), dataset, pool, "whole")
    stored, photos = SoftTargets(run / "soft_targets"), np.arange(len(pool))
    np.testing.assert_allclose(stored[photos, 0 * photos], answers, atol=2e-2)
    # Objectives see both encoders' features side by side, standardized.
    (record,) = read_json(run / "features" / "features.json")
    assert (record["layer"], record["shape"], record["stored"]) == ("features", [1, 1, 10], True)
    (source,) = open_features(RunContext(Workspace(run), recipe)).sources
    rows = source[photos, 0 * photos]
    assert rows.shape == (len(pool), 1, 1, 10) and 0.2 < rows.std() < 5
    # Killed between two shards: what is missing is computed again, to the same bytes.
    before = _bytes(run)
    for path in (run / "soft_targets/stage.json", run / "soft_targets/manifest.json"):
        path.unlink()
    (run / "soft_targets/logits-00000.npy").unlink()
    (run / "teacher/features/encoder-2/logits-00000.npy").unlink()
    edgekd.run(recipe, run, until="soft_targets")
    assert _bytes(run) == before
    # Students of a sweep are looked at before the teacher is trained.
    names = ["cnn:2@32", "cnn:3@32"]
    assert list(check_students(RunContext(Workspace(run), recipe), names)) == names
    # Another head, fitted on the same features; the encoders are not run again.
    times = {path: path.stat().st_mtime_ns for path in (run / "teacher/features").rglob("logits-*.npy")}
    other = _recipe(folder, {"model": ["big.onnx", "small.onnx"], "head": "mlp"}, distill=distill)
    edgekd.run(other, run, until="soft_targets")
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert read_json(run / "teacher" / "summary.json")["heads"] == []
    assert (run / "soft_targets/logits-00000.npy").read_bytes() != before["soft_targets/logits-00000.npy"]


def test_tags_with_mixed_views_and_mirror_images_have_columns_of_their_own(folder: Path) -> None:
    views = {"views": 2, "flip": True, "mix": {"mixup": 0.5}}
    data = {"source": "tags.csv", "images": "photos", "task": "multi-label", "views": views}
    recipe, run = _recipe(folder, {"model": "small.onnx", "mirror": True, "head": "linear"}, data=data), folder / "tags"
    edgekd.run(recipe, run, until="soft_targets")
    assert read_json(run / "teacher/summary.json")["val_score"]["value"] > 0.9
    names = {path.name for path in (run / "teacher/features").iterdir()}
    assert names == {"encoder-1", "encoder-1-mirrored", "labelled-1", "validation-1"}
    assert SoftTargets(run / "soft_targets").shape == (36, 2, 2)
