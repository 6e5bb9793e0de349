"""RAPL's energy counters as Linux shows them under /sys/class/powercap: the processor's package and its memory.

Source: the kernel's Documentation/power/powercap/powercap.rst. A counter starts again at 0 past its
``max_energy_range_uj``. Linux lets only root read it (CVE-2020-8694).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgekd.bench.energy.records import PowerSource, Trace
from edgekd.bench.energy.sampler import Reading, SamplerCommand
from edgekd.bench.energy.sources.protocol import NotMeasured
from edgekd.devices.protocol import Device

ROOT = "/sys/class/powercap"
# $1: ROOT. Name, range and whether the counter can be read, a zone a line.
_LIST = """exec 2>/dev/null
for zone in "$1"/intel-rapl:*; do
  [ -e "$zone/energy_uj" ] || continue
  name=- range=- can=no
  read -r name <"$zone/name"; read -r range <"$zone/max_energy_range_uj"; read -r now <"$zone/energy_uj" && can=yes
  echo "${zone##*/} $range $can $name"
done
exit 0
"""
_ZONE = re.compile(r"(intel-rapl:[0-9]{1,3}(?::[0-9]{1,3})?) ([0-9]{1,19}) (yes|no) ([a-z]{1,16}(?:-[0-9]{1,3})?)")
# Others are a part of the package (core, uncore) or hold it (psys).
_COUNTED = re.compile(r"package-[0-9]+|dram")
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Zone:
    """One counter, its folder's name and the microjoules past which it starts again."""

    folder: str
    name: str
    range_uj: int


@dataclass(frozen=True)
class PowercapReader:
    """Reads the zones together."""

    zones: tuple[Zone, ...]
    root: str = ROOT

    @property
    def source(self) -> PowerSource:
        """The processor's package, and its memory where that has a counter."""
        names = tuple(zone.name for zone in self.zones)
        memory = "" if "dram" in names else "the memory, "
        return PowerSource(
            name="RAPL",
            description="the processor's own energy counters (/sys/class/powercap)",
            kind="joules",
            rails=names,
            misses=f"{memory}the display, disks, fans and the power supply's losses",
            whole_device=False,
        )

    @property
    def command(self) -> SamplerCommand:
        """One line a zone."""
        return SamplerCommand("files", tuple(f"{self.root}/{zone.folder}/energy_uj" for zone in self.zones))

    def trace(self, readings: Sequence[Reading]) -> Trace:
        """Joules since the first reading, over all zones."""
        times, totals, unreadable = [], [], 0
        turns = [0] * len(self.zones)
        last: list[int] | None = None
        for reading in readings:
            words = reading.text.split()
            if len(words) != len(self.zones) or not all(re.fullmatch("[0-9]{1,19}", word) for word in words):
                unreadable += 1
                continue
            values = [int(word) for word in words]
            if last is not None:
                turns = [turn + (now < before) for turn, now, before in zip(turns, values, last, strict=True)]
            last = values
            times.append(reading.time_s)
            totals.append(
                sum(value + turn * zone.range_uj for value, turn, zone in zip(values, turns, self.zones, strict=True))
            )
        return Trace(tuple(times), tuple((total - totals[0]) / 1e6 for total in totals), unreadable)


def find(device: Device, root: str = ROOT) -> PowercapReader:
    """The counters of ``device``. Raises: NotMeasured; DeviceError."""
    listed = device.run(["sh", "-c", _LIST, "edgekd", root], _TIMEOUT_S).stdout
    zones = [match for line in listed[:65536].splitlines() if (match := _ZONE.fullmatch(line.strip()))]
    counted = [match for match in zones if _COUNTED.fullmatch(match[4])]
    if not counted:
        raise NotMeasured(f"no RAPL counters under {ROOT} (virtual machines and containers have none)")
    if any(match[3] == "no" for match in counted):
        raise NotMeasured(
            f"its RAPL counters may be read by root alone. Until the next start, everybody may after: "
            f"sudo chmod a+r {ROOT}/intel-rapl:*/energy_uj",
            present=True,
        )
    return PowercapReader(tuple(Zone(match[1], match[4], int(match[2])) for match in counted), root)
