"""The stage that reads the photos: in which order their classes are, and when it reads them again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekd.errors import RecipeError
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stages import data
from edgekd.progress import Silent
from edgekd.recipe import load_recipe
from edgekd.storage import read_json


class Stages(Silent):
    """Keeps which stages were done."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def finished(self, stage: str, seconds: float) -> None:
        self.done.append(stage)


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((24, 24)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six photos in each of three folders, and a labels.txt as Notepad writes it."""
    for seed in range(18):
        draw(tmp_path / f"photos/{('10', '2', 'pred')[seed // 6]}/{seed}.bmp", seed)
    (tmp_path / "labels.txt").write_text("2\r\n pred\r\n10\r\n", encoding="utf-8-sig")
    return tmp_path


def run_stage(folder: Path, classes: str) -> tuple[RunContext, list[str]]:
    recipe = f'name = "a"\n[data]\nsource = "photos"\nclasses = {classes}\n[teacher]\nmodel = "keras:MobileNetV2"\n'
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    watcher = Stages()
    context = RunContext(Workspace(folder / "run", watcher), load_recipe(folder / "recipe.toml"))
    data.run(context)
    return context, watcher.done


@pytest.mark.parametrize("classes", ['"labels.txt"', '["2", "pred", "10"]'])
def test_classes_are_those_of_the_recipe(folder: Path, classes: str) -> None:
    assert run_stage(folder, classes)[0].dataset.classes == ("2", "pred", "10")


def test_a_file_of_classes_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(RecipeError, match=r"data\.classes: .*gone\.txt does not exist"):
        run_stage(folder, '"gone.txt"')


def test_a_photo_that_changed_with_its_old_size_and_time_is_read_again(folder: Path) -> None:
    context, done = run_stage(folder, '"labels.txt"')
    assert done == ["data"] and run_stage(folder, '"labels.txt"')[1] == []
    sample = context.dataset.samples[0]
    before = sample.path.stat()
    draw(sample.path, 99)
    os.utime(sample.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (sample.path.stat().st_size, sample.path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    again, done = run_stage(folder, '"labels.txt"')
    assert done == ["data"] and all(again.dataset.read(sample).size for sample in again.dataset.samples)


def test_photos_of_none_of_the_classes_and_tags_from_a_recipe(folder: Path) -> None:
    for seed in range(20, 26):
        draw(folder / f"other/deep/{seed}.bmp", seed)
    context, done = run_stage(folder, '"labels.txt"\nnone = "other"')
    assert context.dataset.classes == ("2", "pred", "10", "none of these") and done == ["data"]
    draw(folder / "other/more.bmp", 30)
    assert run_stage(folder, '"labels.txt"\nnone = "other"')[1] == ["data"]
    context, _ = run_stage(folder, '"labels.txt"\nnone = "other"\ntask = "multi-label"')
    assert context.dataset.targets("train").shape[1] == 3 and context.recipe.metric == "mean_average_precision"
    summary = read_json(context.path / "data/summary.json")
    assert summary["task"] == "multi-label" and sum(summary["photos"].values()) == 25
    assert sum(counts["none of these"] for split, counts in summary["splits"].items() if split != "unlabelled") == 7


def test_corrections_are_read_again_when_they_change_and_by_nothing_beside_them(folder: Path) -> None:
    before = run_stage(folder, '"labels.txt"')[0].dataset
    photo = next(s.id for s in before.samples if s.split == "train")
    (folder / "corrections.csv").write_text(f"photo,action,label\n{photo},change,{'2' if photo[0] != '2' else '10'}\n")
    classes = '"labels.txt"\ncorrections = "corrections.csv"'
    context, done = run_stage(folder, classes)
    assert done == ["data"] and "corrections: 1 label corrected" in context.dataset.summary_line()
    (folder / "beside.txt").write_text("a run that writes beside the file")
    assert run_stage(folder, classes)[1] == []
    (folder / "corrections.csv").write_text(f"photo,action,label\n{photo},drop,\n")
    again, done = run_stage(folder, classes)
    assert done == ["data"] and "corrections: 1 photo dropped" in again.dataset.summary_line()
    assert len({one.digest() for one in (before, context.dataset, again.dataset)}) == 3
