"""What a launch says in numbers: the one place that knows nanoseconds from instructions from mere summaries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.result import Launch, Measurement


def values_of(launch: Launch) -> NDArray[np.float64]:
    """Every inference of a launch: milliseconds, or executed instructions where they were counted.

    Where only a summary is known, its one central value: the median, or the mean if that is all.
    """
    if launch.instructions is not None:
        return np.asarray(launch.instructions, dtype=np.float64)
    if launch.timings_ns:
        return np.asarray(launch.timings_ns, dtype=np.float64) / 1e6
    assert launch.summary is not None, "launch_from_reply refuses a launch with neither"
    central = launch.summary.avg_us if launch.summary.median_us is None else launch.summary.median_us
    return np.array([central / 1000])


def launch_medians(measurement: Measurement) -> NDArray[np.float64]:
    """Each launch's median, in order: milliseconds or instructions."""
    return np.array([float(np.median(values_of(launch))) for launch in measurement.launches])


def paired_medians(measurement: Measurement, baseline: Measurement) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Launch medians of both in the rounds that have both, in the same order."""
    other = dict(zip([launch.round for launch in baseline.launches], launch_medians(baseline), strict=True))
    own = zip([launch.round for launch in measurement.launches], launch_medians(measurement), strict=True)
    pairs = [(value, other[round_]) for round_, value in own if round_ in other]
    return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
