"""The Raspberry Pi 5's power chip: volts and amperes of its rails, by ``vcgencmd pmic_read_adc``.

Source: the Raspberry Pi documentation, "vcgencmd"; the output of boards, where the rail's name pairs a current with a
voltage and the numbers in parentheses do not. EXT5V and BATT have a voltage alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekd.bench.energy.records import PowerSource, Trace
from edgekd.bench.energy.sampler import Reading, SamplerCommand
from edgekd.bench.energy.sources.protocol import NotMeasured
from edgekd.devices.protocol import Device
from edgekd.text import first_line

_ASK = "command -v vcgencmd >/dev/null || exit 127; exec vcgencmd pmic_read_adc"
_LINE = re.compile(r"\s*([0-9A-Z_]{1,24})_([AV]) (?:current|volt)\([0-9]{1,3}\)=([0-9]{1,4}\.[0-9]{1,10})([AV])\s*")
_TIMEOUT_S = 30.0
# More than any board takes.
_MOST_W = 60.0


@dataclass(frozen=True)
class PmicReader:
    """Adds up the rails that have a current and a voltage."""

    rails: tuple[str, ...]

    @property
    def source(self) -> PowerSource:
        """All rails together."""
        return PowerSource(
            name="PMIC",
            description="volts times amperes of the power chip's rails (vcgencmd pmic_read_adc)",
            kind="watts",
            rails=self.rails,
            misses="what the 5 V input feeds directly (USB, the fan, a HAT) and the regulators' own losses",
            whole_device=False,
        )

    @property
    def command(self) -> SamplerCommand:
        """All rails at once."""
        return SamplerCommand("run", ("vcgencmd", "pmic_read_adc"))

    def trace(self, readings: Sequence[Reading]) -> Trace:
        """Watts of all rails; a reading that lacks one is left out."""
        times, watts, unreadable = [], [], 0
        for reading in readings:
            rails = watts_by_rail(reading.text)
            total = math.fsum(rails.get(rail, math.nan) for rail in self.rails)
            if not 0 < total < _MOST_W:
                unreadable += 1
                continue
            times.append(reading.time_s)
            watts.append(total)
        return Trace(tuple(times), tuple(watts), unreadable)


def find(device: Device) -> PmicReader:
    """The rails of ``device``. Raises: NotMeasured; DeviceError."""
    done = device.run(["sh", "-c", _ASK, "edgekd"], _TIMEOUT_S)
    rails = watts_by_rail(done.stdout)
    if rails:
        return PmicReader(tuple(rails))
    if done.status == 127:
        raise NotMeasured("no vcgencmd, which a Raspberry Pi 5 has")
    if "not registered" in done.stdout + done.stderr:
        raise NotMeasured("its vcgencmd knows no pmic_read_adc: only a Raspberry Pi 5 measures its own power")
    reason = first_line(done.stderr, default=first_line(done.stdout))
    raise NotMeasured(
        f"vcgencmd pmic_read_adc gives no rails ({reason}). Its user must be in the group video", present=True
    )


def watts_by_rail(text: str) -> Mapping[str, float]:
    """Watts of each rail in the output that has both a current and a voltage."""
    matches = [match for line in text[:65536].splitlines() if (match := _LINE.fullmatch(line))]
    amps = {match[1]: float(match[3]) for match in matches if match[2] == match[4] == "A"}
    volts = {match[1]: float(match[3]) for match in matches if match[2] == match[4] == "V"}
    return {rail: amps[rail] * volts[rail] for rail in amps if rail in volts}
