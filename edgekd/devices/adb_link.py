"""The adb binary: every call names one phone, ends in limited time, and fails with a reason that can be acted on."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence

from edgekd import processes
from edgekd.errors import DeviceError, DeviceNotFound, DeviceTimeout
from edgekd.processes import Ended, decode
from edgekd.text import one_line

# USB and TCP serials, emulators, [IPv6%zone]:port and the names of wireless debugging; none starts with a dash.
SERIAL = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._:%\[\]-]{0,127}")
_ASK_TIMEOUT_S = 20.0
_OUTPUT_LIMIT_BYTES = 16 << 20

# What adb and the phone report, in any version, and what to do about it.
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
        with _open_stdin() as stdin:
            process = _start("-s", self.serial, *words, address=self.address, stdin=stdin, tied=True)
            return _finish(process, words, timeout_s, self.address)

    def check(self, doing: str) -> None:
        """Raises: DeviceNotFound if the phone is not attached, authorised and awake, naming what is."""
        state = states(self.address).get(self.serial)
        if state == "device":
            return
        if state is None:
            raise DeviceNotFound(
                f"{self.address}: cannot {doing}: it is not attached. {_list_attached()}", address=self.address
            )
        cause = next((text for name, text in _STATES.items() if state.startswith(name)), None)
        cause = cause or f"is in the state '{one_line(state)}'. Boot Android on it and see: adb devices"
        raise DeviceNotFound(f"{self.address}: cannot {doing}: it {cause}", address=self.address)

    def failure(self, doing: str, argv: Sequence[str], status: int | None, stderr: str) -> DeviceError:
        """The error for a call that failed on a phone that is attached. Raises: DeviceNotFound if it is not."""
        self.check(doing)
        lines = [line for line in stderr.splitlines() if line.strip()]
        lines = [line for line in lines if "error:" in line] or lines
        last = one_line(lines[-1].removeprefix("adb: error: ")) if lines else f"adb ended with status {status}"
        cause = next((text for pattern, text in _CAUSES if re.search(pattern, stderr, re.IGNORECASE)), None)
        why = f"{cause} ({last})" if cause else last
        return DeviceError(
            f"{self.address}: cannot {doing}: {why}", address=self.address, argv=argv, status=status, stderr=stderr
        )


def states(address: str = "adb") -> dict[str, str]:
    """State of every phone that adb's server knows, by serial. Raises: DeviceError if it cannot be asked."""
    start_server()
    process = _start("devices", address=address, stdin=subprocess.DEVNULL, tied=True)
    status, stdout, stderr = _finish(process, ("devices",), _ASK_TIMEOUT_S, address)
    if status != 0:
        reason = one_line(decode(stderr)) or f"status {status}"
        raise DeviceError(f"{address}: adb's server does not answer: {reason}. Try: adb start-server", address=address)
    rows = (line.split("\t", 1) for line in decode(stdout).splitlines() if "\t" in line)
    return {serial: state.strip() for serial, state in rows if SERIAL.fullmatch(serial)}


def start_server() -> None:
    """Start adb's server if it is not running; without pipes, which it would inherit and hold open."""
    if (adb := shutil.which("adb")) is not None:
        null = subprocess.DEVNULL
        with contextlib.suppress(OSError):
            processes.wait(processes.start([adb, "start-server"], stdout=null, stderr=null), _ASK_TIMEOUT_S)


def end_process(process: subprocess.Popen[bytes], grace_s: float = 0.0) -> Ended:
    """End a process that ``start`` started by closing its stdin, killed after ``grace_s``; what it still wrote."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    return processes.collect(process, grace_s, limit_bytes=_OUTPUT_LIMIT_BYTES)


@contextlib.contextmanager
def _open_stdin() -> Iterator[int]:
    """A standard input that ends when the block does, or with this process: what runs on the phone watches it."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def _start(*words: str, address: str, stdin: int, tied: bool = False) -> subprocess.Popen[bytes]:
    adb = shutil.which("adb")
    if adb is None:
        raise DeviceNotFound(
            f"{address}: adb is not installed here. Install Android's platform tools (Debian: apt install adb)",
            address=address,
        )
    return processes.start([adb, *words], stdin=stdin, tied=tied)


def _finish(
    process: subprocess.Popen[bytes], words: Sequence[str], timeout_s: float, address: str
) -> tuple[int, bytes, bytes]:
    ended = processes.collect(process, timeout_s, limit_bytes=_OUTPUT_LIMIT_BYTES)
    if ended.killed == "too much":
        raise DeviceError(
            f"{address}: adb {words[0]} wrote more than {_OUTPUT_LIMIT_BYTES >> 20} MiB of output and was killed. "
            "Find out what it prints: run it by hand",
            address=address,
            argv=("adb", *words),
        )
    if ended.killed == "late":
        raise DeviceTimeout(
            f"{address}: adb {words[0]} did not end within {timeout_s:g} s. Check the cable or the network",
            address=address,
            argv=("adb", *words),
            stdout=decode(ended.stdout),
            stderr=decode(ended.stderr),
        )
    return ended.status, ended.stdout, ended.stderr


def _list_attached() -> str:
    phones = [f"adb:{serial} ({one_line(state, 30)})" for serial, state in sorted(states().items())]
    if not phones:
        return (
            "Nothing is attached: plug a phone in, allow USB debugging (a Samsung's Auto Blocker must be off); "
            "see: adb devices"
        )
    return f"Attached: {', '.join(phones)}; see: adb devices"
