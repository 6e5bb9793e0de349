"""Several seeds, mixed views and no labels at all, by the command line on real photos."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import Project, weights

MIXED = """
[data.views.mix]
mixup = 0.4
cutmix = 1.0
[data.views.randaugment]
ops = 1
"""


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_more_seeds_add_to_a_run_and_repeat_nothing(project: Project, finished: Path) -> None:
    copy = finished.with_name("seeds")
    shutil.copytree(finished, copy)
    path = project.recipe("seeds")
    path.write_text("seeds = 2\n" + path.read_text())
    done = project.edgekd("run", path)
    assert done.returncode == 0, done.stderr
    # The first seed's stages are those of a run of one seed, and so are the files that ship.
    assert done.stderr.count("unchanged") == 9
    for stage in ("scratch", "distill"):
        first, second = weights(copy / stage), weights(copy / "seed-1" / stage)
        assert not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    report = read(copy / "report.json")
    rows = report["seeds"]["rows"]
    assert [row["seed"] for row in rows] == [0, 1]
    distilled = next(row for row in report["rows"] if row["row"] == "distilled")
    assert rows[0]["distilled"] == pytest.approx(distilled["balanced_accuracy"]["value"])
    (told,) = read(copy / "seeds" / "seeds.json")["seeds"]
    assert len(told["labels_only"]) == len(told["distilled"]) == report["test_n"]
    assert (copy / "seeds" / "seed-1-distilled.float32.tflite").is_file()
    text = (copy / "report.md").read_text()
    assert "Over 2 seeds: from scratch" in text and "Two seeds say little" in text and "| mean |" in text
    again = project.edgekd("run", path, without_tensorflow=True)
    assert again.returncode == 0 and again.stderr.count("unchanged") == 13, again.stderr


def test_no_label_takes_part(project: Project, finished: Path) -> None:
    shutil.copy(finished / "teacher" / "teacher.keras", project.folder / "knows.keras")
    path = project.recipe("labelfree", epochs=10)
    classes = json.dumps(read(finished / "data" / "summary.json")["classes"])
    text = path.read_text().replace("input_size = 64", f'model = "knows.keras"\ntrain = false\nclasses = {classes}')
    text = text.replace("[distill.schedule]", '[distill]\nlabels = "none"\n[distill.schedule]')
    path.write_text(text.replace("[teacher]", MIXED + "[teacher]").replace("views = 2", "views = 3"))
    done = project.edgekd("run", path)
    assert done.returncode == 0, done.stderr
    directory = project.folder / "runs" / "labelfree"
    assert not (directory / "scratch").exists()
    rows = [row["row"] for row in read(directory / "check" / "check.json")["rows"]]
    assert rows == ["teacher", "distilled", "int8_tflite", "int8_onnx"]
    history, teacher = read(directory / "distill" / "history.json"), read(directory / "teacher" / "summary.json")
    agreement = np.mean(np.array(history["val_predictions"]) == np.array(teacher["val_predictions"]))
    assert history["epochs"][history["best_epoch"]]["val_accuracy"] == agreement
    report = read(directory / "report.json")
    assert report["missing"] == [] and report["distillation_gain"] is None and report["seeds"]["from_scratch"] is None
    assert "Labels used: none in training" in (directory / "report.html").read_text()
    again = project.edgekd("run", path, without_tensorflow=True)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("unchanged") == 8
