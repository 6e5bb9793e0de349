"""A launch in numbers: the one place that tells nanoseconds, instructions and mere summaries apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.records import Launch, Measurement


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


def launch_medians(measurement: Measurement) -> NDArray[np.float64]:
    """Each launch's median, in order: milliseconds or instructions."""
    return np.array([float(np.median(values_of(launch))) for launch in measurement.launches])


def paired_medians(measurement: Measurement, baseline: Measurement) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Launch medians of both in the rounds that have both, in the same order."""
    medians, base_medians = (
        dict(zip([launch.round for launch in side.launches], launch_medians(side), strict=True))
        for side in (measurement, baseline)
    )
    pairs = [(median, base_medians[round_]) for round_, median in medians.items() if round_ in base_medians]
    return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
