"""The README's commands for phones and boards, run as they are printed on simulated and emulated ones."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from simulators.phone import Phone
from simulators.pi import Pi
from support import ON_DEVICES, ROOT, Project

from edgekd.bench.result import BenchResult
from edgekd.storage import read_json, write_json

# Emulated machines take their time, so once is enough.
ONCE = ("--launches", "1", "--seconds", "0.02", "--photos", "2", "--check", "4")


def test_a_pull_request_that_executes_more_instructions_fails(
    arm_root: Path, exported: dict[str, Any], project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of the example workflow, by bash as GitHub runs them, in a repository with a model in it."""
    monkeypatch.setenv("EDGEKD_ARM_ROOT", str(arm_root))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{write_command(tmp_path / 'bin')}:{os.environ['PATH']}")
    workflow = ROOT / "edgekd" / "reference" / "instructions.yml"
    steps = re.findall(r"^ +- run: (.+)$", workflow.read_text(), re.MULTILINE)
    # What makes GitHub's machine ready for the others is here already.
    steps = [step for step in steps if not step.startswith(("apt-get", "git config", "python3 -m venv"))]
    assert [step.split()[1] for step in steps] == ["devices", "-p", "bench", "bench", "compare"]
    repository = tmp_path / "repository"
    (repository / "models" / "photos").mkdir(parents=True)
    shutil.copy(next((project.folder / "photos" / "red").iterdir()), repository / "models" / "photos")
    shutil.copy(exported["int8.tflite"].path, repository / "models" / "student.int8.tflite")
    run(repository, "git init -q && git add . && git -c user.name=a -c user.email=a@b commit -qm model")
    variables = dict(re.findall(r"^ +(MODEL|PHOTOS): (\S+)$", workflow.read_text(), re.MULTILINE))
    for step in steps:
        run(repository, step, **variables, BASE="HEAD")
    after = json.loads((repository / "after.json").read_text())
    (launch,) = after["measurements"][0]["launches"]
    counts = list(launch["instructions"])
    for more, code in ((1.005, 0), (1.02, 3)):
        launch["instructions"] = [round(count * more) for count in counts]
        (repository / "after.json").write_text(json.dumps(after))
        done = run(repository, steps[-1], code=code, **variables)
    assert "more instructions than 1.01 times before: student.int8.tflite (1.020)" in done.stderr


def write_command(folder: Path) -> Path:
    """A folder with the command ``edgekd`` of this interpreter."""
    folder.mkdir()
    (folder / "edgekd").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m edgekd "$@"\n')
    (folder / "edgekd").chmod(0o755)
    return folder


def run(folder: Path, step: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
    """A step of a workflow, as GitHub's ``shell: bash`` runs it."""
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step],
        cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == code, f"{step}\n{done.stdout}\n{done.stderr}"
    return done


def test_commands_on_devices_run_as_printed(
    readme_folder: Path, pi: Pi, phone: Phone, arm_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKD_ARM_ROOT", str(arm_root))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # ONNX Runtime takes an emulated machine half a minute to load; test_arm_root and test_instruction_sets do.
    index = readme_folder / "runs" / "litter" / "export" / "index.json"
    write_json(index, {row: told for row, told in read_json(index).items() if told["file"].endswith(".tflite")})
    assert len(ON_DEVICES) == 5
    for line in ON_DEVICES:
        here = line.replace("ssh:pi@pi5", pi.address).replace("adb:SERIAL", phone.address)
        program, *arguments = shlex.split(here)
        assert program == "edgekd"
        shorter = ONCE if arguments[0] == "bench" else ()
        done = subprocess.run(
            [sys.executable, "-m", "edgekd", *arguments, *shorter],
            cwd=readme_folder, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    told = {path.stem: BenchResult.load(path) for path in (readme_folder / "devices").glob("*.json")}
    assert len(told) == 5 and all(result.complete for result in told.values())
    # The Pi's firmware reports throttling since its start, and the page says so.
    page = (readme_folder / "devices" / "report.html").read_text(encoding="utf-8")
    for part in ("Raspberry Pi 5", "Pixel 7", "executed instructions", "has throttled since it was started"):
        assert part in page
    assert pi.left() == [] and phone.left() == []
