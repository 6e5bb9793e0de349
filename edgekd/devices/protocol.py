"""What every device can do, whatever its transport: the host itself, ssh, adb or an emulator."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edgekd.devices.facts import Facts
from edgekd.errors import DeviceError


@dataclass(frozen=True)
class Completed:
    """A command that ended by itself: its exit status and what it wrote (undecodable bytes replaced).

    >>> Completed(0, "aarch64\\n", "").stdout.strip()
    'aarch64'
    """

    status: int
    stdout: str
    stderr: str

    def failure(self, message: str, *, address: str = "", argv: Sequence[str] = ()) -> DeviceError:
        """The error that says ``message`` and carries what this command, ``argv`` on ``address``, ended with."""
        return DeviceError(
            message, address=address, argv=argv, status=self.status, stdout=self.stdout, stderr=self.stderr
        )


@runtime_checkable
class Device(Protocol):
    """A place to run commands and keep files for a while.

    A device that can report quickly how hot it is also has ``throttling()``, which returns the ``ThrottlingFacts``
    that it knows; it is called after every round of a measurement. One whose clocks can be held has
    ``hold_steady(folder)``, called before it is measured in that workspace.

    Remote paths are strings with forward slashes: they need not be valid paths on this machine.

    Example:
        >>> import edgekd
        >>> device = edgekd.open_device("host")
        >>> device.run(["echo", "hello"], timeout_s=10).stdout
        'hello\\n'
    """

    @property
    def address(self) -> str:
        """What opens this device again, such as ``host`` or ``ssh:pi@pi5``."""
        ...

    @property
    def python(self) -> str:
        """The interpreter on the device that has numpy and a runtime."""
        ...

    def facts(self) -> Facts:
        """What the device is and how it stands now, as JSON-able values. Raises: DeviceError."""
        ...

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a command to its end; a status other than 0 is returned, not raised.

        Args:
            argv: The program and its arguments; no shell reads them.
            timeout_s: Seconds after which the command and all that it started are killed.

        Returns:
            Its exit status and its output.

        Raises:
            DeviceError: It cannot start, or writes without end.
            DeviceTimeout: It did not end within ``timeout_s``.
        """
        ...

    def push(self, local: str | os.PathLike[str], remote: str) -> None:
        """Copy the file ``local`` of this machine to ``remote`` on the device. Raises: DeviceError."""
        ...

    def pull(self, remote: str, local: str | os.PathLike[str]) -> None:
        """Copy a file from the device; ``local`` is whole or untouched. Raises: DeviceError."""
        ...

    def workspace(self) -> AbstractContextManager[str]:
        """An empty folder on the device, removed with all it holds afterwards, also after a failure."""
        ...
