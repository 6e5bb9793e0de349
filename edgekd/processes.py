"""Child processes: started in a session of their own, killed as a group, read up to a limit and in limited time."""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from edgekd.stopping import dying_with_parent

_LINE_LIMIT_BYTES = 4096
OUTPUT_LIMIT_BYTES = 64 << 20
_PUMPS_END_S = 5.0


@dataclass(frozen=True)
class Output:
    """All that a process wrote; ``late`` and ``too_long`` say why it was killed, if it was."""

    stdout: bytes
    stderr: bytes
    late: bool
    too_long: bool


def start(
    argv: Sequence[str], *, stdin: IO[bytes] | int = subprocess.DEVNULL, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command with pipes for its output, in its own session: ``kill_group`` ends all that it starts.

    Raises: OSError if it cannot be started.
    """
    pipe = subprocess.PIPE
    return subprocess.Popen(  # noqa: S603  no shell
        list(argv), stdin=stdin, stdout=pipe, stderr=pipe, env=env, start_new_session=True,
        preexec_fn=dying_with_parent(),  # noqa: PLW1509  one system call
    )  # fmt: skip


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that ``start`` started, and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def close_pipes(process: subprocess.Popen[bytes]) -> None:
    """Close this side of the process's pipes."""
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


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


def collect(process: subprocess.Popen[bytes], timeout_s: float, limit_bytes: int = OUTPUT_LIMIT_BYTES) -> Output:
    """Close a process's standard input and read its output to the end.

    What comes after ``limit_bytes`` or ``timeout_s`` is not read: the process is killed then, with its group.
    """
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    sinks = io.BytesIO(), io.BytesIO()
    pumps = [
        Pump(process, pipe, sink, limit_bytes)
        for pipe, sink in zip((process.stdout, process.stderr), sinks, strict=True)
        if pipe is not None
    ]
    end, late = time.monotonic() + timeout_s, False
    try:
        for pump in pumps:
            pump.join(max(0.0, end - time.monotonic()))
        late = any(pump.is_alive() for pump in pumps)
        if not late:
            process.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        late = True
    finally:
        if process.poll() is None or any(pump.is_alive() for pump in pumps):
            kill_group(process)
        process.wait()
        for pump in pumps:
            pump.join(_PUMPS_END_S)
        close_pipes(process)
    too_long = any(pump.overflowed for pump in pumps)
    return Output(sinks[0].getvalue(), sinks[1].getvalue(), late and not too_long, too_long)


def decode(content: bytes) -> str:
    """Output as text, undecodable bytes replaced."""
    return content.decode("utf-8", errors="replace")


class Pump(threading.Thread):
    """Copies one pipe to its end; kills the process when more than the limit has come.

    ``overflowed`` says whether it did, ``failed`` is the error that ``sink`` could not be written for.
    """

    def __init__(self, process: subprocess.Popen[bytes], pipe: IO[bytes], sink: IO[bytes], limit_bytes: int) -> None:
        super().__init__(daemon=True)
        self.overflowed = False
        self.failed: OSError | None = None
        self._process, self._pipe, self._sink, self._left = process, pipe, sink, limit_bytes
        self.start()

    def run(self) -> None:
        """Copy until the pipe ends."""
        while content := os.read(self._pipe.fileno(), 65536):
            self._left -= len(content)
            self.overflowed = self._left < 0
            try:
                if not self.overflowed:
                    self._sink.write(content)
                    continue
            except OSError as error:
                self.failed = error
            kill_group(self._process)
            self._process.kill()
            return
