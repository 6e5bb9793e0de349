"""What a source of power gives: what it is, how one reading is taken, and what readings mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edgekd.bench.energy.records import PowerSource, Trace
from edgekd.bench.energy.sampler import Reading, SamplerCommand


class NotMeasured(Exception):
    """A source can't be read on this device; the message says why.

    ``present`` where the device has it, so that the user can do something about it.
    """

    def __init__(self, reason: str, present: bool = False) -> None:
        super().__init__(reason)
        self.present = present


class Reader(Protocol):
    """A source that can be read on a device. A file has ``find(device) -> Reader``, which raises NotMeasured."""

    @property
    def source(self) -> PowerSource:
        """What it is."""
        ...

    @property
    def command(self) -> SamplerCommand:
        """What one reading is."""
        ...

    def trace(self, readings: Sequence[Reading]) -> Trace:
        """Readings as power or energy over time, parsed as untrusted input. Raises: NotMeasured."""
        ...
