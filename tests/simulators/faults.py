"""Everything that can go wrong with a device while ``edgekd bench`` measures on it, staged on the simulators.

Each fault is run through the command line with this machine as a second device; what was printed, the exit code, what
is kept and what is left on the device is returned, for tests to check and for benchmarks/faults to report.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.phone import Phone
from simulators.pi import Pi
from simulators.watching import watched_by

COMMON = ("--launches", "1", "--seconds", "0.02", "--photos", "2", "--check", "0")
AWKWARD = 'it\'s a "model" $(reboot) ; of 3'
# In the place of Python on the Pi: the real one, but for what it answers as an agent.
_HOSTILE = """#!/bin/sh
case "$1" in */agent.py) ;; *) exec /usr/bin/python3 "$@";; esac
case "$3" in
  *-0.json) yes "$(printf '\\033[2J\\033]0;owned\\007 of no use to anybody')" | head -c 3000000 > "$3";;
  *-1.json) echo '{"schema": 2, "timings_ns": [NaN, -1]}' > "$3";;
  *-2.json) printf '[[[' > "$3"; printf '\\033[31mred' >&2;;
  *) exec /usr/bin/python3 "$@";;
esac
"""


@dataclass
class Bench:
    """One run of the command: its machines, its files and where its results go."""

    pi: Pi
    phone: Phone
    photos: Path
    file: Path
    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def run(self, *arguments: str | Path) -> tuple[int, str]:
        """(exit code, what was printed on stderr) of ``edgekd bench`` on the file, in this process."""
        from edgekd.cli import main

        words = self.words(*arguments)
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(io.StringIO()):
            try:
                main(words)
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        return code, stderr.getvalue()

    def words(self, *arguments: str | Path) -> list[str]:
        return [str(word) for word in ("bench", "--data", self.photos, *COMMON, "--out", self.out, *arguments)]

    def partial(self, address: str) -> Path:
        return self.out / f"{re.sub('[^A-Za-z0-9@.-]', '_', address)}.partial.json"

    def kept(self, address: str) -> int:
        """Launches of that device in what is kept of it."""
        return sum(len(one["launches"]) for one in self.partial_content(address).get("measurements", ()))

    def partial_content(self, address: str) -> dict[str, Any]:
        """What is kept of that device; empty where nothing is."""
        try:
            return dict(json.loads(self.partial(address).read_text(encoding="utf-8")))
        except OSError:
            return {}

    def after_a_launch(self, address: str, act: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """Act in the middle of the run: as soon as one launch of that device is kept."""

        def watch(ended: threading.Event) -> None:
            while not ended.is_set() and not self.kept(address):
                time.sleep(0.02)
            if not ended.is_set():
                # Into the launch that follows.
                time.sleep(0.5)
                act()

        return watched_by(watch)


Stage = Callable[[Bench], contextlib.AbstractContextManager[object]]


@dataclass(frozen=True)
class Fault:
    """``says`` is what its message must match; ``kept`` how many launches must be kept at least."""

    name: str
    on: str
    stage: Stage
    says: str
    kept: int = 0
    options: tuple[str, ...] = ()
    files: int = 1


@dataclass(frozen=True)
class Seen:
    """What came of a fault."""

    code: int
    stderr: str
    kept: int
    host_whole: bool
    left: tuple[str, ...]
    failures: tuple[str, ...]

    @property
    def messages(self) -> list[str]:
        """The messages of edgekd, without progress."""
        lines = self.stderr.splitlines()
        first = next((k for k, line in enumerate(lines) if line.startswith("edgekd: ")), len(lines))
        return lines[first:]


@contextlib.contextmanager
def _nothing_executable(bench: Bench) -> Iterator[None]:
    bench.pi.tmp.chmod(0o555)
    try:
        yield
    finally:
        bench.pi.tmp.chmod(0o755)


@contextlib.contextmanager
def _hostile(bench: Bench) -> Iterator[None]:
    bench.pi.command("python3", _HOSTILE)
    yield


@contextlib.contextmanager
def _hanging(bench: Bench) -> Iterator[None]:
    """A Python that loads its runtime for ever, as from a card that fails."""
    agent = '*/agent.py) echo "edgekd-agent: loading the runtime" >&2; sleep 600;;'
    bench.pi.command("python3", f'#!/bin/sh\ncase "$1" in {agent} *) exec /usr/bin/python3 "$@";; esac\n')
    yield


@contextlib.contextmanager
def _no_python(bench: Bench) -> Iterator[None]:
    bench.pi.settings(hidden=("/usr/bin/python3", "/usr/bin/python3.11"))
    yield


@contextlib.contextmanager
def _full_phone(bench: Bench) -> Iterator[None]:
    bench.phone.fill(leave_bytes=24_576)
    try:
        yield
    finally:
        (bench.phone.storage / "filling").unlink(missing_ok=True)


@contextlib.contextmanager
def _wrong_processor(bench: Bench) -> Iterator[None]:
    shutil.copy("/bin/true", bench.folder / "benchmark_model")
    yield


FAULTS = (
    Fault("sshd killed in the middle", "pi", lambda bench: bench.after_a_launch(bench.pi.address, bench.pi.kill_sshd),
          r"ssh:pi: (cannot .*|the connection was lost during: .*|.*nothing listens.*)", kept=1,
          options=("--launches", "2")),
    Fault("adbd gone in the middle", "phone",
          lambda bench: bench.after_a_launch(bench.phone.address, lambda: bench.phone.order("kill")),
          r"adb:\S+: .*(not attached|offline|link was lost|not reachable)", kept=1, options=("--launches", "2")),
    Fault("the Pi's disk is full", "pi", lambda bench: bench.pi.small_disk(24),
          r"ssh:pi: cannot push \S+ .*no space left there for [\d.]+ MB \([\d.]+ MB free\)\. Free some"),
    Fault("the phone's storage is full", "phone", _full_phone, r"adb:\S+: cannot push .*the phone's storage is full"),
    Fault("built for another processor", "phone", _wrong_processor,
          r"adb:\S+: benchmark_model is built for x86-64, this phone is aarch64", options=("--benchmark-model",)),
    Fault("no Python", "pi", _no_python, r"ssh:pi: it has no python3\. .*: edgekd devices setup ssh:pi"),
    Fault("no permission for a workspace", "pi", _nothing_executable,
          r"ssh:pi: cannot make a workspace .*: permission denied"),
    Fault("a launch that hangs", "pi", _hanging, r"on ssh:pi, launch 1: .*python3 did not end within 2 s and was "
          r"killed\. Allow more time \(--timeout\)\. It was loading the runtime", options=("--timeout", "2")),
    Fault("hostile replies", "pi", _hostile, r"on ssh:pi, launch 1: it answered with something that is not a "
          r"measurement \(.*\)\. Also failed: ", kept=1, files=4),
)  # fmt: skip


def stage(fault: Fault, bench: Bench) -> Seen:
    """Run the command with the fault, wait until the device has tidied up; what was observed."""
    machine = bench.pi if fault.on == "pi" else bench.phone
    files = [bench.folder / f"{k}.{AWKWARD}{bench.file.suffix}" for k in range(fault.files)]
    for path in files:
        shutil.copy(bench.file, path)
        shutil.copy(f"{bench.file}.json", f"{path}.json")
    options = [*fault.options]
    if options == ["--benchmark-model"]:
        options.append(str(bench.folder / "benchmark_model"))
    with fault.stage(bench):
        code, stderr = bench.run(*files, "--device", machine.address, "--device", "host", *options)
        end = time.monotonic() + 60
        while (left := _left(bench, fault.on)) and time.monotonic() < end:
            time.sleep(0.1)
    host = bench.out / "host.json"
    whole = host.is_file() and json.loads(host.read_text(encoding="utf-8"))["complete"]
    failures = tuple(str(one["message"]) for one in bench.partial_content(machine.address).get("failures", ()))
    return Seen(code, stderr, bench.kept(machine.address), bool(whole), tuple(left), failures)


def _left(bench: Bench, on: str) -> list[str]:
    """Files in its temporary folder, and on the Pi what still runs."""
    if on == "phone":
        return [name for name in bench.phone.left() if name != "filling"]
    return bench.pi.left() + [f"process {pid}" for pid in bench.pi.processes()]


@contextlib.contextmanager
def environment(pi: Pi, adb_port: int, folder: Path) -> Iterator[None]:
    """What a shell would have to set so that edgekd finds the simulators and nothing else."""
    wanted = {
        "EDGEKD_SSH_CONFIG": str(pi.config),
        "ANDROID_ADB_SERVER_PORT": str(adb_port),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    before = {name: os.environ.get(name) for name in (*wanted, "ANDROID_SERIAL")}
    os.environ.pop("ANDROID_SERIAL", None)
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def recover(fault: Fault, bench: Bench) -> None:
    """Everything as it should be again."""
    bench.pi.reset()
    if fault.name.startswith("adbd"):
        bench.phone.order("start")
        bench.phone.attach()
