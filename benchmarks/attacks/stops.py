"""Kills and signals spread over every command and over its time, and what they leave behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from room import Outcome, Reply, Room, finish, hidden_files, outliving, start

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
# A command that was asked to stop has this long; edgekd itself ends one after 30 s.
_PATIENCE_S = 45.0
# What ends a cluster of Ray looks for processes that were only being started.
_RAY_ENDS_S = 30.0
_ENDS_S = 5.0

# {out} is a folder of one try, in which the command runs; {run} is a finished run.
LINES = {
    "run": "run {cameras}/cameras.toml --out {out}/runs --accept-weak-teacher",
    "train": "train {cameras}/cameras.toml --out {out}/runs",
    "distill": "distill {cameras}/cameras.toml --out {out}/runs --accept-weak-teacher",
    "label": "label {cameras}/cameras.toml --out {out}/runs",
    "label a list": "label {cameras}/cameras.toml --out {run_parent} --photos {cameras}/list.txt --to {out}/labels",
    "sweep": "sweep {cameras}/cameras.toml --students cnn:4@32,cnn:5@32 --out {out}/runs --accept-weak-teacher",
    "export": "export {keras} --int8 --data {run} --out {out}/files",
    "check": "check {file} --data {photos}",
    "predict": "predict {file} {photo}",
    "inspect": "inspect {file}",
    "golden": "golden {file} --out {out}/golden",
    "bench": "bench {file} {other} --data {photos} --launches 2 --seconds 0.3 --out {out}/bench.json",
    "compare": "compare {bench} {bench}",
    "report": "report {run}",
    "recipe": "recipe",
    "devices": "devices",
    "doctor": "doctor",
    "quickstart": "quickstart --out {out}/runs",
    "label --ray": "label {cameras}/cameras.toml --out {out}/runs --ray",
    "sweep --ray": "sweep {cameras}/cameras.toml --students cnn:4@32,cnn:5@32 --out {out}/runs --ray",
}
# Minutes without a stop, so that it is only ever stopped in its first seconds.
_LONG = ("quickstart", "sweep --ray")
_LONG_S = 25.0
SHORT = ("label",)


@dataclass(frozen=True)
class Command:
    """A command, its words, and how long it takes and how it ends when nobody stops it."""

    name: str
    seconds: float
    status: int


def kills(room: Room) -> Outcome:
    """SIGKILL at any moment: what is left goes with the next command, and the same command finishes the work."""
    outcome = Outcome()
    commands = _timed(room)
    for number in range(room.many(50, 1)):
        command = commands[number % len(commands)]
        folder = room.folder("kill")
        reply, left_over = _stop(room, command, signal.SIGKILL, _moment(number, len(commands)), folder)
        # Whatever could not be removed goes when the next command begins.
        again = _run(room, command, folder) if command.name not in _LONG else _version(room, folder)
        right = again.status == command.status or command.name in _LONG
        outcome.add(f"{command.name} after SIGKILL", again, right, [*left_over, *_files(folder)])
        del reply
        shutil.rmtree(folder, ignore_errors=True)
    outcome.remark = "each then done again to its end in the same folder"
    return outcome


def signals(room: Room) -> Outcome:
    """SIGTERM, SIGHUP, SIGINT and SIGQUIT in turn: one line, the signal's exit code, nothing left."""
    outcome, finished = Outcome(), 0
    commands = _timed(room)
    for number in range(room.many(50, 1)):
        command, which = commands[number % len(commands)], SIGNALS[number % len(SIGNALS)]
        folder = room.folder("signal")
        reply, left_over = _stop(room, command, which, _moment(number, len(commands)), folder)
        stopped = reply.status == 128 + which and f"edgekd: stopped by {which.name}" in reply.stderr
        done = reply.status == command.status and "stopped by" not in reply.stderr
        finished += done
        outcome.add(f"{command.name} by {which.name}", reply, stopped or done, [*left_over, *_files(folder)])
        shutil.rmtree(folder, ignore_errors=True)
    outcome.remark = f"{finished} came when the command had just ended"
    return outcome


def _timed(room: Room) -> list[Command]:
    """Every command once without a stop, in the order of ``LINES``."""
    names = SHORT if room.short else tuple(LINES)
    commands = []
    for name in names:
        folder = room.folder("whole")
        began = time.monotonic()
        status = 0
        if name not in _LONG:
            status = _run(room, Command(name, 0, 0), folder).status
        seconds = _LONG_S if name in _LONG else time.monotonic() - began
        commands.append(Command(name, seconds, status))
        shutil.rmtree(folder, ignore_errors=True)
    return commands


def _moment(number: int, commands: int) -> float:
    """The share of a command's time after which its try ``number`` is stopped: other ones at every round."""
    return (0.07 + 0.37 * (number // commands) + 0.61 * (number % commands)) % 0.97


def _stop(room: Room, command: Command, which: signal.Signals, share: float, folder: Path) -> tuple[Reply, list[str]]:
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    process = start(_words(room, command.name, folder), mark, folder, _environment(folder))
    _wait_for_handlers(process.pid)
    with contextlib.suppress(Exception):
        process.wait(share * command.seconds)
    process.send_signal(which)
    reply = finish(process, _PATIENCE_S, signalled=which)
    return reply, outliving(mark, _RAY_ENDS_S if command.name.endswith("--ray") else _ENDS_S)


def _wait_for_handlers(pid: int) -> None:
    """Wait until the process has its own handler of SIGTERM: before, Python's own way out is all there is."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            caught = next(
                line for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
                if line.startswith("SigCgt")
            )  # fmt: skip
        except (OSError, StopIteration):
            return
        if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.01)


def _run(room: Room, command: Command, folder: Path) -> Reply:
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    return finish(start(_words(room, command.name, folder), mark, folder, _environment(folder)), 900)


def _version(room: Room, folder: Path) -> Reply:
    return finish(start(["--version"], "version", folder, _environment(folder)))


def _environment(folder: Path) -> dict[str, str]:
    (folder / "tmp").mkdir(exist_ok=True)
    return {"TMPDIR": str(folder / "tmp")}


def _files(folder: Path) -> list[str]:
    """Temporary files that lie there: all of TMPDIR, and hidden ones beside the results."""
    return [f"file {path.name}" for path in (folder / "tmp").iterdir()] + [
        f"file {name}" for name in hidden_files(folder)
    ]


def _words(room: Room, name: str, folder: Path) -> list[str]:
    """A command's words; what it needs is made when it is first needed."""
    inputs, line = room.inputs, LINES[name]
    values = {"cameras": inputs / "cameras", "photos": inputs / "photos", "photo": inputs / "photo.png", "out": folder}
    if "{file}" in line:
        values |= {"file": room.file(), "other": room.file("float32.tflite")}
    if any(text in line for text in ("{run", "{keras}", "{bench}")):
        run = room.finished_run()
        values |= {"run": run, "run_parent": run.parent, "keras": run / "distill" / "student.keras"}
        values["bench"] = run / "bench" / "bench.json"
    return [word.format(**values) for word in line.split(" ")]
