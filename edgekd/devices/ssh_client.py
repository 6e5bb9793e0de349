"""OpenSSH's own client as a subprocess: one shared connection, calls that end in time, failures with a remedy."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from edgekd import processes
from edgekd.errors import DeviceNotFound, UsageError
from edgekd.processes import Ended
from edgekd.text import last_line

# A file for ``ssh -F`` in place of the user's own configuration.
CONFIG_VARIABLE = "EDGEKD_SSH_CONFIG"
CONNECT_TIMEOUT_S = 10
# Jump hosts and slow key exchanges come on top.
_WHOLE_CONNECT_TIMEOUT_S = 60.0
# What ssh may write before it is connected: its banner and its reasons.
_MESSAGES_BYTES = 1 << 20
_GRACE_S = 10.0
# A dead link is noticed after three unanswered questions.
_OPTIONS = (
    "BatchMode=yes",
    f"ConnectTimeout={CONNECT_TIMEOUT_S}",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "ClearAllForwardings=yes",
    "ForwardX11=no",
    "RemoteCommand=none",
    "LogLevel=ERROR",
)
# Unix sockets have short names, and ssh adds 17 characters of its own while it makes one.
_LONGEST_FOLDER = 60

# What ssh reports, and what to do about it; {host}, {by_hand} and {reason} are filled in.
_CAUSES = (
    (r"could not resolve hostname", "no machine is known as {host}. Check the name, or add a Host for it to your "
     "ssh config"),
    (r"connection refused", "{host} is there, but nothing listens for ssh. Check the port, and switch ssh on there "
     "(Raspberry Pi: sudo raspi-config, Interface Options, SSH)"),
    (r"timed out|no route to host|network is unreachable|host is down", "{host} does not answer. Check that it is "
     "switched on and in a network that this machine reaches"),
    (r"identification has changed", "its host key has changed. If {host} was installed anew, forget the old key "
     "(ssh-keygen -R {host}) and log in once by hand: {by_hand}. If not, another machine answers in its place"),
    (r"host key verification failed|host key is known", "its host key is not known here. Log in once by hand and "
     "compare the fingerprint: {by_hand}"),
    (r"permission denied|too many authentication failures", "it refuses the login, and edgekd cannot type a password. "
     "Let it know your key (ssh-copy-id), until this asks nothing: {by_hand}"),
    (r"bad owner or permissions|config file|configuration option", "ssh cannot use its configuration ({reason}). "
     "Correct it until this works: {by_hand}"),
)  # fmt: skip


def parse_destination(address: str) -> str:
    """``pi@pi5`` out of ``ssh:pi@pi5``, or a URI as it stands: ``ssh://pi@pi5:2222``. Raises: UsageError."""
    scheme, _, rest = address.partition(":")
    name = rest.removeprefix("//")
    if scheme != "ssh" or not re.fullmatch(r"[^\s/'\"\\-][^\s/'\"\\]{0,254}", name) or not name.isprintable():
        raise UsageError(f"device address {address!r}: write ssh:USER@HOST or ssh://USER@HOST:PORT, such as ssh:pi@pi5")
    if rest == name and re.fullmatch(r"[^:\[]+:[0-9]+", name):
        raise UsageError(f"device address {address!r}: with a port, write ssh://{name}")
    return address if rest != name else name


