"""`edgekd fit` to its end: a student within the budget, nothing twice, and what it says where nothing fits."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from small_search import make_search
from warm import edgekd

from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.recipe import load_recipe
from edgekd.storage import read_json

# As short as a run can be that does all of its stages.
SETTINGS = """
[data]
split = { val = 0.25, test = 0.25 }
views = { views = 1 }
[teacher]
model = "teacher.keras"
pixel_range = [0, 255]
fine_tune_blocks = 0
accept_weak = true
[distill.schedule]
epochs = 1
batch_size = 8
[quantize]
ranges = "min-max"
[export]
formats = ["tflite"]
calibration = 16
teacher_int8 = false
[bench]
launches = 1
seconds_per_launch = 0.05
warmup_max_s = 0.05
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = make_search(tmp_path_factory.mktemp("fit"), ((8, 1), (8, 1), (16, 2)))
    # Real photos in the place of the simple ones.
    shutil.rmtree(here / "photos")
    for colour in ("green", "red"):
        (here / "photos" / colour).mkdir(parents=True)
        for photo in sorted((traffic_light_folders()[0] / colour).iterdir())[:24]:
            shutil.copy(photo, here / "photos" / colour)
    (here / "own.toml").write_text(SETTINGS)
    return here


def fit(folder: Path, *limits: str) -> subprocess.CompletedProcess[str]:
    return edgekd("fit", "photos", *limits, "--settings", "own.toml", cwd=folder)


def test_from_photos_and_a_budget_to_a_file_within_it_and_a_second_time_nothing_is_done(folder: Path) -> None:
    limits = ("--max-parameters", "1500", "--minutes", "3")
    done = fit(folder, *limits)
    assert done.returncode == 0, done.stdout + done.stderr
    run = folder / "runs" / "photos"
    result, check = read_json(run / "search" / "search.json"), read_json(run / "check" / "check.json")
    (gate,) = [gate for gate in check["gates"] if "budget" in gate["name"]]
    assert gate["name"] == "int8_tflite: budget of parameters"
    assert gate["passed"] and 0 < gate["value"] <= gate["bar"] == 1500
    assert (run / "export" / "student.int8.tflite").stat().st_size > 1_000
    # The report holds what was looked at, and which one was chosen.
    assert result["student"] in (run / "report.html").read_text()
    assert [one["student"] for one in result["candidates"]] == [
        one["student"] for one in read_json(run / "report.json")["search"]["candidates"]
    ]
    assert "of 3 minutes" in done.stderr
    assert load_recipe(run / "search" / "recipe.toml").student.model == result["student"]

    before = {path: path.stat().st_mtime_ns for path in (*run.glob("*/stage.json"), *run.glob("export/*"))}
    again = fit(folder, *limits)
    assert again.returncode == 0 and "unchanged" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_where_nothing_fits_the_nearest_is_named_with_exit_code_3(folder: Path) -> None:
    done = fit(folder, "--max-parameters", "50")
    assert done.returncode == 3
    assert "no student is within the budget. The nearest is " in done.stderr
    assert "parameters (at most 50 parameters)" in done.stderr
