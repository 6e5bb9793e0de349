"""What this machine lacks: a full disk, no place for temporary files, a folder without rights, encodings, memory."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from room import Outcome, Reply, Room, edgekd, hidden_files
from stops import LINES, _words

# What writes into {out}.
WRITING = ("run", "label", "label a list", "export", "golden", "bench")
SHORT = ("label",)
# More than the modules need, and too little for a command: nothing may blame the photos.
MEMORY_MIB = (300, 400, 500, 650, 900, 1300)
ENCODINGS = ("ascii", "latin-1", "utf-8")


@contextlib.contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[Path | None]:
    """A file system of its own in memory, mounted on the folder; None where this user may not mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def full_disk(room: Room) -> Outcome:
    """Every command that writes, on a disk that is full from the start or fills up: one line that says so."""
    outcome = Outcome()
    for name in SHORT if room.short else WRITING:
        for kib in (4, 64) if room.short else (4, 64, 256):
            folder = room.folder("disk")
            with small_disk(folder / "mounted", kib) as disk:
                limit = None if disk else _file_limit(kib << 10)
                reply = _on(room, name, disk or folder / "mounted", prepare=limit)
                said = ("No space left", "full", "File too large", "cannot be written")
                right = reply.status == 0 or (reply.refuses() and any(word in reply.message() for word in said))
                # A model that cannot be written may be refused by the gate of its own files.
                outcome.add(f"{name} on {kib} KiB", reply, right, hidden_files(disk or folder / "mounted"))
            outcome.remark = "a tmpfs" if disk else "RLIMIT_FSIZE in place of a disk"
            shutil.rmtree(folder, ignore_errors=True)
    return outcome


def full_tmpdir(room: Room) -> Outcome:
    """A TMPDIR that is full: the command works without, or its one line names that folder."""
    outcome = Outcome()
    for name in SHORT if room.short else (*WRITING, "check", "predict", "inspect"):
        for kib in (4,) if room.short else (4, 128):
            folder = room.folder("tmp")
            with small_disk(folder / "tmp", kib) as disk:
                if disk is None:
                    outcome.remark = "not tried: this user may not mount a file system"
                    continue
                reply = _on(room, name, folder / "out", {"TMPDIR": str(disk)})
                named = str(disk) in reply.message() or "No space left" in reply.message()
                outcome.add(f"{name} with {kib} KiB", reply, reply.status == 0 or (reply.refuses() and named))
            shutil.rmtree(folder, ignore_errors=True)
    return outcome


def read_only(room: Room) -> Outcome:
    """A folder that can't be written to, before the work and in its way: one line that names the folder."""
    outcome = Outcome()
    for name in SHORT if room.short else WRITING:
        folder = room.folder("readonly")
        with small_disk(folder / "mounted", 1024) as disk:
            place = disk or Path("/proc/edgekd")
            if disk:
                subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            reply = _on(room, name, place)
            outcome.add(name, reply, reply.refuses(str(place)))
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


def encodings(room: Room) -> Outcome:
    """Three encodings of the terminal: the same exit code as ever, and text that is valid in them."""
    outcome = Outcome()
    names = SHORT if room.short else ("check", "predict", "inspect", "golden", "bench", "report", "recipe", "doctor",
                                      "compare", "devices", "label", "run", "export")  # fmt: skip
    for name in names:
        plain = None
        for encoding in ENCODINGS:
            folder = room.folder("encoding")
            reply = _on(room, name, folder, {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})
            plain = reply.status if plain is None else plain
            outcome.add(f"{name} in {encoding}", reply, reply.status == plain and "UnicodeE" not in reply.stderr)
            shutil.rmtree(folder, ignore_errors=True)
    return outcome


def memory(room: Room) -> Outcome:
    """Too little memory for a command: said so, with no good photo called damaged."""
    outcome = Outcome()
    for name in ("check",) if room.short else ("check", "predict", "label", "golden"):
        for mib in MEMORY_MIB[2:3] if room.short else MEMORY_MIB:
            folder = room.folder("memory")
            reply = _on(room, name, folder, prepare=_memory_limit(mib << 20))
            blamed = [word for word in ("damaged", "cannot be decoded", "not a photo") if word in reply.stderr]
            outcome.add(f"{name} in {mib} MiB", reply, reply.status == 0 or (reply.refuses() and not blamed))
            shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _on(room: Room, name: str, folder: Path, env: Mapping[str, str] | None = None,
        prepare: Callable[[], None] | None = None) -> Reply:  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True) if not str(folder).startswith("/proc") else None
    return edgekd(room, *_words(room, name, folder), env=env, prepare=prepare, timeout_s=600)


def _file_limit(size: int) -> Callable[[], None]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def _memory_limit(size: int) -> Callable[[], None]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (size, size))

    return limit


assert set(WRITING) <= set(LINES)
