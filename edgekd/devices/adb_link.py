"""The adb binary: every call names one phone, has an end in time, and fails with a reason that can be acted on."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence

from edgekd import processes
from edgekd.errors import DeviceError, DeviceNotFound, DeviceTimeout
from edgekd.processes import Pump
from edgekd.text import one_line

# USB and TCP serials, emulators, [IPv6%zone]:port and the names of wireless debugging; none starts with a dash.
SERIAL = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._:%\[\]-]{0,127}")
_ASK_TIMEOUT_S = 20.0
_OUTPUT_LIMIT_BYTES = 16 << 20

# What adb and the phone say, in whatever version, and what to do about it.
_CAUSES = (
    (r"no space left|disk quota|not enough space", "the phone's storage is full. Free some space on it"),
    (r"read-only file system", "that part of the phone is read-only"),
    (r"permission denied|operation not permitted", "the phone does not permit it to adb's shell"),
    (r"no such file|does not exist", "it does not exist there"),
    (r"is a directory", "it is a folder"),
)
_STATES = {
    "unauthorized": "has not authorised this computer. Unlock it and accept the dialog 'Allow USB debugging?'",
    "authorizing": "is still authorising this computer. Accept the dialog on its screen and try again",
    "offline": "is attached but offline. Replug it (or: adb reconnect offline) and see: adb devices",
    "connecting": "is still connecting. Try again in a moment",
    "no permissions": "is attached, but this user may not open it. Install its udev rule or join the group plugdev",
    "no device": "is not reachable through adb's server. Replug it and see: adb devices",
}


class AdbLink:
    """One phone by its serial. ``ask`` runs adb to its end; ``start`` leaves it running for the caller."""

    def __init__(self, serial: str) -> None:
        self.serial = serial
        self.address = f"adb:{serial}"

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start ``adb -s SERIAL WORDS`` with pipes, in a session of its own. Raises: DeviceNotFound without adb."""
        return _start("-s", self.serial, *words, address=self.address, stdin=subprocess.PIPE)

    def ask(self, *words: str, timeout_s: float) -> tuple[int, bytes, bytes]:
        """adb's status, stdout and stderr. Raises: DeviceNotFound without adb, DeviceTimeout after ``timeout_s``."""
        with _kept_open() as stdin:
            return _finish(
                _start("-s", self.serial, *words, address=self.address, stdin=stdin), words, timeout_s, self.address
            )

    def check(self, doing: str) -> None:
        """Raises: DeviceNotFound if the phone is not attached, authorised and awake, naming what is."""
        state = states(self.address).get(self.serial)
        if state == "device":
            return
        if state is None:
            raise DeviceNotFound(
                f"{self.address}: cannot {doing}: it is not attached. {_attached()}", address=self.address
            )
        known = next((said for name, said in _STATES.items() if state.startswith(name)), None)
        said = known or f"is in the state {one_line(state)!r}. Boot Android on it and see: adb devices"
        raise DeviceNotFound(f"{self.address}: cannot {doing}: it {said}", address=self.address)

    def failure(self, doing: str, argv: Sequence[str], status: int | None, stderr: str) -> DeviceError:
        """The error for a call that failed on a phone that is there. Raises: DeviceNotFound if it is not."""
        self.check(doing)
        lines = [line for line in stderr.splitlines() if line.strip()]
        lines = [line for line in lines if "error:" in line] or lines
        last = one_line(lines[-1].removeprefix("adb: error: ")) if lines else f"adb ended with status {status}"
        cause = next((told for found, told in _CAUSES if re.search(found, stderr, re.IGNORECASE)), None)
        told = f"{cause} ({last})" if cause else last
        return DeviceError(
            f"{self.address}: cannot {doing}: {told}", address=self.address, argv=argv, status=status, stderr=stderr
        )


