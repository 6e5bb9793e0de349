"""Whether a measurement may be believed: what the device and the launches themselves say against it.

The rules by mode. Back-to-back: drift between launches, their spread, an unsteady warm-up, heat, throttling and other
programs all speak against it. Paced: the same but for the warm-up, which knows no pace; and frames that started late.
Sustained: the device is meant to get hot and slow, so that drift, heat and throttling on the way are the result, which
``sustained_findings`` describes; what speaks against it is a device that was throttled or warm at its start, or a
missing curve.

Other programs are held against one core, not against the machine: of 4 cores one that is busy is 25 % of the machine,
but may be the very one that the model runs on, and in any case shares its caches, its memory and its clock. Where they
took the CPU from the model itself, the measurement is invalid in any mode: see ``cpu_share``. What a phone adds, its
battery and what it does with apps that are not seen, is in ``phone_state``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgekd.bench import phone_state
from edgekd.bench.cpu_share import describe_interruptions
from edgekd.bench.records import BenchRecord, Measurement
from edgekd.bench.samples import launch_medians

Standing = Literal["valid", "semi-valid", "invalid"]

DRIFT_LIMIT = 0.10
# Past this the device was another one at the end than at the start.
DRIFT_INVALID = 0.25
SPREAD_LIMIT = 0.10
# Of the machine's time, by the hypervisor: no inference tells that it met it.
STEAL_LIMIT = 0.02
STEAL_INVALID = 0.10
# Of one core, by all other programs together, over the timed inferences.
OTHER_LOAD_LIMIT = 0.10
# A launch's sum over all cores is off by so much: the kernel counts in hundredths of a second.
_TICKS_S = 0.02
TEMPERATURE_RISE_LIMIT_C = 15.0
# Frames that started late, of a paced run's: the model does not keep the pace. Past the second it has none.
LATE_LIMIT = 0.05
LATE_INVALID = 0.5
# Rounds whose two sides were launched at different times, before and after a kill.
SPLIT_ROUNDS_LIMIT = 1
# Windows of a second that a curve needs to tell its start from its end.
CURVE_WINDOWS = 10


@dataclass(frozen=True)
class Validity:
    """``invalid`` says nothing about the model, ``semi-valid`` something with the reasons in mind."""

    standing: Standing
    reasons: tuple[str, ...] = ()


def validity(result: BenchRecord, measurement: Measurement) -> Validity:
    """What may be believed of a measurement. Instructions are counted, so only their own drift matters."""
    if result.unit == "instructions":
        return Validity("valid")
    sustained = result.plan.mode == "sustained"
    ruined = () if sustained else (*_find_throttling(result), *_find_drift(measurement, DRIFT_INVALID))
    ruined += (*_find_late_frames(measurement, LATE_INVALID), *phone_state.find_ruined(result, measurement))
    interruptions, ruins = describe_interruptions(measurement, result.plan.mode)
    ruined += (*(interruptions if ruins else ()), *_find_steal(result, STEAL_INVALID))
    if ruined:
        # What else is known of the device is worth reading all the more.
        return Validity("invalid", tuple(dict.fromkeys((*ruined, *disturbances_of(result)))))
    unsteady = (
        _curve_doubts(result, measurement) if sustained else instability(measurement, result.plan.mode == "paced")
    )
    doubts = (*unsteady, *interruptions, *_find_split_rounds(result, measurement), *disturbances_of(result))
    return Validity("semi-valid" if doubts else "valid", doubts)


def instability(measurement: Measurement, paced: bool = False) -> tuple[str, ...]:
    """What a file's own launches say against trusting them: drift, spread, an unsteady warm-up, late frames."""
    late = _find_late_frames(measurement, LATE_LIMIT)
    if len(measurement.launches) < 3:
        return late
    medians = launch_medians(measurement)
    spread = float(np.median(np.abs(medians - np.median(medians))) / np.median(medians)) * 1.4826
    unsettled = sum(not launch.warmup_steady for launch in measurement.launches)
    reasons = [*_find_drift(measurement, DRIFT_LIMIT)]
    if spread > SPREAD_LIMIT:
        reasons.append(f"{measurement.name}'s launches differ by {spread:.0%} (robust standard deviation)")
    if unsettled > len(medians) / 2 and not paced:
        reasons.append(f"{measurement.name} was not steady after warm-up in {unsettled} of {len(medians)} launches")
    return (*reasons, *late)


def disturbances_of(result: BenchRecord) -> tuple[str, ...]:
    """What the device itself did meanwhile: the hypervisor's share, other programs' load, heat, earlier throttling."""
    launches = [launch.cpu for each in result.measurements for launch in each.launches if "total_s" in launch.cpu]
    reasons = [*_find_steal(result, STEAL_LIMIT), *phone_state.find_doubts(result)]
    if sum(cpu["total_s"] for cpu in launches) > 0:
        others_s = sum(cpu["busy_s"] - cpu["own_s"] for cpu in launches)
        wall_s = sum(cpu["wall_s"] for cpu in launches)
        if others_s > OTHER_LOAD_LIMIT * wall_s + _TICKS_S * math.sqrt(len(launches)):
            reasons.append(f"other programs took {others_s / wall_s:.0%} of one core")
    if result.plan.mode == "sustained":
        return tuple(reasons)
    before, after = result.facts_before.get("temperature_c"), result.facts_after.get("temperature_c")
    if before is not None and after is not None and after - before > TEMPERATURE_RISE_LIMIT_C:
        reasons.append(f"the device warmed from {before:.0f} to {after:.0f} °C")
    if result.facts_after.get("throttled_since_boot") and not _find_throttling(result):
        reasons.append("the device has throttled since it was started")
    return tuple(reasons)


