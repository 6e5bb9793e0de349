"""Child processes: in sessions of their own, ended as a group, their output read up to a limit and in limited time."""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal

from edgekd.parent_death import tie_to_parent

# More than any command that edgekd runs has to say, and far below any machine's memory.
OUTPUT_LIMIT_BYTES = 64 << 20
_LINE_LIMIT_BYTES = 4096
# After its group is killed, a process's pipes end at once, but for those that a process outside the group holds.
_DRAIN_S = 1.0
# How often a file that a process writes to is looked at.
_LOOK_S = 0.05

Killed = Literal["late", "too much"]


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    ``status`` is its exit status, negative for a signal; ``killed`` says why it was killed here: it ran past its time
    or wrote more than its limit. ``stdout`` is empty where it went into a sink.
    """

    status: int
    stdout: bytes
    stderr: bytes
    killed: Killed | None = None


def start(
    argv: Sequence[str],
    *,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stdout: IO[bytes] | int = subprocess.PIPE,
    stderr: IO[bytes] | int = subprocess.PIPE,
    env: Mapping[str, str] | None = None,
    tied: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a command, with pipes for its output, in its own session: ``kill_group`` ends all that it starts.

    Args:
        argv: The program and its arguments.
        stdin: Where it reads from.
        stdout: Where its output goes.
        stderr: Where its messages go.
        env: Its environment; None: this process's.
        tied: Have it killed when the calling thread ends, also by SIGKILL (Linux with util-linux; elsewhere it is
            not): for a caller that waits for its end.

    Raises: OSError if it cannot be started.
    """
    return subprocess.Popen(  # noqa: S603  no shell
        tie_to_parent(argv) if tied else argv,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=env,
        start_new_session=True,
    )


def run(
    argv: Sequence[str],
    timeout_s: float,
    *,
    env: Mapping[str, str] | None = None,
    limit_bytes: int = OUTPUT_LIMIT_BYTES,
) -> Ended:
    """Run a command to its end, without input; all of its group is killed when it is late or writes too much.

    It is ``tied``: it also ends when this process is killed.

    Args:
        argv: The program and its arguments.
        timeout_s: Seconds that it may take.
        env: Its environment; None: this process's.
        limit_bytes: The most that it may write to stdout, and to stderr.

    Raises: OSError if it cannot be started.
    """
    return collect(start(argv, env=env, tied=True), timeout_s, limit_bytes=limit_bytes)


def collect(
    process: subprocess.Popen[bytes],
    timeout_s: float,
    *,
    sink: IO[bytes] | None = None,
    limit_bytes: int = OUTPUT_LIMIT_BYTES,
    grace_s: float = 0.0,
) -> Ended:
    """Read what a process that ``start`` started writes, until it ends; then what is left of its group is killed.

    Of a process that was collected before, the status alone is returned.

    Args:
        process: It ends within this call, and its pipes are closed.
        timeout_s: Seconds that it may take.
        sink: Where its stdout goes; None: into the result.
        limit_bytes: The most that it may write to stdout, and to stderr.
        grace_s: Seconds that it gets after ``timeout_s`` to end by itself, its stdin (if that is a pipe) closed.

    Raises: OSError if ``sink`` cannot be written.
    """
    stdout, stderr = io.BytesIO(), io.BytesIO()
    reader = _Reader(process, sink or stdout, stderr, limit_bytes)
    # Its number may be another process's by now.
    collected = process.returncode is not None and not reader.has_pipes
    killed: Killed | None = None
    try:
        killed = reader.read(timeout_s)
        if killed == "late" and grace_s and process.stdin is not None:
            _close(process.stdin)
            reader.read(grace_s)
    finally:
        # Also where it ended by itself: a wrapper script may leave children behind. A daemon has its own group.
        if not collected:
            kill_group(process)
        process.wait()
        try:
            if killed == "late":
                reader.read(_DRAIN_S)
        finally:
            reader.close()
            close_pipes(process)
    return Ended(process.returncode, stdout.getvalue(), stderr.getvalue(), killed)


