"""Commands that the kernel kills with the thread that started them (Linux with util-linux; elsewhere it does not)."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_HEADER_BYTES = 20
_TIE = ("--pdeathsig", "KILL", "--")


def tie_to_parent(argv: Sequence[str]) -> list[str]:
    """The command that runs ``argv`` so; ``argv`` itself where that is not possible here."""
    setpriv = find_setpriv() if _can_be_executed(argv[0]) else None
    return [*((setpriv, *_TIE) if setpriv else ()), *argv]


@functools.cache
def find_setpriv() -> str | None:
    """util-linux's program that has the kernel kill a command with its parent thread; None where it does not work."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return None
    null = subprocess.DEVNULL
    try:
        tried = subprocess.run(  # noqa: S603  no shell
            [setpriv, *_TIE, "true"], stdin=null, stdout=null, stderr=null, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return setpriv if tried.returncode == 0 else None


def _can_be_executed(program: str) -> bool:
    """Whether the kernel executes it; else it is left to ``Popen`` to say why not, where setpriv tries a shell."""
    path = shutil.which(program)
    header = _read_header(path) if path else b""
    return header.startswith(b"#!") or (len(header) == _HEADER_BYTES and _kind(header) == _kind(_python_header()))


@functools.cache
def _python_header() -> bytes:
    return _read_header(sys.executable)


def _read_header(path: str) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            return stream.read(_HEADER_BYTES)
    except OSError:
        return b""


def _kind(header: bytes) -> bytes:
    """Magic, word size and processor of an ELF file. Source: elf(5)."""
    return header[:5] + header[18:20]
