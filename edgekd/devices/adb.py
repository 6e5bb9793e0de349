"""``adb:SERIAL``: an Android phone through the user's own adb, always by its serial, so that two at once work.

adb's own exit status cannot be trusted: adb 29 ends with 0 when the link is lost in the middle of a command. So a
command runs under ``probe.SUPERVISOR``, which reports how it ended and kills all of it when its standard input
closes: at a timeout, when edgekd is killed, when the cable is pulled, and when adbd dies. A script that waits in the
same way holds the workspace and removes it (see ``adb_workspace``).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from edgekd import storage
from edgekd.devices import adb_facts, probe
from edgekd.devices.adb_link import SERIAL, AdbLink, end_process, start_server, states
from edgekd.devices.adb_steady import Steadiness, hold_steady
from edgekd.devices.adb_workspace import HOLD, WORKSPACES, read_folder
from edgekd.devices.facts import Facts, ThrottlingFacts
from edgekd.devices.protocol import Completed, Device
from edgekd.errors import DeviceError, DeviceNotFound, DeviceTimeout, UsageError
from edgekd.processes import decode, read_line
from edgekd.text import last_line, one_line

_SHORT_TIMEOUT_S = 30.0
_FACTS_TIMEOUT_S = 120.0
# Slower than any cable or wireless network that is worth measuring over.
_SLOWEST_BYTES_PER_S = 200_000

_PYTHONS = ("python3", "/data/data/com.termux/files/usr/bin/python3", f"{WORKSPACES}/python/bin/python3")
_CAN_MEASURE = (
    "import importlib.util as u, sys; "
    "ok = u.find_spec('numpy') and (u.find_spec('ai_edge_litert') or u.find_spec('onnxruntime')); "
    "print(sys.executable); sys.exit(0 if ok else 3)"
)


def open_device(address: str) -> Device:
    """The phone at ``adb:SERIAL``; it is not contacted yet. Raises: UsageError for an address without a serial."""
    scheme, _, serial = address.partition(":")
    if scheme != "adb" or not SERIAL.fullmatch(serial):
        attached = ", ".join(reachable()) or "none"
        raise UsageError(
            f"device address {address!r}: write adb:SERIAL, as adb devices shows it. Ready now: {attached}"
        )
    return AdbDevice(serial)


def reachable() -> tuple[str, ...]:
    """Addresses of the phones that are attached and authorised; none where adb is not installed."""
    if shutil.which("adb") is None:
        return ()
    try:
        return tuple(f"adb:{serial}" for serial, state in sorted(states().items()) if state == "device")
    except DeviceError:
        return ()


class AdbDevice:
    """One phone. ``link`` is adb itself, for what only Android has (an app to install, say)."""

    def __init__(self, serial: str) -> None:
        self.link = AdbLink(serial)
        self._python: str | None = None
        self._steadiness: Steadiness | None = None

    @property
    def address(self) -> str:
        """``adb:SERIAL``."""
        return self.link.address

    @property
    def python(self) -> str:
        """An interpreter with numpy and a runtime, searched for once. Raises: DeviceError if the phone has none."""
        if self._python is None:
            self._python = self._find_python()
        return self._python

    def facts(self) -> Facts:
        """What the phone is and how it stands now."""
        try:
            python: str | None = self.python
        except (DeviceNotFound, DeviceTimeout):
            raise
        except DeviceError:
            python = None
        linux = probe.collect(self.run, python, WORKSPACES, _FACTS_TIMEOUT_S)
        marker = probe.new_marker()
        android = adb_facts.parse(self.run(adb_facts.argv(marker), _FACTS_TIMEOUT_S).stdout, marker)
        # What Android does not report stays as Linux reports it.
        reported = {key: value for key, value in android.items() if value is not None or key not in linux}
        return cast(Facts, {"address": self.address, **linux, **reported, **(self._steadiness or {})})

    def hold_steady(self, folder: str) -> None:
        """Steady clocks and a screen that stays on, until the workspace ``folder`` ends; the facts say what it did."""
        self._steadiness = hold_steady(self.run, folder, probe.new_marker(), _FACTS_TIMEOUT_S)

    def throttling(self) -> ThrottlingFacts:
        """How hot it is now by its thermal service; see ``Device``."""
        marker = probe.new_marker()
        done = self.run(["sh", "-c", adb_facts.THERMAL, "edgekd", marker], _FACTS_TIMEOUT_S)
        return adb_facts.parse_thermal_section(done.stdout, marker)

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a command to its end; at ``timeout_s`` all that it started on the phone is killed.

        Raises: DeviceNotFound if the phone is not there or the link was lost, DeviceError if the command cannot be
        started, DeviceTimeout.
        """
        marker = probe.new_marker()
        try:
            _, stdout, stderr = self.link.ask(
                "shell", "-T", shlex.join(probe.supervise(argv, marker)), timeout_s=timeout_s
            )
        except DeviceTimeout as error:
            raise self._timeout_error(error, argv, timeout_s) from None
        messages, status = probe.split_status(decode(stderr), marker)
        if status is None:
            raise self._lost_link_error(argv, messages)
        if status == "absent" or status in ("126", "127"):
            reason = last_line(messages, "it does not exist, or may not be executed")
            raise DeviceError(
                f"{self.address}: {argv[0]!r} cannot be started: {reason}. Check that it exists there, "
                "may be executed and was built for this phone's processor",
                address=self.address,
                argv=argv,
                status=127 if status == "absent" else int(status),
                stderr=messages,
            )
        return Completed(int(status) if status.isdigit() else 255, decode(stdout), messages)

    def push(self, local: str | os.PathLike[str], remote: str) -> None:
        """Copy a file onto the phone. Raises: DeviceError: no space, no permission; DeviceNotFound; DeviceTimeout."""
        try:
            size_bytes = Path(local).stat().st_size
        except OSError as error:
            raise DeviceError(f"{self.address}: cannot push {local}: {error.strerror}", address=self.address) from None
        self._copy("push", str(Path(local).resolve()), remote, size_bytes / _SLOWEST_BYTES_PER_S)

    def pull(self, remote: str, local: str | os.PathLike[str]) -> None:
        """Copy a file from the phone. Raises: DeviceError if it does not exist; DeviceNotFound; DeviceTimeout."""
        with storage.replacing(Path(local)) as temporary:
            self._copy("pull", remote, str(temporary), _FACTS_TIMEOUT_S)
            if not temporary.is_file():
                raise DeviceError(f"{self.address}: {remote} is not a file", address=self.address)

    @contextlib.contextmanager
    def workspace(self) -> Iterator[str]:
        """A folder under /data/local/tmp; the phone itself removes it when this ends or the link is lost."""
        start_server()
        holder = self.link.start("shell", "-T", HOLD)
        try:
            folder = self._read_folder(holder)
            try:
                yield folder
            finally:
                self._steadiness = None
                if b"edgekd-removed" not in end_process(holder, _SHORT_TIMEOUT_S).stdout:
                    with contextlib.suppress(DeviceError):
                        self.run(["rm", "-rf", folder], _SHORT_TIMEOUT_S)
        finally:
            end_process(holder)

    def _read_folder(self, holder: subprocess.Popen[bytes]) -> str:
        first = read_line(holder, _SHORT_TIMEOUT_S)
        folder = read_folder(first)
        if folder is not None:
            return folder
        is_silent = first == b"" and holder.poll() is None
        stderr = b"" if is_silent else end_process(holder, _SHORT_TIMEOUT_S).stderr
        doing = f"make a workspace under {WORKSPACES}"
        self.link.check(doing)
        if is_silent:
            raise DeviceTimeout(f"{self.address} did not answer within {_SHORT_TIMEOUT_S:g} s", address=self.address)
        if first:
            raise DeviceError(
                f"{self.address}: cannot {doing}: it answered '{one_line(decode(first), 60)}'. Is this Android?",
                address=self.address,
            )
        raise self.link.failure(doing, ("mktemp", "-d", WORKSPACES), holder.returncode, decode(stderr))

    def _copy(self, verb: str, source: str, destination: str, extra_s: float) -> None:
        doing = f"{verb} {Path(source).name} to {destination}" if verb == "push" else f"pull {source}"
        status, stdout, stderr = self.link.ask(verb, source, destination, timeout_s=_SHORT_TIMEOUT_S + extra_s)
        if status != 0:
            # adb 29 writes some of its reasons to standard output.
            reason = decode(stderr).strip() or decode(stdout)
            raise self.link.failure(doing, (verb, source, destination), status, reason)

    def _timeout_error(self, error: DeviceTimeout, argv: Sequence[str], timeout_s: float) -> DeviceError:
        """The error for a command that took too long: the phone may be gone."""
        name = Path(argv[0]).name
        self.link.check(f"run {name}")
        try:
            self.link.ask("shell", "-T", "true", timeout_s=_SHORT_TIMEOUT_S)
        except DeviceTimeout:
            return DeviceNotFound(
                f"{self.address} does not answer any more: {name} did not end within {timeout_s:g} s, and nothing "
                "else can be run. Check the cable or the network",
                address=self.address,
                argv=argv,
            )
        return DeviceTimeout(
            f"{self.address}: {name} did not end within {timeout_s:g} s and was killed. Allow more time",
            address=self.address,
            argv=argv,
            stdout=error.stdout,
            stderr=error.stderr,
        )

    def _lost_link_error(self, argv: Sequence[str], stderr: str) -> DeviceError:
        name = Path(argv[0]).name
        self.link.check(f"run {name}")
        reason = last_line(stderr, default="no reason given")
        return DeviceNotFound(
            f"{self.address}: the link was lost while {name} ran ({reason}). The phone can be reached again: "
            "measure again",
            address=self.address,
            argv=argv,
            stderr=stderr,
        )

    def _find_python(self) -> str:
        unfit = []
        for candidate in _PYTHONS:
            try:
                done = self.run([candidate, "-c", _CAN_MEASURE], _FACTS_TIMEOUT_S)
            except (DeviceNotFound, DeviceTimeout):
                raise
            except DeviceError:
                continue
            if done.status == 0:
                return candidate
            unfit.append(candidate)
        lacking = f"{', '.join(unfit)} has no numpy with ai-edge-litert or onnxruntime" if unfit else "it has no Python"
        raise DeviceError(
            f"{self.address}: {lacking}. Measure with the demo app (--apk PATH) or with Google's benchmark_model "
            "(--benchmark-model PATH)",
            address=self.address,
        )
