"""Errors of a machine behind ssh: the cause, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgekd.devices.protocol import Completed
from edgekd.errors import DeviceError, DeviceNotFound
from edgekd.processes import Ended, decode
from edgekd.text import last_line, one_line

_MISSING = re.compile(r"No module named '(numpy|ai_edge_litert|onnxruntime)")


def no_command(address: str, argv: Sequence[str]) -> DeviceError:
    """A command that does not exist there."""
    return DeviceError(
        f"{address}: {argv[0]!r} cannot be started: it does not exist there. Install it there",
        address=address,
        argv=argv,
        status=127,
    )


def no_python(address: str) -> DeviceError:
    """No interpreter at all."""
    return DeviceError(
        f"{address}: it has no python3. Install it there (Debian: sudo apt install python3), "
        f"then here: edgekd devices setup {address}",
        address=address,
        argv=("python3",),
    )


def not_started(address: str, argv: Sequence[str], done: Completed, is_python: bool) -> DeviceError | None:
    """The error for a command that ended because it could not start, or for Python without a runtime; else None."""
    reason = last_line(done.stderr, default="")
    if done.status == 126:
        why = f"{argv[0]!r} cannot be started: {reason or 'it may not be executed'}. "
        why += "Check its rights, and that it was built for this processor"
    elif done.status == 1 and is_python and (missing := _MISSING.search(reason)):
        name = missing[1].replace("_", "-")
        why = f"its Python has no {name}. Install what measuring needs: edgekd devices setup {address}"
    else:
        return None
    return done.failure(
        f"{address}: {why}",
        address=address,
        argv=argv,
    )


def cut_off(address: str, doing: str, ended: Ended, connected: bool, limit_bytes: int) -> DeviceError:
    """The error for something that did not end by itself."""
    stderr = decode(ended.stderr)
    reason = last_line(stderr, default="")
    kind: type[DeviceError] = DeviceError
    if ended.killed == "too much":
        why = f"{doing} wrote more than {limit_bytes >> 20} MiB of output and was killed. "
        why += "Find out what it prints: run it there by hand"
    elif ended.killed == "late":
        why = f"cannot {doing}: it took too long. Check the connection"
    elif connected:
        why = f"{doing} was cut off there, but the connection is up ({reason or f'status {ended.status}'}). "
        why += "Perhaps it is out of memory, or its login shell is not a shell"
    else:
        kind = DeviceNotFound
        why = f"the connection was lost during: {doing} ({reason or f'ssh ended with status {ended.status}'}). "
        why += "What ran there is killed. Check that it is on, and start again"
    return kind(f"{address}: {why}", address=address, status=ended.status, stderr=stderr)


def file_error(address: str, doing: str, stderr: str, size_bytes: int, free_bytes: int | None) -> DeviceError:
    """A file or folder that could not be read or written there; ``free_bytes`` None: not known."""
    text = stderr.lower()
    if "no space left" in text or "quota exceeded" in text:
        needs = f" for {_megabytes(size_bytes)}" if size_bytes else ""
        free = "" if free_bytes is None else f" ({_megabytes(free_bytes)} free)"
        why = f"no space left there{needs}{free}. Free some, or set TMPDIR there to a bigger disk"
    elif "permission denied" in text:
        why = "permission denied. Check whose folder it is"
    elif "read-only file system" in text:
        why = "its disk is read-only. Check it there (dmesg): a failing card is mounted read-only"
    elif re.search("no such file|nonexistent|does not exist", text):
        why = "the file or folder does not exist"
    else:
        # All of it: what the disk has left may follow the reason.
        why = one_line(stderr[-400:], 120) or "it gave no reason"
    return DeviceError(f"{address}: cannot {doing}: {why}", address=address, status=1, stderr=stderr)


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
