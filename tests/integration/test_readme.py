"""Every command, recipe and line of Python in the README is run as it is printed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from simulators.phone import Phone
from simulators.pi import Pi
from support import LINES, README, ROOT, Project, blocks
from warm import edgekd

from edgekd.bench.result import BenchResult
from edgekd.recipe import load_recipe

SET_UPS, OTHERS = [x for x in LINES if "pip install" in x], [x for x in LINES if "pip install" not in x]
# Simulated machines stand in for those of the README; emulated ones take their time, so once is enough there.
ELSEWHERE = re.compile(r"ssh:|adb:|emulated:|^edgekd devices$")
COMMANDS, ON_DEVICES = [x for x in OTHERS if not ELSEWHERE.search(x)], [x for x in OTHERS if ELSEWHERE.search(x)]
# The sweep takes its time: test_sweep runs it and looks at what comes of it.
COMMANDS = [line for line in COMMANDS if not line.startswith("edgekd sweep")]
ONCE = ("--launches", "1", "--seconds", "0.02", "--photos", "2", "--check", "4")


def test_ci_calls_exactly_the_test_command() -> None:
    _, tests = SET_UPS
    assert tests in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_figures_name_the_script_that_measured_them() -> None:
    scripts = re.findall(r"`(benchmarks/\S+\.py)`", README)
    results = re.findall(r"\[results\]\((benchmarks/[^\s)]+)\)", README)
    details = re.findall(r"\[details\]\((benchmarks/[^\s)]+)\)", README)
    assert scripts and results and details
    assert len(results) + len(details) == README.count("](benchmarks/")
    for path in (*scripts, *results, *details):
        assert (ROOT / path).is_file(), path
    # What is called results is the README's own table; details hold more than the README tells.
    for result in results:
        rows = [x for x in (ROOT / result).read_text(encoding="utf-8").splitlines() if x.startswith("|")]
        assert rows and all(row in README for row in rows), f"the README's table is not that of {result}"


def test_the_quickstart_does_the_main_job(tmp_path: Path) -> None:
    command = shlex.split(SET_UPS[0].rpartition("&&")[2])
    assert command == [".venv/bin/edgekd", "quickstart"]
    done = subprocess.run(
        [sys.executable, "-m", "edgekd", "quickstart"], cwd=tmp_path, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"\d+x smaller and \d+x faster .* int8, .* balanced accuracy", done.stdout.strip())
    assert (tmp_path / "runs" / "quickstart" / "report.html").is_file()


@pytest.fixture(scope="module")
def folder(project: Project, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The README's own folder, where the recipe is a small one so that running it takes seconds."""
    here = tmp_path_factory.mktemp("readme")
    shutil.copytree(project.folder / "photos", here / "photos")
    shutil.copytree(project.folder / "more", here / "more-photos")
    shutil.copytree(finished, here / "runs" / "litter")
    shutil.copy(next((here / "photos" / "red").iterdir()), here / "photo.jpg")
    shutil.copy(finished / "distill" / "student.keras", here / "student.keras")
    names = sorted(str(path.relative_to(here)) for path in (here / "more-photos").iterdir())
    (here / "photos.txt").write_text("\n".join(names), encoding="utf-8")
    (here / "YourApp" / "app" / "src" / "main").mkdir(parents=True)
    small = project.recipe("litter").read_text(encoding="utf-8").replace('"more"', '"more-photos"')
    (here / "litter.toml").write_text(small, encoding="utf-8")
    return here


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_run_as_printed(folder: Path, line: str) -> None:
    program, *arguments = shlex.split(line)
    assert program == "edgekd"
    if "--ray" in arguments:
        argv = [sys.executable, "-m", "edgekd", *arguments]
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=600)
    else:
        done = edgekd(*arguments, cwd=folder)
    # The small student of this folder flips a photo now and then; that gate is no error of the command.
    gated = "agreement" in done.stderr and arguments[0] in ("check", "export")
    gated |= "no int8 file is within" in done.stderr and arguments[0] == "export"
    assert done.returncode == 0 or (done.returncode == 3 and gated), done.stderr


def test_commands_on_devices_run_as_printed(
    folder: Path, pi: Pi, phone: Phone, arm_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKD_ARM_ROOT", str(arm_root))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert len(ON_DEVICES) == 4
    for line in ON_DEVICES:
        here = line.replace("ssh:pi@pi5", pi.address).replace("adb:SERIAL", phone.address)
        program, *arguments = shlex.split(here)
        assert program == "edgekd"
        shorter = ONCE if arguments[0] == "bench" else ()
        done = subprocess.run(
            [sys.executable, "-m", "edgekd", *arguments, *shorter],
            cwd=folder, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    told = {path.stem: BenchResult.load(path) for path in (folder / "devices").glob("*.json")}
    assert len(told) == 5 and all(result.complete for result in told.values())
    # The Pi's firmware reports throttling since its start, and the page says so.
    page = (folder / "devices" / "report.html").read_text(encoding="utf-8")
    for part in ("Raspberry Pi 5", "Pixel 7", "executed instructions", "has throttled since it was started"):
        assert part in page
    assert pi.left() == [] and phone.left() == []


def test_the_recipes_are_valid(tmp_path: Path) -> None:
    loaded = []
    for number, text in enumerate(blocks("toml")):
        (tmp_path / f"{number}.toml").write_text(text, encoding="utf-8")
        loaded.append(load_recipe(tmp_path / f"{number}.toml"))
    assert [recipe.student.model for recipe in loaded] == ["slice:8@128", "cnn:16@96", "cnn:16@96", "slice:8"]


def test_the_python_runs(folder: Path) -> None:
    (code,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("photo.jpg ")