def sustained_findings(result: BenchRecord, measurement: Measurement) -> tuple[str, ...]:
    """How a sustained run went, by its curve: the median of its first tenth against that of its last."""
    if result.plan.mode != "sustained":
        return ()
    reasons = []
    for launch in measurement.launches:
        if launch.curve is not None and len(launch.curve) >= CURVE_WINDOWS:
            medians = np.array([row[2] for row in launch.curve]) / 1e6
            tenth = max(1, len(medians) // 10)
            first, last = float(np.median(medians[:tenth])), float(np.median(medians[-tenth:]))
            throttled = f"; the device throttled ({_throttling_words(result)})" if _find_throttling(result) else ""
            reasons.append(
                f"{measurement.name}: {first:.3g} ms at the start, {last:.3g} ms after {launch.curve[-1][0]:.0f} s "
                f"({last / first - 1:+.0%}){throttled}"
            )
    return tuple(reasons)


def _find_throttling(result: BenchRecord) -> tuple[str, ...]:
    """Throttling at the start, at the end, after a round, or only in between (the device remembers it since its
    start)."""
    before, after = result.facts_before, result.facts_after
    if before.get("throttled_now") or after.get("throttled_now"):
        return (f"the device throttles ({_words(after) or _words(before) or 'no reason given'})",)
    rounds = sorted({int(state.get("round", 0)) + 1 for state in result.polled if state.get("throttled_now")})
    if rounds:
        return (f"the device throttled after round {', '.join(map(str, rounds))} ({_throttling_words(result)})",)
    remembered = (after, *result.polled)
    if any(state.get("throttled_since_boot") for state in remembered) and before.get("throttled_since_boot") is False:
        return (f"the device throttled while it was measured ({_throttling_words(result)})",)
    return ()


def _throttling_words(result: BenchRecord) -> str:
    """Why, in the device's words, as last reported."""
    states = (result.facts_after, *reversed(result.polled), result.facts_before)
    return next((words for facts in states if (words := _words(facts))), "no reason given")


def _words(facts: Mapping[str, Any]) -> str:
    return ", ".join(str(word) for word in facts.get("throttling") or ())


def _find_steal(result: BenchRecord, limit: float) -> tuple[str, ...]:
    launches = [launch.cpu for each in result.measurements for launch in each.launches if "total_s" in launch.cpu]
    total_s = sum(cpu["total_s"] for cpu in launches)
    share = sum(cpu["steal_s"] for cpu in launches) / total_s if total_s > 0 else 0.0
    return (f"the hypervisor took {share:.0%} of the CPU",) if share > limit else ()


def _find_drift(measurement: Measurement, limit: float) -> tuple[str, ...]:
    if len(measurement.launches) < 3:
        return ()
    medians = launch_medians(measurement)
    third = max(1, len(medians) // 3)
    drift = float(np.median(medians[-third:]) / np.median(medians[:third])) - 1
    if abs(drift) <= limit:
        return ()
    return (f"{measurement.name} drifted by {drift:+.0%} from the first launches to the last",)


def _find_late_frames(measurement: Measurement, limit: float) -> tuple[str, ...]:
    paced = [launch for launch in measurement.launches if launch.late_n is not None]
    frames = sum(len(launch.timings_ns) for launch in paced)
    late = sum(launch.late_n or 0 for launch in paced)
    if not frames or late / frames <= limit:
        return ()
    return (f"{measurement.name} started {late} of {frames} frames late: it does not keep the pace",)


def _curve_doubts(result: BenchRecord, measurement: Measurement) -> tuple[str, ...]:
    """What keeps a sustained run from showing how a cold device gets slower."""
    reasons = []
    if any(len(launch.curve or ()) < CURVE_WINDOWS for launch in measurement.launches):
        reasons.append(f"{measurement.name}'s curve is shorter than {CURVE_WINDOWS} s: run it longer (--seconds)")
    if result.facts_before.get("throttled_now"):
        reasons.append(f"the device throttled before it began ({_words(result.facts_before) or 'no reason given'})")
    names = [name for names in result.order for name in names]
    place = names.index(measurement.name) if measurement.name in names else 0
    cold = result.facts_before.get("temperature_c")
    # The device is polled after each file.
    start = result.polled[place - 1].get("temperature_c") if 0 < place <= len(result.polled) else None
    if cold is not None and start is not None and start - cold > TEMPERATURE_RISE_LIMIT_C:
        reasons.append(f"{measurement.name} began at {start:.0f} °C, the first file at {cold:.0f}: let the device cool")
    return tuple(reasons)


def _find_split_rounds(result: BenchRecord, measurement: Measurement) -> tuple[str, ...]:
    """Rounds whose launches of this file and of the baseline lie on two sides of a kill: not the same moment."""
    baseline = {launch.round: launch.session for launch in result.measurement(result.baseline).launches}
    split = sum(baseline.get(launch.round, launch.session) != launch.session for launch in measurement.launches)
    if split <= SPLIT_ROUNDS_LIMIT:
        return ()
    return (f"{measurement.name} was launched at another time than {result.baseline} in {split} rounds",)
