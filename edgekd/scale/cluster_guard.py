"""Ends a cluster of Ray whose command has ended in whatever way: a process of its own, with the standard library alone.

``python cluster_guard.py FOLDER PID``, with a pipe as stdin whose other end the process PID alone holds. When that end
closes, every other process that has a file of FOLDER open or names it in its command is killed, and FOLDER is removed.
A process that lives on after its cluster still has a log of it open. Ray's own
agents look for their parent every few seconds only, and one that is starting then stays for ever.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

# One that was being started when the command ended opens its first file about a second later, on a busy machine more.
_QUIET_S = 3.0
_LOOK_S = 0.2
_MOST_S = 60.0


def guard(folder: str, owner: int) -> None:
    """Wait for the end of stdin, and end what is left of the cluster in ``folder``, but not its ``owner``."""
    while os.read(0, 4096):
        pass
    end = time.monotonic() + _MOST_S
    quiet_until = time.monotonic() + _QUIET_S
    while time.monotonic() < min(quiet_until, end):
        if users := _users(folder, owner):
            quiet_until = time.monotonic() + _QUIET_S
        for pid in users:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(_LOOK_S)


def _users(folder: str, owner: int) -> list[int]:
    numbers = [int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit()]
    return [pid for pid in numbers if pid not in (owner, os.getpid()) and _uses(pid, folder)]


def _uses(pid: int, folder: str) -> bool:
    try:
        if os.fsencode(folder + os.sep) in Path(f"/proc/{pid}/cmdline").read_bytes():
            return True
        links = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
    for link in links:
        with contextlib.suppress(OSError):
            if str(link.readlink()).startswith(folder + os.sep):
                return True
    return False


if __name__ == "__main__":
    # In a session of its own and no child of the command: what ends the command and its children leaves it alone.
    if os.fork() == 0:
        os.setsid()
        guard(sys.argv[1], int(sys.argv[2]))
    os._exit(0)
