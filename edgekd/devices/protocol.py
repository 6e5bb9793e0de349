"""What every device can do, whatever carries it: the host itself, ssh, adb or an emulator."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class Completed:
    """A command that ended by itself: its exit status and what it wrote (undecodable bytes replaced)."""

    status: int
    stdout: str
    stderr: str


@runtime_checkable
class Device(Protocol):
    """A place to run commands and keep files for a while.

    A device that can tell in a moment how it stands has besides ``throttling()``, which returns of the facts
    ``throttled_now``, ``throttled_since_boot``, ``throttling`` and ``temperature_c``, those that it knows; it is asked
    after every round of a measurement.

    Remote paths are plain strings with forward slashes: they need not be paths of this machine's kind.
    """

    @property
    def address(self) -> str:
        """What opens this device again, such as ``host`` or ``ssh:pi@pi5``."""
        ...

    @property
    def python(self) -> str:
        """The interpreter on the device that has numpy and a runtime."""
        ...

    def facts(self) -> dict[str, Any]:
        """What the device is and how it stands now, as JSON-able values; see ``edgekd.devices.facts``."""
        ...

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a command to its end; a status other than 0 is returned, not raised.

        Raises: DeviceError if it cannot start, DeviceTimeout (and the command is killed) after ``timeout_s``.
        """
        ...

    def push(self, local: Path, remote: str) -> None:
        """Copy a file onto the device. Raises: DeviceError."""
        ...

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from the device; ``local`` is whole or untouched. Raises: DeviceError."""
        ...

    def workspace(self) -> AbstractContextManager[str]:
        """An empty folder on the device, removed with all it holds afterwards, also after a failure."""
        ...
