"""Current times voltage of the battery that feeds a device, while it is not being charged.

Linux and Android show a battery under /sys/class/power_supply, in microvolts and microamperes (some phones:
milliamperes), discharging positive or negative. Where Android's shell may not read that, its battery service is asked;
it knows the current from Android 14 on, or on some makes.

Source: the kernel's Documentation/ABI/testing/sysfs-class-power.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekd.bench.energy.records import PowerSource, Trace
from edgekd.bench.energy.sampler import Reading, SamplerCommand
from edgekd.bench.energy.sources.protocol import NotMeasured
from edgekd.devices.protocol import Device

ROOT = "/sys/class/power_supply"
# $1: ROOT. A line for each value that can be read of each battery that feeds the device itself.
_LIST = """exec 2>/dev/null
for supply in "$1"/*; do
  kind= scope=; read -r kind <"$supply/type"; read -r scope <"$supply/scope"
  [ "$kind" = Battery ] && [ "$scope" != Device ] || continue
  for name in status current_now voltage_now power_now charge_full energy_full charge_full_design voltage_min_design; do
    value=; read -r value <"$supply/$name" && echo "${supply##*/} $name $value"
  done
done
exit 0
"""
_SERVICE = 'dumpsys -t 5 battery; echo "current now: $(cmd battery get current_now)"'
_CAPACITY = "dumpsys -t 10 batterystats | grep -m 1 apacity"
_VALUE = re.compile(r"([A-Za-z0-9_.-]{1,40}) ([a-z_]{1,24}) (-?[A-Za-z0-9 ]{1,24})")
_WHOLE = re.compile(r"-?[0-9]{1,12}")
_TIMEOUT_S = 30.0
# A phone that is awake takes more than 10 mA, and no battery gives 10 A.
_FEWEST_UA = 10_000
_FEWEST_UV = 100_000
# Of a lithium cell between full and empty.
_NOMINAL_V = 3.85
# As BatteryManager and the kernel number and name the states.
_DISCHARGING = ("discharging", "3")
CHARGING = "it is charging. Unplug it (a phone: then use adb over Wi-Fi: adb pair, adb connect)"


@dataclass(frozen=True)
class BatteryReader:
    """Reads a battery's files (``names``), or the battery service where there are none."""

    command: SamplerCommand
    names: tuple[str, ...] = ()

    @property
    def source(self) -> PowerSource:
        """The whole device, as its battery sees it."""
        how = f"{ROOT}/*/{', '.join(self.names[1:])}" if self.names else "Android's battery service"
        return PowerSource(
            name="battery",
            description=f"current times voltage of its battery ({how})",
            kind="watts",
            rails=("battery",),
            misses="nothing of the device; its fuel gauge averages and is slow",
            whole_device=True,
        )

    def trace(self, readings: Sequence[Reading]) -> Trace:
        """Watts drawn from the battery. Raises: NotMeasured where it was charged meanwhile."""
        times, states, unreadable = [], [], 0
        for reading in readings:
            state = self._state(reading.text)
            status = state.get("status", "").lower()
            if status and status not in _DISCHARGING:
                raise NotMeasured(CHARGING, present=True)
            if not status or not _can_tell(state):
                unreadable += 1
                continue
            times.append(reading.time_s)
            states.append(state)
        return Trace(tuple(times), _watts(states), unreadable)

    def _state(self, text: str) -> Mapping[str, str]:
        if self.names:
            return dict(zip(self.names, (line.strip() for line in text.splitlines()), strict=False))
        return service_state(text)


def find(device: Device, root: str = ROOT) -> BatteryReader:
    """The battery of ``device``. Raises: NotMeasured; DeviceError."""
    for supply, state in _batteries(device, root).items():
        names = ("status", "power_now") if "power_now" in state else ("status", "current_now", "voltage_now")
        if all(name in state for name in names):
            _refuse_charging(state)
            return BatteryReader(SamplerCommand("files", tuple(f"{root}/{supply}/{name}" for name in names)), names)
    if not device.address.startswith("adb:"):
        raise NotMeasured("no battery that says what it gives")
    asked = service_state(device.run(["sh", "-c", _SERVICE, "edgekd"], _TIMEOUT_S).stdout)
    _refuse_charging(asked)
    if not _can_tell(asked):
        raise NotMeasured("its battery does not tell its shell what current it gives (Android 14 does)")
    return BatteryReader(SamplerCommand("run", ("sh", "-c", _SERVICE, "edgekd")))


def capacity_wh(device: Device, root: str = ROOT) -> float | None:
    """Watt hours of the device's full battery, as far as it tells. Raises: DeviceError."""
    for known in _batteries(device, root).values():
        if energy := _number(known, "energy_full"):
            return energy / 1e6
        if charge := _number(known, "charge_full") or _number(known, "charge_full_design"):
            return charge / 1e6 * ((_number(known, "voltage_min_design") or 0) / 1e6 or _NOMINAL_V)
    if not device.address.startswith("adb:"):
        return None
    told = device.run(["sh", "-c", _CAPACITY, "edgekd"], _TIMEOUT_S).stdout
    match = re.search(r"[Cc]apacity: ?([0-9]{3,6})\b", told[:4096])
    return int(match[1]) / 1000 * _NOMINAL_V if match else None


def service_state(text: str) -> Mapping[str, str]:
    """status, current_now and voltage_now out of the battery service's answers."""
    fields = dict(re.findall(r"^ {0,8}([A-Za-z ]{1,40}): {0,4}(-?\S{1,20})\s*$", text[:65536], re.MULTILINE))
    state = {
        "status": fields.get("status"),
        "voltage_now": fields.get("voltage"),
        "current_now": fields.get("current now"),
    }
    if any(value == "true" for key, value in fields.items() if key.endswith(" powered")):
        state["status"] = "charging"
    return {name: value for name, value in state.items() if value is not None}


def _batteries(device: Device, root: str) -> dict[str, dict[str, str]]:
    listed = device.run(["sh", "-c", _LIST, "edgekd", root], _TIMEOUT_S).stdout
    batteries: dict[str, dict[str, str]] = {}
    for line in listed[:65536].splitlines():
        if match := _VALUE.fullmatch(line.strip()):
            batteries.setdefault(match[1], {})[match[2]] = match[3]
    return batteries


def _refuse_charging(state: Mapping[str, str]) -> None:
    status = state.get("status", "").lower()
    if status and status not in _DISCHARGING:
        raise NotMeasured(CHARGING, present=True)


def _can_tell(state: Mapping[str, str]) -> bool:
    return bool(_number(state, "power_now") or (_number(state, "current_now") and _number(state, "voltage_now")))


def _watts(states: Sequence[Mapping[str, str]]) -> tuple[float, ...]:
    """Discharging is positive, whatever sign and unit the driver has."""
    if not states:
        return ()
    if "power_now" in states[0]:
        return tuple(abs(_number(state, "power_now") or 0) / 1e6 for state in states)
    amps = [float(_number(state, "current_now") or 0) for state in states]
    middle = statistics.median(amps)
    scale = (1e-3 if abs(middle) < _FEWEST_UA else 1e-6) * (-1 if middle < 0 else 1)
    volts = [float(_number(state, "voltage_now") or 0) for state in states]
    volts = [value / (1e6 if value >= _FEWEST_UV else 1e3) for value in volts]
    return tuple(current * scale * voltage for current, voltage in zip(amps, volts, strict=True))


def _number(state: Mapping[str, str], name: str) -> int | None:
    value = state.get(name, "")
    return int(value) if _WHOLE.fullmatch(value) else None
