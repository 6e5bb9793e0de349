"""Running processes and what they started, told apart from later ones of the same number (Linux; elsewhere none)."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Ends by itself when the process that it serves has ended, and cleans up after it.
_HELPER = b"multiprocessing.resource_tracker"


@dataclass(frozen=True)
class Running:
    """A process by its number and ``start_ticks``, when it began in the kernel's ticks since boot."""

    pid: int
    start_ticks: str


def start_ticks(pid: int) -> str:
    """When a process began, in the kernel's ticks since boot; "0" where there is no such process or no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "0"
    # The command's name, in parentheses, may hold anything.
    return stat.rpartition(")")[2].split()[19]


def descendants(pid: int | None = None) -> list[Running]:
    """Every process that ``pid`` (None: this process) started, and that these started, the nearest first."""
    found: list[Running] = []
    for child in _children(pid or os.getpid()):
        found += [Running(child, start_ticks(child)), *descendants(child)]
    return found


def kill_all(found: Sequence[Running]) -> None:
    """Kill these as far as they still run, each with its group where it leads one."""
    for process in found:
        with contextlib.suppress(OSError):
            if start_ticks(process.pid) != process.start_ticks or _HELPER in _command(process.pid):
                continue
            (os.killpg if os.getpgid(process.pid) == process.pid else os.kill)(process.pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
