"""Android's rail counters: energy of every rail that the phone measures, from its power statistics or the kernel.

The service prints lines such as ``[S2M_VDD_CPUCL2]:CPU(BIG)   1234.56 mWs``; the kernel's files hold
``CH0(T=123)[S2M_VDD_CPUCL2], 1234560`` in microjoules. Pixels from 6 on have them; few others do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekd.bench.energy.records import PowerSource, Trace
from edgekd.bench.energy.sampler import Reading, SamplerCommand
from edgekd.bench.energy.sources.protocol import NotMeasured
from edgekd.devices.protocol import Device

# A service that hangs is given up after 5 s. Only lines of rails have a "]:".
_SERVICE = "dumpsys -t 5 android.hardware.power.stats.IPowerStats/default | grep ']:'"
_KERNEL = "cat /sys/bus/iio/devices/iio:device*/energy_value"
_SERVICE_LINE = re.compile(r"\s*\[([A-Za-z0-9_.-]{1,40})\]:\S{0,40}\s+([0-9]{1,15}(?:\.[0-9]{1,6})?) mWs.*")
_KERNEL_LINE = re.compile(r"\s*CH[0-9]{1,2}\(T=[0-9]{1,19}\)\[([A-Za-z0-9_.-]{1,40})\], ?([0-9]{1,19})\s*")
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class RailsReader:
    """Adds up the rails' counters; ``ask`` is the constant shell text that prints them."""

    rails: tuple[str, ...]
    ask: str

    @property
    def source(self) -> PowerSource:
        """All rails together."""
        return PowerSource(
            name="rail counters",
            description="the phone's own energy counters of its rails",
            kind="joules",
            rails=self.rails,
            misses="parts without a rail of their own, and regulators' losses; a rail that feeds another counts twice",
            whole_device=False,
        )

    @property
    def command(self) -> SamplerCommand:
        """All rails at once."""
        return SamplerCommand("run", ("sh", "-c", self.ask, "edgekd"))

    def trace(self, readings: Sequence[Reading]) -> Trace:
        """Joules since the first reading, over all rails."""
        times, joules, unreadable = [], [], 0
        for reading in readings:
            values = joules_by_rail(reading.text)
            if any(rail not in values for rail in self.rails):
                unreadable += 1
                continue
            times.append(reading.time_s)
            joules.append(sum(values[rail] for rail in self.rails))
        return Trace(tuple(times), tuple(value - joules[0] for value in joules), unreadable)


def find(device: Device) -> RailsReader:
    """The rails of a phone. Raises: NotMeasured; DeviceError."""
    for ask in (_KERNEL, _SERVICE):
        rails = joules_by_rail(device.run(["sh", "-c", f"{ask} 2>/dev/null", "edgekd"], _TIMEOUT_S).stdout)
        if any(rails.values()):
            return RailsReader(tuple(rails), f"{ask} 2>/dev/null")
    raise NotMeasured("no rail counters that its shell may read (Pixels from 6 on have them)")


def joules_by_rail(text: str) -> Mapping[str, float]:
    """Joules of each rail, from either form."""
    rails: dict[str, float] = {}
    for line in text[:65536].splitlines():
        if match := _SERVICE_LINE.fullmatch(line):
            rails[match[1]] = float(match[2]) / 1e3
        elif match := _KERNEL_LINE.fullmatch(line):
            rails[match[1]] = int(match[2]) / 1e6
    return rails
