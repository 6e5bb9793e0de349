"""Python on other CPUs than this machine's, by qemu's user emulation: x86 without VNNI, and arm64."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edgekd.devices.arm_root import PYTHON, prefix_of

# The newest x86 core with AVX2 and without any AVX512 or VNNI, and arm64 with and without dot products of bytes.
HASWELL, A76, A72 = "haswell", "cortex-a76", "cortex-a72"
_BOARDS = {A76: "pi5", A72: "pi4"}


def argv_on(cpu: str, arm_root: Path | None = None) -> list[str]:
    """What to put before a script and its arguments to run it by Python on ``cpu``; ``native`` is this machine's."""
    if cpu == "native":
        return [sys.executable]
    if cpu == HASWELL:
        return ["qemu-x86_64", "-cpu", "Haswell", sys.executable]
    assert arm_root is not None
    return [
        *("env", "-i", "HOME=/nonexistent", "qemu-aarch64", "-cpu", cpu),
        *("-L", str(prefix_of(arm_root, _BOARDS[cpu])), f"{arm_root}/usr/bin/python{PYTHON}"),
    ]


def run_on(cpu: str, arguments: list[str], arm_root: Path | None = None) -> None:
    """Run a script with its arguments on ``cpu``. Raises AssertionError with what it said if it fails."""
    done = subprocess.run([*argv_on(cpu, arm_root), *arguments], capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stderr[-2000:]


def has_vnni() -> bool:
    """Whether this machine multiplies bytes without saturating."""
    flags = Path("/proc/cpuinfo").read_text().split()
    return bool({"avx512_vnni", "avx_vnni", "asimddp"} & set(flags))
