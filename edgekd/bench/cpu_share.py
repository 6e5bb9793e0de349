"""Whether a launch had the CPU to itself: where it had not, long inferences look slower than short ones.

A long inference meets the end of a time slice, a short one seldom: other programs always favour the faster file, and
every round does so alike. Two things protect the ratio. Inferences that lost the CPU are left out of a launch's median
(``samples.clean_values``), as long as most remain. And a launch counts only where it had enough of the CPU: with less,
those that remain begin with cold caches, and the larger model suffers more. Measured: inferences of 0.63 ms took 1 %
longer where the process ran 62 % of the time, 15 % longer at 33 % and 60 % at 6 %; those of 0.05 ms 0 to 3 %.

Where single inferences are not known, what all of them lost together bounds how far a median can move.
"""

from __future__ import annotations

import numpy as np

from edgekd.bench.plan import Mode
from edgekd.bench.ratio import TRIM
from edgekd.bench.records import Launch, Measurement
from edgekd.bench.samples import CLEAN_LIMIT, clean_share

# Below this, what remains after leaving out inferences that lost the CPU is not what a quiet machine gives.
SHARE_LIMIT = 0.80
# A median moves by 3 % only where half of the inferences lost that much, which is 1.5 % of the time; cold caches are a
# part of it.
WHOLE_SHARE = 0.99
# An app's own CPU time comes in milliseconds.
_CLOCK_S = 0.002
# It computes elsewhere: its process may wait.
_OFF_CPU = ("gpu",)


def cpu_share(launch: Launch, mode: Mode) -> float | None:
    """The share of the timed seconds, 0 to 1, in which no thread of the launch waited for a CPU.

    None where it is not known: in a paced run, which is meant to sleep, and for an agent that reports no CPU time.
    """
    wall_s = launch.cpu.get("wall_s", 0.0)
    if mode == "paced" or wall_s <= 0 or launch.delegate in _OFF_CPU:
        return None
    wait_s = launch.cpu.get("wait_s")
    # Without it: while a model infers back to back, at least one thread computes all the time.
    share = (launch.cpu["own_s"] + _CLOCK_S) / wall_s if wait_s is None else 1 - wait_s / wall_s
    return min(1.0, max(0.0, share))


def is_interrupted(launch: Launch, mode: Mode) -> bool:
    """Whether other programs may have moved the launch's median by more than 3 %."""
    if launch.instructions is not None:
        return False
    share, clean = cpu_share(launch, mode), clean_share(launch)
    if share is not None and share >= WHOLE_SHARE:
        return False
    if clean is None:
        return share is not None
    return clean < CLEAN_LIMIT or (share is not None and share < SHARE_LIMIT)


def describe_interruptions(measurement: Measurement, mode: Mode) -> tuple[tuple[str, ...], bool]:
    """What other programs did to a file's launches, in words, and whether it ruins them.

    The interval trims ``ratio.TRIM`` of the launches at each end, so that as many may be interrupted.
    """
    launches = measurement.launches
    interrupted = [launch for launch in launches if is_interrupted(launch, mode)]
    if not interrupted:
        return (), False
    shares = [share for launch in interrupted if (share := cpu_share(launch, mode)) is not None]
    ran = f", which ran {np.median(shares):.0%} of the time" if shares else ""
    message = (
        f"other programs took the CPU from {measurement.name} in {len(interrupted)} of {len(launches)} launches{ran}: "
        "measure on a quieter machine"
    )
    return (message,), len(interrupted) > int(TRIM * len(launches))
