"""``ssh:pi@pi5``: a machine that OpenSSH's own client reaches; config, keys, agents and jump hosts are the user's.

Only constant shell texts run there; names and commands are arguments to them. Each prints its marker at its
end, because ssh's own status cannot tell a lost connection from a command that ended with 255.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from edgekd import storage
from edgekd.devices import probe, setup_record, ssh_errors
from edgekd.devices.facts import Facts, ThrottlingFacts
from edgekd.devices.protocol import Completed, Device
from edgekd.devices.setup import ENVIRONMENT, set_up
from edgekd.devices.ssh_client import SshClient, parse_destination
from edgekd.errors import DeviceError, DeviceNotFound, DeviceTimeout
from edgekd.processes import Ended, decode, read_line

# $1 marker, $2 file to write, $3 its size in bytes. Whole or untouched: a lost connection only looks like an end.
_PUT = """m=$1; t=$2.part; export LC_ALL=C
if cat > "$t" && [ "$(wc -c < "$t")" -eq "$3" ] && mv -f "$t" "$2"; then s=0
else s=1; rm -f "$t"; df -Pk "${2%/*}/" 2>/dev/null; fi
echo "$m $s" >&2; exit 0
"""
# $1 marker, $2 file to read.
_GET = """m=$1; export LC_ALL=C; s=1
if [ ! -e "$2" ]; then echo "No such file or directory" >&2
elif [ ! -f "$2" ]; then echo "Is not a file" >&2
else cat < "$2" && s=0; fi
echo "$m $s" >&2; exit 0
"""
# $1 marker. Holds a folder for as long as stdin stays open: the device removes it by itself, also when the connection
# or this machine is gone.
_HOLD = """m=$1; export LC_ALL=C; trap '' HUP INT TERM PIPE
d=$(mktemp -d "${TMPDIR:-/tmp}/edgekd-XXXXXXXX") || { df -Pk "${TMPDIR:-/tmp}" >&2; exit 1; }
echo "$m $d"
while read -r line; do :; done
rm -rf "$d" || { sleep 1; rm -rf "$d"; }
[ -e "$d" ] || echo "$m removed"
"""
# $1: setup's ENVIRONMENT
_PYTHON = """if [ -x "$HOME/$1/bin/python" ]; then echo "$HOME/$1/bin/python"; else command -v python3; fi"""

_SHORT_TIMEOUT_S = 60.0
_SLOWEST_BYTES_PER_S = 100_000
_OUTPUT_LIMIT_BYTES = 16 << 20
_PULL_LIMIT_BYTES = 1 << 30


def open_device(address: str) -> Device:
    """The machine at ``ssh:USER@HOST``; it is not contacted yet. Raises: UsageError for a malformed address."""
    return SshDevice(address)


def reachable() -> tuple[str, ...]:
    """The machines that ``edgekd devices setup`` prepared from here; none is contacted."""
    return setup_record.read("ssh")


def setup(address: str, progress: Callable[[int, int], None] | None = None, wheels: Path | None = None) -> str:
    """Install the runtimes on the machine at ``address``; see ``edgekd.devices.setup``."""
    done = set_up(SshDevice(address), progress, wheels)
    setup_record.add(address)
    return done


class SshDevice:
    """One machine behind ssh."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = SshClient(parse_destination(address), address)
        self._python: str | None = None
        self._folder = ""

    @property
    def address(self) -> str:
        """``ssh:USER@HOST`` as the user wrote it."""
        return self._address

    @property
    def python(self) -> str:
        """The interpreter that setup made there, else its python3. Raises: DeviceError if it has none."""
        if self._python is None:
            path = self.run(["sh", "-c", _PYTHON, "edgekd", ENVIRONMENT], _SHORT_TIMEOUT_S).stdout.strip()
            if not path.startswith("/") or not path.isprintable() or len(path) > 4096:
                raise ssh_errors.no_python(self._address)
            self._python = path
        return self._python

    def facts(self) -> Facts:
        """What the machine is and how it stands now."""
        try:
            python = self.python
        except DeviceNotFound:
            raise
        except DeviceError:
            python = None
        try:
            return {"address": self._address, **probe.collect(self.run, python, self._folder)}
        except DeviceError as error:
            if str(error).startswith(self._address):
                raise
            raise DeviceError(f"{self._address}: {error}", address=self._address, stdout=error.stdout) from None

    def throttling(self) -> ThrottlingFacts:
        """How hot it is now; see ``Device``."""
        return probe.read_throttling(self.run)

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a command to its end; all of its process group is killed at ``timeout_s`` or when edgekd is.

        Raises: DeviceNotFound if no connection can be made or it was lost, DeviceTimeout, DeviceError if the command
        cannot be started (also: Python there lacks what measuring needs) or writes without end.
        """
        marker, sink = probe.new_marker(), io.BytesIO()
        ended = self._client.exchange(probe.supervise(argv, marker), sink, timeout_s, _OUTPUT_LIMIT_BYTES)
        stdout = decode(sink.getvalue())
        stderr, status = probe.split_status(decode(ended.stderr), marker)
        if ended.killed == "late":
            raise DeviceTimeout(
                f"{self._address}: {Path(argv[0]).name} did not end within {timeout_s:g} s and was killed. "
                "Allow more time",
                address=self._address,
                argv=argv,
                stdout=stdout,
                stderr=stderr,
            )
        if ended.killed is None and status == "absent":
            is_python = argv[0] in (self._python, "python3")
            raise ssh_errors.no_python(self._address) if is_python else ssh_errors.no_command(self._address, argv)
        if ended.killed is not None or status is None or not re.fullmatch("[0-9]{1,3}", status):
            raise self._cut_off(Path(argv[0]).name, argv, ended, stdout)
        done = Completed(int(status), stdout, stderr)
        if why := ssh_errors.not_started(self._address, argv, done, argv[0] == self._python):
            raise why
        return done

    def push(self, local: str | os.PathLike[str], remote: str) -> None:
        """Copy a file onto the machine; ``remote`` is whole or untouched. Raises: DeviceError, DeviceNotFound."""
        local = Path(local)
        try:
            with local.open("rb") as source:
                size_bytes = os.fstat(source.fileno()).st_size
                command = ["sh", "-c", _PUT, "edgekd", remote_path(remote), str(size_bytes)]
                self._transfer(f"push {local.name} to {remote}", command, io.BytesIO(), size_bytes, source)
        except OSError as error:
            raise DeviceError(
                f"{self._address}: cannot push {local}: {error.strerror}", address=self._address
            ) from None

    def pull(self, remote: str, local: str | os.PathLike[str]) -> None:
        """Copy a file from the machine; ``local`` is whole or untouched. Raises: DeviceError, DeviceNotFound."""
        try:
            with storage.replacing(Path(local)) as temporary, temporary.open("wb") as sink:
                command = ["sh", "-c", _GET, "edgekd", remote_path(remote)]
                self._transfer(f"pull {remote}", command, sink, 0)
        except OSError as error:
            raise DeviceError(
                f"{self._address}: cannot write {local}: {error.strerror}. Check the path and the free space here",
                address=self._address,
            ) from None

    @contextlib.contextmanager
    def workspace(self) -> Iterator[str]:
        """A folder in its temporary folder; the machine itself removes it when this ends or the connection does."""
        marker = probe.new_marker()
        holder = self._client.start(["sh", "-c", _HOLD, "edgekd", marker])
        try:
            folder = self._folder = self._read_folder(holder, marker)
            try:
                yield folder
            except DeviceError as error:
                if left := self._let_go(holder, marker, folder):
                    error.args = (f"{error}. {left}", *error.args[1:])
                raise
            except BaseException:
                self._let_go(holder, marker, folder)
                raise
            if left := self._let_go(holder, marker, folder):
                raise DeviceError(f"{self._address}: {left}", address=self._address)
        finally:
            self._folder = ""
            self._client.end(holder)

    def _transfer(
        self, doing: str, command: list[str], sink: IO[bytes], size_bytes: int, source: IO[bytes] | None = None
    ) -> None:
        marker = probe.new_marker()
        command.insert(4, marker)
        pulls = source is None
        timeout_s = _SHORT_TIMEOUT_S + (_PULL_LIMIT_BYTES if pulls else size_bytes) / _SLOWEST_BYTES_PER_S
        limit_bytes = _PULL_LIMIT_BYTES if pulls else _OUTPUT_LIMIT_BYTES
        ended = self._client.exchange(command, sink, timeout_s, limit_bytes, source)
        stderr, status = probe.split_status(decode(ended.stderr), marker)
        if ended.killed is not None or status is None:
            raise self._cut_off(doing, command[:1], ended, "")
        if status != "0":
            free_bytes = None
            if isinstance(sink, io.BytesIO):
                free_bytes = probe.parse_df_bytes(decode(sink.getvalue()))
            raise ssh_errors.file_error(self._address, doing, stderr, size_bytes, free_bytes)

    def _read_folder(self, holder: subprocess.Popen[bytes], marker: str) -> str:
        first = decode(read_line(holder, _SHORT_TIMEOUT_S)).rstrip("\n")
        word, _, folder = first.partition(" ")
        if word == marker and folder.isprintable() and re.fullmatch(r"/.*/edgekd-[A-Za-z0-9]{6,12}", folder):
            return folder
        ended = self._client.end(holder)
        stderr = decode(ended.stderr)
        if not self._client.is_connected():
            raise self._client.failure(stderr, ended.status)
        doing = "make a workspace in its temporary folder"
        if not first and not stderr.strip():
            raise DeviceError(f"{self._address}: cannot {doing}: it gave no reason", address=self._address)
        free_bytes = probe.parse_df_bytes(stderr)
        raise ssh_errors.file_error(self._address, doing, stderr or first, 0, free_bytes)

    def _let_go(self, holder: subprocess.Popen[bytes], marker: str, folder: str) -> str | None:
        """Have the workspace removed; a sentence for the user if that could not be confirmed."""
        assert holder.stdin is not None
        with contextlib.suppress(OSError):
            holder.stdin.close()
        if decode(read_line(holder, _SHORT_TIMEOUT_S)).rstrip("\n") == f"{marker} removed":
            return None
        # The connection is gone, and with it the confirmation: ask over a fresh one.
        with contextlib.suppress(DeviceError):
            self.run(["rm", "-rf", folder], _SHORT_TIMEOUT_S)
            if self.run(["test", "-e", folder], _SHORT_TIMEOUT_S).status == 1:
                return None
        return (
            f"Its folder {folder} may still be there: the machine removes it when it sees that the connection has "
            "ended, but that could not be checked. Look there, and remove it by hand if it is"
        )

    def _cut_off(self, doing: str, argv: Sequence[str], ended: Ended, stdout: str) -> DeviceError:
        connected = ended.killed is None and self._client.is_connected()
        error = ssh_errors.cut_off(self._address, doing, ended, connected, _OUTPUT_LIMIT_BYTES)
        error.argv, error.stdout = tuple(argv), stdout
        return error


def remote_path(name: str) -> str:
    """The name, written so that no command takes it for an option."""
    return f"./{name}" if name.startswith("-") else name
