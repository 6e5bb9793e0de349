"""One command, one report: this machine, a Raspberry Pi by ssh, a phone by adb, two emulated cores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from simulators.phone import Phone
from simulators.pi import Pi
from support import Project

from edgekd.bench.result import BenchResult
from edgekd.devices import emulated


@pytest.fixture
def cores(arm_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Both emulated cores, set up in a cache of the test's own."""
    monkeypatch.setenv("EDGEKD_ARM_ROOT", str(arm_root))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    emulated.setup("emulated:cortex-a76")
    return "emulated:cortex-a72", "emulated:cortex-a76"


def test_one_command_measures_everywhere(
    project: Project, finished: Path, pi: Pi, phone: Phone, cores: tuple[str, ...]
) -> None:
    addresses = ("host", pi.address, phone.address, *cores)
    asked = [word for address in addresses for word in ("--device", address)]
    done = project.edgekd(
        "bench", finished, *asked, "--launches", "1", "--seconds", "0.02", "--photos", "2", "--check", "6",
        "--out", "everywhere", without_tensorflow=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = project.folder / "everywhere"
    results = {path.name: BenchResult.load(path) for path in folder.glob("*.json")}
    assert {result.device for result in results.values()} == set(addresses) and len(results) == 5
    for result in results.values():
        assert result.complete and result.agent == "python"
        assert result.unit == ("instructions" if result.device.startswith("emulated:") else "ns")
        machine = result.facts_before["machine"]
        assert machine == ("aarch64" if result.device != "host" else result.facts_after["machine"])
    # The Pi's firmware reports throttling since its start, and the table says so.
    page = (folder / "report.html").read_text()
    assert "Raspberry Pi 5" in page and "Pixel 7" in page and "executed instructions" in page
    assert "has throttled since it was started" in page
    assert (folder / "plots" / "ratios.png").is_file()
    told = json.loads(project.edgekd("devices", "--json").stdout)
    assert {"host", phone.address, *cores} <= {one["address"] for one in told}
    assert pi.left() == [] and phone.left() == []


def test_the_others_go_on_where_one_is_lost(project: Project, finished: Path, pi: Pi, cores: tuple[str, ...]) -> None:
    pi.kill_sshd()
    file = finished / "export" / "student.int8.tflite"
    done = project.edgekd(
        "bench", file, "--data", "photos", "--launches", "1", "--seconds", "0.02", "--photos", "2", "--check", "0",
        "--device", pi.address, "--device", cores[1], "--out", "without-the-pi", without_tensorflow=True,
    )  # fmt: skip
    assert done.returncode == 4 and "ssh:pi" in done.stderr, done.stderr
    kept = [path.name for path in (project.folder / "without-the-pi").glob("*.json")]
    assert kept == ["emulated_cortex-a76.json"]