class SshClient:
    """One destination. Its connection is made at the first call, shared by all, and closed with this object."""

    def __init__(self, destination: str, address: str) -> None:
        self.address, self._destination = address, destination
        config = os.environ.get(CONFIG_VARIABLE)
        self._config = ("-F", str(Path(config).absolute())) if config else ()
        self.by_hand = shlex.join(["ssh", *self._config, destination])
        self._socket: Path | None = None

    def start(
        self, remote: Sequence[str], stdin: IO[bytes] | int = subprocess.PIPE, *, tied: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a command there, every word of it quoted. Raises: DeviceNotFound if no connection can be made."""
        socket = self._connect()
        words = [*self._base(socket), "-T", "-o", "ControlMaster=no", "--", self._destination, shlex.join(remote)]
        return processes.start(words, stdin=stdin, env=_environment(), tied=tied)

    def exchange(
        self,
        remote: Sequence[str],
        sink: IO[bytes],
        timeout_s: float,
        limit_bytes: int,
        source: IO[bytes] | None = None,
    ) -> Ended:
        """Run a command there: ``source`` into its stdin (without it, stdin stays open), its stdout into ``sink``.

        Raises: DeviceNotFound if no connection can be made, OSError if ``sink`` cannot be written.
        """
        process = self.start(remote, stdin=source or subprocess.PIPE, tied=True)
        return processes.collect(process, timeout_s, sink=sink, limit_bytes=limit_bytes, grace_s=_GRACE_S)

    def end(self, process: subprocess.Popen[bytes]) -> Ended:
        """End a call: closing its stdin lets the far side clean up; killed if that takes too long. What it wrote."""
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        return processes.collect(process, _GRACE_S)

    def is_connected(self) -> bool:
        """Whether the shared connection is up."""
        if self._socket is None or not self._socket.exists():
            return False
        return _control(self._base(self._socket), "check", self._destination)

    def failure(self, stderr: str, status: int) -> DeviceNotFound:
        """The error for a connection that ssh could not make."""
        reason = last_line(stderr, default=f"ssh ended with status {status}")
        cause = next((text for pattern, text in _CAUSES if re.search(pattern, stderr, re.IGNORECASE)), None)
        host = re.sub(r"^ssh://|:[0-9]+$", "", self._destination).rpartition("@")[2]
        cause = cause or "no connection ({reason}). Find out why by hand: {by_hand}"
        return DeviceNotFound(
            f"{self.address}: {cause.format(host=host, by_hand=self.by_hand, reason=reason)}",
            address=self.address,
            argv=("ssh", self._destination),
            status=status,
            stderr=stderr,
        )

    def _base(self, socket: Path) -> list[str]:
        options = [word for option in _OPTIONS for word in ("-o", option)]
        return ["ssh", *self._config, *options, "-o", f"ControlPath={socket}"]

    def _connect(self) -> Path:
        if self._socket is not None and self._socket.exists():
            return self._socket
        if shutil.which("ssh") is None:
            raise DeviceNotFound(
                f"{self.address}: this machine has no ssh. On Debian: apt-get install openssh-client",
                address=self.address,
            )
        socket = self._socket or self._make_socket_folder()
        words = [*self._base(socket), "-M", "-N", "-f", "-o", "ControlPersist=60", "--", self._destination]
        # A file and no pipe: the connection that stays behind would hold a pipe open.
        with tempfile.TemporaryFile() as messages:
            null = subprocess.DEVNULL
            process = processes.start(words, stdout=null, stderr=messages, env=_environment())
            status = processes.wait(process, _WHOLE_CONNECT_TIMEOUT_S, written=messages, limit_bytes=_MESSAGES_BYTES)
            messages.seek(0)
            stderr = processes.decode(messages.read(_MESSAGES_BYTES))
        if status != 0 or not socket.exists():
            # A connection that stays needs its proxy, which is in this group; without one nobody needs any of it.
            processes.kill_group(process)
        if isinstance(status, str):
            what = (
                f"no connection within {_WHOLE_CONNECT_TIMEOUT_S:g} s" if status == "late" else "ssh prints endlessly"
            )
            raise DeviceNotFound(
                f"{self.address}: {what}. Find out why by hand: {self.by_hand}",
                address=self.address,
                stderr=stderr,
            )
        if status != 0:
            raise self.failure(stderr, status)
        return socket

    def _make_socket_folder(self) -> Path:
        usual = tempfile.gettempdir()
        folder = tempfile.mkdtemp(prefix="edgekd-", dir=usual if len(usual) < _LONGEST_FOLDER else "/tmp")  # noqa: S108
        self._socket = Path(folder) / "c"
        weakref.finalize(self, _close, self._base(self._socket), self._destination, folder)
        return self._socket


def _environment() -> dict[str, str]:
    # The causes are recognised by their English words.
    return {**os.environ, "LC_ALL": "C"}


def _control(base: list[str], order: str, destination: str) -> bool:
    try:
        return processes.run([*base, "-O", order, "--", destination], _GRACE_S, env=_environment()).status == 0
    except OSError:
        return False


def _close(base: list[str], destination: str, folder: str) -> None:
    if (Path(folder) / "c").exists():
        _control(base, "exit", destination)
    shutil.rmtree(folder, ignore_errors=True)
