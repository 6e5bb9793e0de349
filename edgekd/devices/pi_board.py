"""What /proc and /sys say on boards of four cores, as files to put into a root: cores, caches, clocks, features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BoardName = Literal["pi3", "pi4", "pi5", "rock3"]


@dataclass(frozen=True)
class Cache:
    """One line of /sys/.../cache: sizes in KiB."""

    level: int
    kind: str
    size_kib: int
    ways: int
    shared: bool


@dataclass(frozen=True)
class Board:
    """What a board says of itself. Source: the files of the Raspberry Pis and the cores' reference manuals."""

    model: str
    revision: str
    part: str
    variant: str
    core_revision: str
    max_khz: int
    features: str
    caches: tuple[Cache, ...]


_ARM_V8_2 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"

BOARDS: dict[BoardName, Board] = {
    "pi3": Board(
        model="Raspberry Pi 3 Model B Plus Rev 1.3",
        revision="a020d3",
        part="0xd03",
        variant="0x0",
        core_revision="4",
        max_khz=1_400_000,
        features="fp asimd evtstrm crc32 cpuid",
        caches=(
            Cache(1, "Data", 32, 4, False),
            Cache(1, "Instruction", 32, 2, False),
            Cache(2, "Unified", 512, 16, True),
        ),
    ),
    "pi4": Board(
        model="Raspberry Pi 4 Model B Rev 1.5",
        revision="c03115",
        part="0xd08",
        variant="0x0",
        core_revision="3",
        max_khz=1_800_000,
        features="fp asimd evtstrm crc32 cpuid",
        caches=(
            Cache(1, "Data", 32, 2, False),
            Cache(1, "Instruction", 48, 3, False),
            Cache(2, "Unified", 1024, 16, True),
        ),
    ),
    "pi5": Board(
        model="Raspberry Pi 5 Model B Rev 1.0",
        revision="d04170",
        part="0xd0b",
        variant="0x4",
        core_revision="1",
        max_khz=2_400_000,
        features=_ARM_V8_2,
        caches=(
            Cache(1, "Data", 64, 4, False),
            Cache(1, "Instruction", 64, 4, False),
            Cache(2, "Unified", 512, 8, False),
            Cache(3, "Unified", 2048, 16, True),
        ),
    ),
    "rock3": Board(
        model="Radxa ROCK3 Model A",
        revision="0000",
        part="0xd05",
        variant="0x2",
        core_revision="0",
        max_khz=2_000_000,
        features=_ARM_V8_2,
        caches=(
            Cache(1, "Data", 32, 4, False),
            Cache(1, "Instruction", 32, 4, False),
            Cache(3, "Unified", 512, 16, True),
        ),
    ),
}
CORES = 4


def board_files(board: Board) -> dict[str, str]:
    """Paths below the root and what the kernel of ``board`` would answer there."""
    files = {
        "proc/cpuinfo": _cpuinfo(board),
        "proc/device-tree/model": f"{board.model}\0",
        "sys/firmware/devicetree/base/model": f"{board.model}\0",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "48312\n",
        "sys/devices/system/cpu/kernel_max": f"{CORES - 1}\n",
    }
    files |= {f"sys/devices/system/cpu/{name}": f"0-{CORES - 1}\n" for name in ("possible", "present", "online")}
    for core in range(CORES):
        folder = f"sys/devices/system/cpu/cpu{core}"
        files |= {f"{folder}/{path}": f"{value}\n" for path, value in _core_files(board, core).items()}
    return files


def _cpuinfo(board: Board) -> str:
    core = (
        f"BogoMIPS\t: 108.00\nFeatures\t: {board.features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
        f"CPU variant\t: {board.variant}\nCPU part\t: {board.part}\nCPU revision\t: {board.core_revision}\n\n"
    )
    end = f"Revision\t: {board.revision}\nSerial\t\t: 10000000deadbeef\nModel\t\t: {board.model}\n"
    return "".join(f"processor\t: {number}\n{core}" for number in range(CORES)) + end


def _core_files(board: Board, core: int) -> dict[str, object]:
    everyone, alone = f"0-{CORES - 1}", str(core)
    files: dict[str, object] = {
        "cpufreq/scaling_governor": "ondemand",
        "cpufreq/scaling_available_governors": "conservative ondemand userspace powersave performance schedutil",
        "cpufreq/cpuinfo_min_freq": 600_000,
        "cpufreq/scaling_min_freq": 600_000,
        "topology/core_id": core,
        "topology/physical_package_id": 0,
        "topology/cluster_id": 0,
        "topology/core_siblings": f"{2**CORES - 1:x}",
        "topology/thread_siblings": f"{1 << core:x}",
    }
    files |= {f"cpufreq/{name}_freq": board.max_khz for name in ("cpuinfo_max", "scaling_max", "scaling_cur")}
    files |= {f"topology/{name}_list": everyone for name in ("core_siblings", "package_cpus", "cluster_cpus")}
    files |= {f"topology/{name}_list": alone for name in ("thread_siblings", "core_cpus")}
    for index, cache in enumerate(board.caches):
        files |= {
            f"cache/index{index}/level": cache.level,
            f"cache/index{index}/type": cache.kind,
            f"cache/index{index}/size": f"{cache.size_kib}K",
            f"cache/index{index}/shared_cpu_list": everyone if cache.shared else alone,
            f"cache/index{index}/ways_of_associativity": cache.ways,
            f"cache/index{index}/coherency_line_size": 64,
        }
    return files
