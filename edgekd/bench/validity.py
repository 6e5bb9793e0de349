"""Whether a measurement may be believed: what the device and the launches themselves say against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgekd.bench.result import BenchResult, Measurement
from edgekd.bench.samples import launch_medians

Standing = Literal["valid", "semi-valid", "invalid"]

DRIFT_LIMIT = 0.10
# Past this the device was another one at the end than at the start.
DRIFT_INVALID = 0.25
SPREAD_LIMIT = 0.10
STEAL_LIMIT = 0.02
OTHER_LOAD_LIMIT = 0.10
TEMPERATURE_RISE_LIMIT_C = 15.0
# Frames that started late, of a paced run's: the model does not keep the pace.
LATE_LIMIT = 0.05


@dataclass(frozen=True)
class Validity:
    """``invalid`` says nothing about the model, ``semi-valid`` something with the reasons in mind."""

    standing: Standing
    reasons: tuple[str, ...] = ()


def validity(result: BenchResult, measurement: Measurement) -> Validity:
    """What may be believed of a measurement. Instructions are counted, so only their own drift matters."""
    if result.unit == "instructions":
        return Validity("valid")
    ruined = (*_throttled(result), *_ruined(measurement))
    if ruined:
        return Validity("invalid", ruined)
    doubts = (*instability(measurement), *disturbances_of(result))
    return Validity("semi-valid" if doubts else "valid", doubts)


def instability(measurement: Measurement) -> tuple[str, ...]:
    """What a file's own launches say against trusting them: drift, spread, a warm-up that never settled."""
    if len(measurement.launches) < 3:
        return ()
    medians = launch_medians(measurement)
    drift = _drift(measurement)
    spread = float(np.median(np.abs(medians - np.median(medians))) / np.median(medians)) * 1.4826
    unsettled = sum(not launch.warmup_steady for launch in measurement.launches)
    said = []
    if abs(drift) > DRIFT_LIMIT:
        said.append(f"{measurement.name} drifted by {drift:+.0%} from the first launches to the last")
    if spread > SPREAD_LIMIT:
        said.append(f"{measurement.name}'s launches differ by {spread:.0%} (robust standard deviation)")
    if unsettled > len(medians) / 2:
        said.append(f"{measurement.name} was not steady after warm-up in {unsettled} of {len(medians)} launches")
    return (*said, *_late(measurement))


def disturbances_of(result: BenchResult) -> tuple[str, ...]:
    """What the device itself did meanwhile: the hypervisor's share, other programs' load, heat, earlier throttling."""
    launches = [launch.cpu for one in result.measurements for launch in one.launches if "total_s" in launch.cpu]
    total = sum(cpu["total_s"] for cpu in launches)
    said = []
    if total > 0:
        steal = sum(cpu["steal_s"] for cpu in launches) / total
        others = sum(max(0.0, cpu["busy_s"] - cpu["own_s"]) for cpu in launches) / total
        if steal > STEAL_LIMIT:
            said.append(f"the hypervisor took {steal:.0%} of the CPU")
        if others > OTHER_LOAD_LIMIT:
            said.append(f"other programs took {others:.0%} of the CPU")
    before, after = result.facts_before.get("temperature_c"), result.facts_after.get("temperature_c")
    if before is not None and after is not None and after - before > TEMPERATURE_RISE_LIMIT_C:
        said.append(f"the device warmed from {before:.0f} to {after:.0f} °C")
    if result.facts_after.get("throttled_since_boot") and not _throttled(result):
        said.append("the device has throttled since it was started")
    return tuple(said)


def _throttled(result: BenchResult) -> tuple[str, ...]:
    """Throttling at the start, at the end, or only in between (the device remembers it since its start)."""
    before, after = result.facts_before, result.facts_after
    if before.get("throttled_now") or after.get("throttled_now"):
        return (f"the device throttles ({_words(after) or _words(before) or 'no reason given'})",)
    if after.get("throttled_since_boot") and before.get("throttled_since_boot") is False:
        return (f"the device throttled while it was measured ({_words(after) or 'no reason given'})",)
    return ()


def _words(facts: Mapping[str, Any]) -> str:
    return ", ".join(str(word) for word in facts.get("throttling") or ())


def _ruined(measurement: Measurement) -> tuple[str, ...]:
    drift = _drift(measurement) if len(measurement.launches) >= 3 else 0.0
    if abs(drift) > DRIFT_INVALID:
        return (f"{measurement.name} drifted by {drift:+.0%} from the first launches to the last",)
    return ()


def _drift(measurement: Measurement) -> float:
    medians = launch_medians(measurement)
    third = max(1, len(medians) // 3)
    return float(np.median(medians[-third:]) / np.median(medians[:third])) - 1


def _late(measurement: Measurement) -> tuple[str, ...]:
    paced = [launch for launch in measurement.launches if launch.late_n is not None]
    frames = sum(len(launch.timings_ns) for launch in paced)
    late = sum(launch.late_n or 0 for launch in paced)
    if not frames or late / frames <= LATE_LIMIT:
        return ()
    return (f"{measurement.name} started {late} of {frames} frames late: it does not keep the pace",)
