"""A launch in numbers: the one place that distinguishes nanoseconds, instructions and summaries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.records import Launch, Measurement

# Of a launch's inferences, so many must have kept the CPU for the others to be left out.
CLEAN_LIMIT = 0.5


def values_of(launch: Launch) -> NDArray[np.float64]:
    """Every inference of a launch: milliseconds, or executed instructions where they were counted.

    Where only a summary is known, its one central value: the median, or the mean if that is all.
    """
    if launch.instructions is not None:
        return np.asarray(launch.instructions, dtype=np.float64)
    if launch.timings_ns:
        return np.asarray(launch.timings_ns, dtype=np.float64) / 1e6
    assert launch.summary is not None, "launch_from_reply refuses a launch with neither"
    return np.array([launch.summary.central_us / 1000])


def clean_share(launch: Launch) -> float | None:
    """The share of a launch's inferences that kept the CPU from start to end; None where that is not known."""
    if launch.switched_out is None or not launch.timings_ns:
        return None
    return 1 - len(launch.switched_out) / len(launch.timings_ns)


def clean_values(launch: Launch) -> NDArray[np.float64]:
    """``values_of`` without the inferences that lost the CPU meanwhile.

    All of them where more than ``1 - CLEAN_LIMIT`` did: the rest would be a chosen few. ``edgekd.bench.cpu_share``
    decides whether such a launch counts.
    """
    values, share = values_of(launch), clean_share(launch)
    if share is None or share < CLEAN_LIMIT or launch.instructions is not None:
        return values
    return np.delete(values, np.array(launch.switched_out, dtype=np.intp))


def launch_medians(measurement: Measurement) -> NDArray[np.float64]:
    """Each launch's median over the inferences that kept the CPU, in order: milliseconds or instructions."""
    return np.array([float(np.median(clean_values(launch))) for launch in measurement.launches])


def paired_medians(measurement: Measurement, baseline: Measurement) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Launch medians of both in the rounds that have both, in the same order."""
    medians, base_medians = (
        dict(zip([launch.round for launch in side.launches], launch_medians(side), strict=True))
        for side in (measurement, baseline)
    )
    pairs = [(median, base_medians[round_]) for round_, median in medians.items() if round_ in base_medians]
    return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
