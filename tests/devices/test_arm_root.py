from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgekd.devices import arm_root as roots
from edgekd.devices import facts
from edgekd.devices.pi_board import BOARDS, board_files
from edgekd.errors import DeviceError


def in_root(root: Path, *argv: str) -> str:
    prefix = roots.prefix_of(root, "pi5")
    line = ["env", "-i", "HOME=/nonexistent", "qemu-aarch64", "-L", str(prefix), f"{root}/usr/bin/{argv[0]}", *argv[1:]]
    return subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of the test's own: apt-get knows an archive, and every other tool succeeds at nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("apt-get", "mmdebstrap", "tar", "qemu-aarch64", "newuidmap"):
        script(folder / name, "echo archive")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def test_the_root_is_arm64_with_the_runtimes_that_edgekd_pins(arm_root: Path) -> None:
    assert in_root(arm_root, "uname", "-m") == "aarch64\n"
    code = "import importlib.metadata as m, sys; print(*(m.version(name) for name in sys.argv[1:]))"
    names = ("ai-edge-litert", "numpy", "onnxruntime", "pillow")
    versions = dict(zip(names, in_root(arm_root, "python3", "-c", code, *names).split(), strict=True))
    assert [line.partition("=")[0].partition("<")[0] for line in roots.requirements()] == list(names)
    for line in roots.requirements():
        name, exact, pinned = line.partition("==")
        if exact:
            assert versions[name].startswith(pinned.removesuffix("*"))


def test_a_program_in_the_root_reads_the_boards_cpuinfo(arm_root: Path) -> None:
    assert facts.parse_cpu_model((arm_root / "proc/cpuinfo").read_text()) == "Cortex-A76"
    for board, feature in (("pi4", False), ("pi5", True)):
        prefix = roots.prefix_of(arm_root, board)
        argv = ["qemu-aarch64", "-L", str(prefix), f"{arm_root}/usr/bin/cat", "/proc/cpuinfo"]
        text = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
        assert text == board_files(BOARDS[board])["proc/cpuinfo"]
        assert ("asimddp" in facts.parse_cpu_flags(text)) is feature
        assert text.count("processor") == 4


def test_a_root_that_is_there_is_not_made_again(arm_root: Path) -> None:
    stamp = arm_root / roots.STAMP
    made = stamp.stat().st_mtime_ns
    calls: list[int] = []
    assert roots.make_root(arm_root, "pi5", lambda done, _: calls.append(done)) == arm_root
    assert calls == [] and stamp.stat().st_mtime_ns == made
    assert roots.is_current(arm_root) and not roots.is_current(arm_root / "usr")


def test_boards_differ_in_caches_and_clocks() -> None:
    pi4, pi5 = board_files(BOARDS["pi4"]), board_files(BOARDS["pi5"])
    cpu = "sys/devices/system/cpu/cpu3"
    assert pi4[f"{cpu}/cache/index2/size"] == "1024K\n" and f"{cpu}/cache/index3/size" not in pi4
    assert pi5[f"{cpu}/cache/index3/shared_cpu_list"] == "0-3\n"
    assert pi5[f"{cpu}/cache/index2/shared_cpu_list"] == "3\n"
    assert pi4[f"{cpu}/cpufreq/cpuinfo_max_freq"] == "1800000\n"
    assert pi5["proc/device-tree/model"] == "Raspberry Pi 5 Model B Rev 1.0\0"


def test_a_folder_of_someone_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(DeviceError, match="left alone"):
        roots.make_root(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_missing_tools_are_named_by_package(tools: Path, tmp_path: Path) -> None:
    (tools / "mmdebstrap").unlink()
    (tools / "qemu-aarch64").unlink()
    with pytest.raises(DeviceError, match=r"lacks mmdebstrap, qemu-user.*apt-get install mmdebstrap qemu-user"):
        roots.make_root(tmp_path / "root")


@pytest.mark.parametrize("line", ["exit 0", "exit 100"])
def test_a_machine_without_a_debian_archive(tools: Path, tmp_path: Path, line: str) -> None:
    script(tools / "apt-get", line)
    with pytest.raises(DeviceError, match=r"knows no Debian archive.*EDGEKD_ARM_ROOT"):
        roots.make_root(tmp_path / "root")


def test_a_full_disk_is_said_and_nothing_is_left(tools: Path, tmp_path: Path) -> None:
    script(tools / "mmdebstrap", "echo 'E: write failed: No space left on device' >&2; echo 'I: done' >&2; exit 25")
    with pytest.raises(DeviceError, match=r"mmdebstrap ended with status 25: .*No space left.*Make space") as caught:
        roots.make_root(tmp_path / "home" / "root")
    assert caught.value.exit_code == 4 and caught.value.status == 25
    assert list((tmp_path / "home").iterdir()) == []


def test_a_disk_that_will_be_too_small_is_said_first(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roots, "NEEDED_BYTES", 10**18)
    with pytest.raises(DeviceError, match=r"MB are free and making it takes .* MB. Make space"):
        roots.make_root(tmp_path / "root")
