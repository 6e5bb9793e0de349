"""Where attacks happen: inputs that are made once, commands in processes of their own, and what these leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from cameras import make_cameras
from common import ROOT
from PIL import Image
from small_inputs import small_files

from edgekd.storage import write_text

# In the environment of every process that an attack starts, so that what outlives it is found.
MARK = "EDGEKD_ATTACK"
CLASSES = tuple("abcde")
_TIMEOUT_S = 300.0
# The teacher is a toy: any student is larger.
_SMALLER = ('model = "cnn:4@32"', 'model = "cnn:4@32"\nallow_larger = true')
_QUICK = """
schedule = { epochs = 2, batch_size = 16 }
[export]
calibration = 32
[gates]
min_agreement = 0.0
[bench]
launches = 1
seconds_per_launch = 0.05
warmup_max_s = 0.05
"""
_CRASHES = ("Traceback (most recent call last)", "This is an error in edgekd", "*** SIG")


@dataclass
class Outcome:
    """What an attack did: how often it was tried, and the sentences about every try that went wrong."""

    tried: int = 0
    wrong: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    remark: str = ""

    def add(self, what: str, reply: Reply, right: bool, left_over: Sequence[str] = ()) -> None:
        """Count one command; one that crashed or hung is not wrong as well."""
        self.tried += 1
        if reply.hung:
            self.hung.append(what)
        elif crash := reply.crash():
            self.crashed.append(f"{what}: {crash}")
        elif not right:
            self.wrong.append(f"{what}: exit {reply.status}: {reply.message()}")
        if left_over:
            self.left_over.append(f"{what}: {', '.join(left_over)}")


@dataclass(frozen=True)
class Reply:
    """How a command ended; ``signalled`` is the number of the signal that it was sent."""

    status: int
    stdout: str
    stderr: str
    hung: bool = False
    signalled: int = 0

    def crash(self) -> str:
        """A death that nobody asked for, or a traceback; empty without."""
        if self.status < 0 and -self.status != self.signalled:
            return signal.Signals(-self.status).name
        found = next((text for text in _CRASHES if text in self.stderr), "")
        return found and f"{found}: {self.stderr.strip().splitlines()[-1][:200]}"

    def message(self) -> str:
        """The last line of stderr."""
        return (self.stderr.strip().splitlines() or [""])[-1][:300]

    def refuses(self, *words: str) -> bool:
        """Whether it is one clear error that has all these words."""
        return self.status in (1, 2, 3, 4) and self.message().startswith("edgekd: ") and all(
            word in self.message() for word in words
        )  # fmt: skip


@dataclass(frozen=True)
class Room:
    """The folder ``work``; ``short`` where every attack is tried a few times only."""

    work: Path
    short: bool

    def folder(self, name: str) -> Path:
        """An empty folder of this name."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.work))

    def many(self, full: int, short: int) -> int:
        """How often something is tried."""
        return short if self.short else full

    @property
    def inputs(self) -> Path:
        """Made at the first use: ``photos`` of five classes, ``photo.png``, and ``cameras/`` with a recipe."""
        folder = self.work / "inputs"
        if not folder.exists():
            made = Path(tempfile.mkdtemp(prefix="inputs-", dir=self.work))
            noise = np.random.default_rng(0)
            for number in range(30):
                name = CLASSES[number % 5]
                (made / "photos" / name).mkdir(parents=True, exist_ok=True)
                corners = noise.integers(0, 256, (3, 4, 3), dtype=np.uint8)
                photo = Image.fromarray(corners).resize((80, 60), Image.Resampling.BICUBIC)
                photo.save(made / "photos" / name / f"{number:02d}.png")
            photo.save(made / "photo.png")
            cameras = make_cameras(made / "cameras", 60 if self.short else 600) / "cameras.toml"
            write_text(cameras, cameras.read_text(encoding="utf-8").replace(*_SMALLER) + _QUICK)
            made.rename(folder)
        return folder

    def file(self, name: str = "int8.tflite") -> Path:
        """An exported file of five classes at 32 pixels, made at the first use."""
        folder = self.inputs / "small"
        if not folder.exists():
            made = Path(tempfile.mkdtemp(prefix="small-", dir=self.work))
            small_files(made)
            made.rename(folder)
        return folder / f"small.{name}"

    def finished_run(self) -> Path:
        """The run of the cameras' recipe, made at the first use."""
        folder, recipe = self.inputs / "runs", self.inputs / "cameras" / "cameras.toml"
        if not folder.exists():
            made = Path(tempfile.mkdtemp(prefix="runs-", dir=self.work))
            reply = edgekd(self, "run", recipe, "--out", made, "--accept-weak-teacher", timeout_s=900)
            if reply.status:
                raise RuntimeError(f"the attacked run was not made: {reply.message()}")
            made.rename(folder)
        return folder / "cameras"


def start(argv: Sequence[str | Path], mark: str, cwd: Path, env: Mapping[str, str] | None = None,
          prepare: Callable[[], None] | None = None) -> subprocess.Popen[bytes]:  # fmt: skip
    """Start a command of edgekd whose descendants all carry ``mark``."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", MARK: mark, **(env or {})}
    return subprocess.Popen(
        [sys.executable, "-m", "edgekd", *map(os.fspath, argv)], cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=prepare,  # noqa: PLW1509  limits, set before any thread starts
    )  # fmt: skip


def finish(process: subprocess.Popen[bytes], timeout_s: float = _TIMEOUT_S, signalled: int = 0) -> Reply:
    """Wait for a command; one that does not end in time is killed."""
    try:
        out, err = process.communicate(timeout=timeout_s)
        hung = False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        hung = True
    texts = (part.decode("utf-8", "replace") for part in (out, err))
    return Reply(process.returncode, *texts, hung=hung, signalled=signalled)


def edgekd(room: Room, *argv: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None,
           prepare: Callable[[], None] | None = None, timeout_s: float = _TIMEOUT_S) -> Reply:  # fmt: skip
    """A command to its end."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    return finish(start(argv, mark, cwd or room.work, env, prepare), timeout_s)


def running(mark: str) -> dict[int, str]:
    """Processes that carry a mark and are not zombies, with their commands."""
    found = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit() and int(place.name) != os.getpid():
            try:
                if f"{MARK}={mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
                    found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:80].strip()
            except OSError:
                continue
    return found


def outliving(mark: str, patience_s: float) -> list[str]:
    """What still runs with this mark after ``patience_s``; it is killed."""
    end = time.monotonic() + patience_s
    while (found := running(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
    return [f"process {command}" for command in found.values()]


def hidden_files(*folders: Path) -> list[str]:
    """Temporary files that carry a process's number, in these folders and below."""
    return [
        str(path.relative_to(folder))
        for folder in folders
        if folder.is_dir()
        for path in folder.rglob(".*.p[0-9]*-[0-9]*-*")
    ]


Attack = Callable[[Room], Outcome]
Table = Mapping[str, tuple[str, Attack]]
Json = dict[str, Any]
