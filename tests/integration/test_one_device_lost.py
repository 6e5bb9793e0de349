"""A device that is lost leaves the others their turn. All of them at once: test_readme.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulators.pi import Pi
from support import Project

from edgekd.devices import emulated


@pytest.fixture
def cores(arm_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Both emulated cores, set up in a cache of the test's own."""
    monkeypatch.setenv("EDGEKD_ARM_ROOT", str(arm_root))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    emulated.setup("emulated:cortex-a76")
    return "emulated:cortex-a72", "emulated:cortex-a76"


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
