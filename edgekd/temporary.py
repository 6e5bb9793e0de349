"""Temporary names that carry their owner, so that what a killed process left is found and removed by the next one."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from edgekd.process_tree import start_ticks

# Another machine, or the same before it started again, may own it: nothing tells whether it still runs.
_FOREIGN_AGE_S = 7 * 24 * 3600.0
_OWNED = re.compile(r"\.p(\d+)-(\d+)-([0-9a-f]{8})\.")
_cleaned: set[Path] = set()
_shared_folder: list[str] = []


def owned_name(stem: str) -> str:
    """The beginning of a temporary name beside ``stem``: hidden, and with the process that owns it.

    >>> bool(_OWNED.search(owned_name("student")))
    True
    """
    pid = os.getpid()
    return f".{stem[:80]}.p{pid}-{start_ticks(pid)}-{_namespace()}."


@contextlib.contextmanager
def owned_folder(parent: Path, stem: str) -> Iterator[Path]:
    """An empty folder in ``parent``, removed with all it holds; what killed processes left in ``parent`` goes too."""
    remove_leftovers(parent)
    with tempfile.TemporaryDirectory(prefix=owned_name(stem), dir=parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders in ``folder`` whose process has ended; once a folder and process."""
    if folder in _cleaned:
        return
    _cleaned.add(folder)
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            match = _OWNED.search(entry.name)
            if match is None or not _is_left(match, entry):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()


def shared_folder() -> Path:
    """The machine's folder for temporary files, also while this process has one of its own in it."""
    return Path(_shared_folder[0] if _shared_folder else tempfile.gettempdir())


@contextlib.contextmanager
def process_folder() -> Iterator[Path | None]:
    """Put every temporary file of this process, of libraries too, into one folder that is removed at the end.

    Yields the folder; None where none can be made, and temporary files go where they would have gone.
    """
    before, folder = tempfile.tempdir, None
    with contextlib.suppress(OSError):
        shared = tempfile.gettempdir()
        remove_leftovers(Path(shared))
        folder = tempfile.mkdtemp(prefix=owned_name("edgekd"))
        _shared_folder[:], tempfile.tempdir = [shared], folder
    try:
        yield None if folder is None else Path(folder)
    finally:
        tempfile.tempdir, _shared_folder[:] = before, []
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _is_left(match: re.Match[str], entry: os.DirEntry[str]) -> bool:
    pid, started, namespace = int(match[1]), match[2], match[3]
    if namespace == _namespace():
        return start_ticks(pid) != started
    with contextlib.suppress(OSError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _FOREIGN_AGE_S
    return False


@functools.cache
def _namespace() -> str:
    """This boot of this machine and its numbering of processes, as eight hexadecimal digits."""
    facts = ""
    with contextlib.suppress(OSError):
        facts = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii") + str(
            Path("/proc/self/ns/pid").readlink()
        )
    return hashlib.sha256((facts or os.uname().nodename).encode()).hexdigest()[:8]
