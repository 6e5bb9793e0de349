"""Cycles that moving cache lines costs a core: how far its caches and its memory hold up the code that they feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekd.core_time.cores import Core
from edgekd.core_time.trace import LINE_BYTES, Misses


@dataclass(frozen=True)
class Transfers:
    """Of one part of an inference: ``busy`` cycles of the slowest level, and ``waiting`` for lines nobody foresaw."""

    busy: float
    waiting: float


def count_transfers(core: Core, misses: Sequence[Misses]) -> Transfers:
    """What the misses of each cache, the innermost first, cost.

    Lines that follow their neighbours are fetched ahead and cost their share of the bandwidth between two levels. Any
    other waits for the next level's latency: in an in-order core always, in an out-of-order one only where memory has
    to be asked, since it finds other work for the time that another cache takes.
    """
    outer: list[tuple[float, float]] = [(cache.bytes_per_cycle, cache.latency_cycles) for cache in core.caches[1:]]
    cycles_per_ns = core.clock_mhz / 1e3
    outer.append((core.memory_gb_s / cycles_per_ns, core.memory_latency_ns * cycles_per_ns))
    busy, waiting = 0.0, 0.0
    for level, ((bytes_per_cycle, latency), missed) in enumerate(zip(outer, misses, strict=False), start=1):
        busy = max(busy, missed.lines * LINE_BYTES / bytes_per_cycle)
        if core.in_order or level == len(outer):
            waiting += missed.scattered * latency
    return Transfers(busy, waiting)


def join_cycles(executing: float, transfers: Transfers, threads: int = 1) -> float:
    """Cycles of a part: what is fetched ahead overlaps with executing, what is waited for does not.

    ``threads`` share executing and waiting evenly, but not the way to memory; an ideal.
    """
    return max(executing / threads, transfers.busy) + transfers.waiting / threads
