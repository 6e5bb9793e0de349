"""Stages of a run directory: done once, skipped while nothing they depend on has changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekd._version import __version__
from edgekd.errors import EdgekdError, RunError
from edgekd.progress import Silent, Watcher
from edgekd.scale.workers import Here, Workers
from edgekd.storage import digest, read_json, sha256_file, write_json


@dataclass
class Workspace:
    """A run directory, who does its independent work, and the content hashes of what its stages have written so far."""

    path: Path
    watcher: Watcher = field(default_factory=Silent)
    workers: Workers = field(default_factory=Here)
    hashes: dict[str, str] = field(default_factory=dict)

    def stage(self, name: str, depends: Any, outputs: tuple[str, ...], work: Callable[[Path, str], None]) -> Path:
        """Do ``work(directory, key)`` unless it was done with the same ``depends``; returns the stage's directory.

        ``depends`` is a JSON-able value; the names of earlier stages in it, as ``hashes`` entries, tie this stage to
        what they wrote. ``outputs`` are the files that must be there for the stage to count as done. The mark is
        written last, so a kill in between leaves the stage to be done (or gone on with) again.
        """
        directory = self.path / name
        key = digest({"stage": name, "edgekd": __version__, "depends": depends})
        mark = directory / "stage.json"
        if (known := _finished(mark, key, directory)) is not None:
            self.hashes[name] = known
            self.watcher.skipped(name)
            return directory
        self.watcher.started(name)
        started = time.monotonic()
        directory.mkdir(parents=True, exist_ok=True)
        mark.unlink(missing_ok=True)
        work(directory, key)
        missing = [output for output in outputs if not (directory / output).is_file()]
        if missing:
            raise RunError(f"{directory}: the stage ended without writing {', '.join(missing)}")
        seconds = time.monotonic() - started
        content = {output: sha256_file(directory / output) for output in outputs}
        write_json(mark, {"schema": 1, "stage": name, "key": key, "outputs": content, "seconds": round(seconds, 3)})
        self.hashes[name] = digest(content)
        self.watcher.finished(name, seconds)
        return directory


def stage_seconds(run: Path, stage: str) -> float:
    """Seconds that a finished stage of a run took, 0 where it is not there.

    A teacher's members are stages of their own within its directory, and are counted with it.
    """
    total = 0.0
    for mark in sorted((run / stage).rglob("stage.json")):
        try:
            total += float(read_json(mark)["seconds"])
        except (EdgekdError, KeyError, TypeError, ValueError):
            continue
    return total


def _finished(mark: Path, key: str, directory: Path) -> str | None:
    """Hash of the stage's outputs where it is done under ``key`` and they are unchanged; None otherwise."""
    if not mark.is_file():
        return None
    try:
        told = read_json(mark)
        if told["key"] != key:
            return None
        same = all((directory / n).is_file() and sha256_file(directory / n) == h for n, h in told["outputs"].items())
    except (EdgekdError, KeyError, TypeError, AttributeError):
        return None  # A damaged mark only means that the stage is done again.
    return digest(told["outputs"]) if same else None
