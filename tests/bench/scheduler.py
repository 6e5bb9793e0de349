"""A core that a measured process shares with other programs, simulated: what its agent would report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgekd.bench import BenchPlan, Launch
from edgekd.bench.agents.device_agent import is_switched_out, per_sample

# What a fair scheduler on two cores gives a task at once.
SLICE_S = 2.8e-3
# Reading the clocks lies within the CPU time of an inference, not within its timing.
_CLOCKS_S = 2e-6
# A process that comes back finds cold caches: its next two inferences take longer by so much together.
_COLD_SHARE, _COLD_MOST_S = 0.5, 0.5e-3

# By what the agent knows which inferences lost the CPU: its thread's CPU time and switches; the switches of several
# threads; or not at all, as an app that reports its whole CPU time.
Knowledge = Literal["clock", "switches", "totals"]
Draw = Callable[[np.random.Generator], float]


@dataclass(frozen=True)
class Load:
    """Other programs: for how long they take the core, and how much CPU time the process gets in between."""

    name: str
    away_s: Draw
    between_s: Draw


QUIET = Load("quiet", lambda random: 0.0, lambda random: 1.0)


def busy_loops(count: int) -> Load:
    """``count`` programs that never rest on two cores: the core of the process has half of them, or one less."""

    def slice_s(random: np.random.Generator) -> float:
        return SLICE_S * random.uniform(0.8, 1.2)

    return Load(f"{count} busy loops", lambda random: (count // 2 - random.integers(0, 2)) * slice_s(random), slice_s)


def bursts(run_ms: float, period_ms: float) -> Load:
    """A program that takes the core for ``run_ms`` about every ``period_ms``."""
    rest_ms = period_ms - run_ms
    return Load(
        f"{run_ms:g} of {period_ms:g} ms",
        lambda random: run_ms / 1e3 * random.uniform(0.7, 1.3),
        lambda random: rest_ms / 1e3 * random.uniform(0.5, 1.5),
    )


class _Core:
    def __init__(self, load: Load, random: np.random.Generator) -> None:
        self._load, self._random = load, random
        self._left_s = load.between_s(random) * random.uniform()

    def run(self, cpu_s: float) -> tuple[float, int]:
        """Use the core for ``cpu_s``: (seconds without it meanwhile, how often it was taken)."""
        away_s, switches = 0.0, 0
        while self._left_s < cpu_s:
            cpu_s -= self._left_s
            gone_s, self._left_s = self._load.away_s(self._random), self._load.between_s(self._random)
            away_s, switches = away_s + gone_s, switches + (gone_s > 0)
        self._left_s -= cpu_s
        return away_s, switches


def launch(latency_ms: float, load: Load, round_: int, knowledge: Knowledge = "clock") -> Launch:
    """A launch of one second, 16 to 1,000 timings, of a model that alone takes ``latency_ms``.

    As the agent does, several short inferences make a timing: their mean.
    """
    count = per_sample(latency_ms * 1e6, BenchPlan().sample_ms * 1e6) if knowledge != "totals" else 1
    random = np.random.default_rng([round_, round(latency_ms * 1e6), len(load.name)])
    core, cold_s = _Core(load, random), min(_COLD_SHARE * latency_ms / 1e3, _COLD_MOST_S)
    timings: list[int] = []
    switched_out: list[int] = []
    own_s = wait_s = owed_s = 0.0
    while len(timings) < 16 or (len(timings) < 1000 and own_s + wait_s < 1.0):
        cpu_s, away_s, switches = 0.0, 0.0, 0
        for _ in range(count):
            single_s = latency_ms / 1e3 * random.lognormal(0.0, 0.01) + owed_s
            gone_s, times = core.run(single_s)
            owed_s = cold_s / 2 if times else 0.0
            cpu_s, away_s, switches = cpu_s + single_s + owed_s, away_s + gone_s, switches + times
        timing_ns, used_ns = round((cpu_s + away_s) * 1e9), round((cpu_s + _CLOCKS_S) * 1e9)
        if is_switched_out(timing_ns, used_ns if knowledge == "clock" else None, switches):
            switched_out.append(len(timings))
        timings.append(round(timing_ns / count))
        own_s, wait_s = own_s + cpu_s, wait_s + away_s
    cpu = {"own_s": own_s, "wall_s": own_s + wait_s, "wait_s": wait_s}
    if knowledge == "totals":
        del cpu["wait_s"]
    return Launch(
        round=round_, timings_ns=tuple(timings), load_ms=1.0, first_ms=1.0, warmup_n=16, warmup_steady=True, threads=1,
        runtime="simulated", import_ms=1.0, peak_memory_bytes=None, memory_before_load_bytes=None, cpu=cpu,
        answers=None, switched_out=None if knowledge == "totals" else tuple(switched_out),
        inferences_per_sample=count,
    )  # fmt: skip
