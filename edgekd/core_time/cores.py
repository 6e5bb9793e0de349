"""Cores whose time can be estimated: LLVM's name for their scheduling, their caches, their memory, a stated clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cache:
    """A level of data cache as one core sees it: its size, how long it takes to answer, and bytes a cycle inwards."""

    size_bytes: int
    ways: int
    latency_cycles: int
    bytes_per_cycle: float


@dataclass(frozen=True)
class Core:
    """A core on a board.

    ``schedule`` is the processor of LLVM whose scheduling model it has. ``memory_gb_s`` is what one core gets of its
    memory, bytes read and written together.
    """

    board: str
    schedule: str
    clock_mhz: int
    in_order: bool
    caches: tuple[Cache, ...]
    memory_gb_s: float
    memory_latency_ns: float


KIB = 1024

# Sizes and ways: the boards' device trees and the cores' technical reference manuals. Latencies and widths: the cores'
# software optimization guides where they say, else of the same order. Memory: what copying loops reach on these boards
# with one core, a third to a half of what the chips could deliver (LPDDR2-900, LPDDR4-3200 twice, LPDDR4X-4267, each
# of 32 bits). None is fitted to an inference's time.
CORES = {
    "cortex-a53": Core(
        board="Raspberry Pi 3 B+",
        schedule="cortex-a53",
        clock_mhz=1400,
        in_order=True,
        caches=(Cache(32 * KIB, 4, 3, 8), Cache(512 * KIB, 16, 15, 8)),
        memory_gb_s=2.0,
        memory_latency_ns=150,
    ),
    "cortex-a55": Core(
        board="Radxa ROCK 3A",
        schedule="cortex-a55",
        clock_mhz=2000,
        in_order=True,
        caches=(Cache(32 * KIB, 4, 3, 8), Cache(512 * KIB, 16, 30, 8)),
        memory_gb_s=6.0,
        memory_latency_ns=130,
    ),
    "cortex-a72": Core(
        board="Raspberry Pi 4",
        schedule="cortex-a72",
        clock_mhz=1500,
        in_order=False,
        caches=(Cache(32 * KIB, 2, 4, 16), Cache(1024 * KIB, 16, 21, 16)),
        memory_gb_s=4.5,
        memory_latency_ns=150,
    ),
    # The Neoverse N1 is the Cortex-A76's sibling; LLVM itself takes the Cortex-A57's model for the A76.
    "cortex-a76": Core(
        board="Raspberry Pi 5",
        schedule="neoverse-n1",
        clock_mhz=2400,
        in_order=False,
        caches=(Cache(64 * KIB, 4, 4, 32), Cache(512 * KIB, 8, 11, 32), Cache(2048 * KIB, 16, 40, 16)),
        memory_gb_s=10.0,
        memory_latency_ns=120,
    ),
}
