"""The README's commands for phones and boards, run as they are printed on simulated and emulated ones."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from simulators.phone import Phone
from simulators.pi import Pi
from support import ON_DEVICES

from edgekd.bench.result import BenchResult
from edgekd.storage import read_json, write_json

# Emulated machines take their time, so once is enough.
ONCE = ("--launches", "1", "--seconds", "0.02", "--photos", "2", "--check", "4")


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