def wait(
    process: subprocess.Popen[bytes],
    timeout_s: float,
    *,
    written: IO[bytes] | None = None,
    limit_bytes: int = OUTPUT_LIMIT_BYTES,
) -> int | Killed:
    """The exit status of a process without pipes, or why its group was killed.

    Args:
        process: It ends within this call.
        timeout_s: Seconds that it may take.
        written: The file on the disk that it writes to, where its size has to be watched.
        limit_bytes: The most that it may write there.
    """
    end = time.monotonic() + timeout_s
    try:
        while (status := _status(process, end, None if written is None else _LOOK_S)) is None:
            if time.monotonic() >= end:
                return "late"
            if written is not None and os.fstat(written.fileno()).st_size > limit_bytes:
                return "too much"
        return status
    finally:
        if process.returncode is None:
            kill_group(process)
            process.wait()


def _status(process: subprocess.Popen[bytes], end: float, most_s: float | None) -> int | None:
    """The exit status, once the process ends; None at the ``end`` and after ``most_s``."""
    left_s = max(0.0, end - time.monotonic())
    try:
        return process.wait(left_s if most_s is None else min(left_s, most_s))
    except subprocess.TimeoutExpired:
        return None


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that ``start`` started, and whatever it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def close_pipes(process: subprocess.Popen[bytes]) -> None:
    """Close this side of the process's pipes."""
    for pipe in (process.stdin, process.stdout, process.stderr):
        _close(pipe)


def read_line(process: subprocess.Popen[bytes], timeout_s: float) -> bytes:
    """What a process writes up to its first newline, its end or ``timeout_s``; nothing behind the newline is read."""
    assert process.stdout is not None
    handle, line, end = process.stdout.fileno(), b"", time.monotonic() + timeout_s
    while not line.endswith(b"\n") and len(line) < _LINE_LIMIT_BYTES:
        ready, _, _ = select.select([handle], [], [], max(0.0, end - time.monotonic()))
        content = os.read(handle, 1) if ready else b""
        if not content:
            break
        line += content
    return line


def line_writer() -> Callable[[dict[str, Any]], None]:
    """For a child process whose parent reads lines of JSON: what writes a value as one of them.

    From here on only these lines reach this process's stdout: what a runtime prints goes to stderr.
    """
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def write(value: dict[str, Any]) -> None:
        output.write(json.dumps(value) + "\n")
        output.flush()

    return write


def signal_name(status: int) -> str:
    """The signal that ended a process, by the negative ``status`` that Python gives it.

    >>> signal_name(-11)
    'SIGSEGV'
    """
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def decode(content: bytes) -> str:
    """Output as text, undecodable bytes replaced."""
    return content.decode("utf-8", errors="replace")


class _Reader:
    """Copies a process's two pipes into two sinks, as far as the limit goes."""

    def __init__(
        self, process: subprocess.Popen[bytes], stdout: IO[bytes], stderr: IO[bytes], limit_bytes: int
    ) -> None:
        self._process = process
        self._selector = selectors.DefaultSelector()
        self._left: dict[int, int] = {}
        for pipe, sink in ((process.stdout, stdout), (process.stderr, stderr)):
            if pipe is not None and not pipe.closed:
                self._selector.register(pipe, selectors.EVENT_READ, sink)
                self._left[pipe.fileno()] = limit_bytes

    @property
    def has_pipes(self) -> bool:
        """Whether there is a pipe that was not closed yet."""
        return bool(self._left)

    def read(self, timeout_s: float) -> Killed | None:
        """Copy until the pipes and the process have ended, the time is up, or a pipe has brought too much."""
        end = time.monotonic() + timeout_s
        while self._selector.get_map():
            remaining_s = end - time.monotonic()
            ready = self._selector.select(remaining_s) if remaining_s > 0 else []
            if not ready:
                return "late"
            for key, _ in ready:
                content = os.read(key.fd, 65536)
                if not content:
                    self._selector.unregister(key.fileobj)
                    continue
                self._left[key.fd] -= len(content)
                if self._left[key.fd] < 0:
                    return "too much"
                key.data.write(content)
        try:
            self._process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            return "late"
        return None

    def close(self) -> None:
        self._selector.close()


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        # A pipe whose other end is gone cannot be flushed.
        with contextlib.suppress(OSError):
            pipe.close()
