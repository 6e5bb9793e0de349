"""What the state of a phone says against a measurement: battery saver, a battery nearly empty, the background.

Battery saver and the last percents of a battery cap the clocks, differently from maker to maker. The system moves an
app that is not on the screen to the slow cores.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from edgekd.bench.records import BenchRecord, Measurement

# Android's own: config_lowBatteryWarningLevel and config_criticalBatteryWarningLevel of the platform.
LOW_PERCENT = 15
CRITICAL_PERCENT = 5
# CPU sets that Android gives to what is not on the screen.
_BACKGROUND = ("/background", "/system-background", "/restricted")


def find_ruined(result: BenchRecord, measurement: Measurement) -> tuple[str, ...]:
    """What makes a measurement on a phone invalid."""
    reasons = []
    if any(state.get("power_save") is True for state in _states(result)):
        reasons.append("battery saver was on, which caps the clocks: turn it off")
    percent = _lowest_percent(result)
    if percent is not None and percent <= CRITICAL_PERCENT:
        reasons.append(f"the battery was at {percent} %, where phones cap their clocks: charge it")
    behind = sum(_in_background(launch.device) for launch in measurement.launches)
    if behind:
        reasons.append(
            f"the app was in the background in {behind} of {len(measurement.launches)} launches of {measurement.name}, "
            "on the slow cores: unlock the phone and keep its screen on"
        )
    return tuple(reasons)


def find_doubts(result: BenchRecord) -> tuple[str, ...]:
    """What makes a measurement on a phone semi-valid."""
    percent = _lowest_percent(result)
    if percent is None or not CRITICAL_PERCENT < percent <= LOW_PERCENT:
        return ()
    return (f"the battery was at {percent} %, where some phones cap their clocks: charge it",)


def describe_cores(result: BenchRecord) -> str | None:
    """Which cores the inferring thread was seen on, by kind and share; None where nobody looked."""
    names = result.facts_before.get("core_models")
    seen: Counter[str] = Counter()
    for measurement in result.measurements:
        for launch in measurement.launches:
            for state in _of_launch(launch.device):
                for cpu, times in _counts(state.get("cpus")):
                    seen[str((names or {}).get(cpu) or f"CPU {cpu}")] += times
    total = sum(seen.values())
    return ", ".join(f"{name} ({times / total:.0%})" for name, times in seen.most_common(4)) or None


def _counts(cpus: Any) -> Iterator[tuple[str, int]]:
    """What the app says of the CPUs, as far as it can be."""
    if isinstance(cpus, Mapping):
        for cpu, times in list(cpus.items())[:256]:
            if re.fullmatch("[0-9]{1,3}", str(cpu)) and type(times) is int and 0 < times < 1 << 40:
                yield str(cpu), times


def _states(result: BenchRecord) -> Iterator[Mapping[str, Any]]:
    yield result.facts_before
    yield result.facts_after
    for measurement in result.measurements:
        for launch in measurement.launches:
            yield from _of_launch(launch.device)


def _of_launch(device: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """What the app saw before and after; it is not checked before it comes here."""
    for state in (device or {}).values():
        if isinstance(state, Mapping):
            yield state


def _in_background(device: Mapping[str, Any] | None) -> bool:
    return any(state.get("cpuset") in _BACKGROUND for state in _of_launch(device))


def _lowest_percent(result: BenchRecord) -> int | None:
    levels = (state.get("battery_percent") for state in _states(result))
    return min((int(level) for level in levels if isinstance(level, int | float)), default=None)
