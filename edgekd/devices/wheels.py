"""Wheels for another machine: which fit it, and how this machine's pip downloads them."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from edgekd import processes
from edgekd.devices import facts
from edgekd.devices.arm_root import requirements
from edgekd.errors import DeviceError, DeviceTimeout
from edgekd.text import last_line

_TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Target:
    """What wheels must fit: Python's version, the processor and the C library's version."""

    python: tuple[int, int]
    machine: str
    glibc: tuple[int, int]

    def tags(self) -> tuple[str, ...]:
        """The platform tags of wheels that run there. Source: PEP 600."""
        perennial = tuple(f"manylinux_2_{minor}_{self.machine}" for minor in range(17, self.glibc[1] + 1))
        return (f"manylinux2014_{self.machine}", *perennial)


def find_wheels(folder: Path, target: Target, address: str) -> list[Path]:
    """The wheels in ``folder``. Raises: DeviceError if one is missing or made for something else."""
    wheels = sorted(folder.glob("*.whl"))
    unfit = [path.name for path in wheels if not _fits(path.name, target)]
    names = {re.sub(r"[-_.]+", "-", path.name.split("-")[0]).lower() for path in wheels}
    missing = [name for name in facts.RUNTIMES if name not in names]
    if unfit or missing:
        python = ".".join(map(str, target.python))
        why = f"no wheel of {', '.join(missing)}" if missing else f"they do not fit: {', '.join(unfit)}"
        raise DeviceError(
            f"{address}: cannot use the wheels in {folder}: {why}. It needs wheels for Python {python} on "
            f"{target.machine} with glibc {'.'.join(map(str, target.glibc))}",
            address=address,
        )
    return wheels


def _fits(name: str, target: Target) -> bool:
    python, abi, platform = ["", "", "", *name.removesuffix(".whl").split("-")][-3:]
    version = f"cp{target.python[0]}{target.python[1]}"
    plain = abi == "none" and any(tag in ("py3", "py2.py3", version) for tag in (python, *python.split(".")))
    stable = abi == "abi3" and re.fullmatch(r"cp3[0-9]+", python) and int(python[3:]) <= target.python[1]
    tags = {"any", *target.tags()}
    return bool(abi == python == version or plain or stable) and not tags.isdisjoint(platform.split("."))


def download(folder: Path, target: Target, address: str) -> None:
    """Download the wheels for ``target`` by this machine's own pip. Raises: DeviceError with what pip said."""
    python = "".join(map(str, target.python))
    abis = [f"--abi={abi}" for abi in (f"cp{python}", "abi3", "none")]
    words = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"),
        *("--only-binary=:all:", "--implementation=cp", f"--python-version={python}", *abis),
        *(f"--platform={tag}" for tag in target.tags()),
        *("--dest", str(folder), "--", *requirements()),
    ]
    ended = processes.run(words, _TIMEOUT_S)
    if ended.killed == "late":
        raise DeviceTimeout(
            f"{address}: pip did not download the wheels within {_TIMEOUT_S:g} s. "
            "Download them elsewhere and give their folder: --wheels DIR",
            address=address,
        )
    if ended.status != 0:
        stderr = processes.decode(ended.stderr)
        raise DeviceError(
            f"{address}: this machine's pip cannot download the wheels for it: {last_line(stderr)}. "
            "Download them elsewhere and give their folder: --wheels DIR",
            address=address,
            argv=words,
            status=ended.status,
            stderr=stderr,
        )