def states(address: str = "adb") -> dict[str, str]:
    """State of every phone that adb's server knows, by serial. Raises: DeviceError if it cannot be asked."""
    start_server()
    process = _start("devices", address=address, stdin=subprocess.DEVNULL)
    status, stdout, stderr = _finish(process, ("devices",), _ASK_TIMEOUT_S, address)
    if status != 0:
        said = one_line(stderr.decode("utf-8", "replace")) or f"status {status}"
        raise DeviceError(f"{address}: adb's server cannot be asked: {said}. Try: adb start-server", address=address)
    rows = (line.split("\t", 1) for line in stdout.decode("utf-8", "replace").splitlines() if "\t" in line)
    return {serial: state.strip() for serial, state in rows if SERIAL.fullmatch(serial)}


def start_server() -> None:
    """Start adb's server if there is none; apart, so that it inherits no pipe that someone waits on."""
    if (adb := shutil.which("adb")) is not None:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            null = subprocess.DEVNULL
            subprocess.run(  # noqa: S603
                [adb, "start-server"], stdin=null, stdout=null, stderr=null, timeout=_ASK_TIMEOUT_S, check=False
            )


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process that ``start`` started, and close its pipes."""
    processes.kill_group(process)
    process.wait()
    processes.close_pipes(process)


@contextlib.contextmanager
def _kept_open() -> Iterator[int]:
    """A standard input that ends when the block does, or with this process: what runs on the phone watches it."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def _start(*words: str, address: str, stdin: int) -> subprocess.Popen[bytes]:
    adb = shutil.which("adb")
    if adb is None:
        raise DeviceNotFound(
            f"{address}: adb is not installed here. Install Android's platform tools (Debian: apt install adb)",
            address=address,
        )
    return processes.start([adb, *words], stdin=stdin)


def _finish(
    process: subprocess.Popen[bytes], words: Sequence[str], timeout_s: float, address: str
) -> tuple[int, bytes, bytes]:
    assert process.stdout is not None and process.stderr is not None
    sinks = io.BytesIO(), io.BytesIO()
    pumps = [
        Pump(process, pipe, sink, _OUTPUT_LIMIT_BYTES)
        for pipe, sink in zip((process.stdout, process.stderr), sinks, strict=True)
    ]
    end = time.monotonic() + timeout_s
    try:
        process.wait(timeout_s)
        for pump in pumps:
            pump.join(max(0.0, end - time.monotonic()))
        late = any(pump.is_alive() for pump in pumps)
    except subprocess.TimeoutExpired:
        late = True
    finally:
        _end(process, pumps)
    if any(pump.overflowed for pump in pumps):
        raise DeviceError(
            f"{address}: adb {words[0]} wrote more than can be right ({_OUTPUT_LIMIT_BYTES >> 20} MiB at most) and "
            "was killed",
            address=address,
            argv=("adb", *words),
        )
    stdout, stderr = (sink.getvalue() for sink in sinks)
    if late:
        raise DeviceTimeout(
            f"{address}: adb {words[0]} did not end within {timeout_s:g} s. Check the cable or the network",
            address=address,
            argv=("adb", *words),
            stdout=stdout.decode("utf-8", "replace"),
            stderr=stderr.decode("utf-8", "replace"),
        )
    return process.returncode, stdout, stderr


def _end(process: subprocess.Popen[bytes], pumps: Sequence[Pump]) -> None:
    """Kill what is left of it, so that its pipes end and the pumps with them."""
    if process.poll() is None or any(pump.is_alive() for pump in pumps):
        processes.kill_group(process)
    process.wait()
    for pump in pumps:
        pump.join(_ASK_TIMEOUT_S)
    processes.close_pipes(process)


def _attached() -> str:
    known = [f"adb:{serial} ({one_line(state, 30)})" for serial, state in sorted(states().items())]
    told = f"Attached: {', '.join(known)}" if known else "Nothing is attached: plug a phone in, allow USB debugging"
    return f"{told}; see: adb devices"
