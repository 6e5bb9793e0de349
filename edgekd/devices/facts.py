"""Reading Linux's own account of a machine; pure functions of text, so that any transport can feed them.

The keys of a device's facts, None where the device does not say:
``cpu_model`` ``machine`` ``cores`` ``cpu_flags`` ``os`` ``kernel`` ``python`` ``runtimes`` ``memory_total_bytes``
describe it; ``governor`` ``frequency_mhz`` ``temperature_c`` ``load_1min`` ``memory_available_bytes``
``disk_free_bytes`` ``cpu_busy_s`` ``cpu_steal_s`` ``cpu_total_s`` ``time_utc`` are how it stands now (the three
``cpu_*_s`` are sums over all cores since boot: only differences mean anything).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# What decides which int8 and float kernels the runtimes choose.
FLAGS_OF_INTEREST = frozenset(
    {
        # x86
        "sse4_1",
        "avx",
        "avx2",
        "fma",
        "f16c",
        "avx512f",
        "avx512bw",
        "avx512_vnni",
        "avx_vnni",
        "avx512_bf16",
        "amx_int8",
        "amx_bf16",
        # arm
        "asimd",
        "asimdhp",
        "asimddp",
        "i8mm",
        "bf16",
        "sve",
        "sve2",
        "neon",
    }
)
RUNTIMES = ("ai-edge-litert", "onnxruntime", "numpy")

# /proc/cpuinfo on arm64 gives numbers only; these are the cores of the boards and phones people have.
_ARM_PARTS = {
    "0xd03": "Cortex-A53",
    "0xd05": "Cortex-A55",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd41": "Cortex-A78",
}


@dataclass(frozen=True)
class CpuTimes:
    """Seconds over all cores since boot: at work, taken by the hypervisor, and in all."""

    busy_s: float
    steal_s: float
    total_s: float


def parse_cpu_model(cpuinfo: str) -> str | None:
    """The CPU's name out of the text of /proc/cpuinfo."""
    for key in ("model name", "Hardware", "CPU part"):
        found = re.search(rf"^{key}\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
        if found:
            value = found[1].strip()
            return _ARM_PARTS.get(value, value)
    return None


def parse_cpu_flags(cpuinfo: str) -> list[str]:
    """The flags that change which kernels run, sorted, out of the text of /proc/cpuinfo."""
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return sorted(FLAGS_OF_INTEREST.intersection(found[1].split())) if found else []


def parse_frequency_mhz(cpuinfo: str) -> float | None:
    """Mean of the ``cpu MHz`` lines of /proc/cpuinfo (x86 only)."""
    values = [float(value) for value in re.findall(r"^cpu MHz\s*:\s*([0-9.]+)$", cpuinfo, re.MULTILINE)]
    return round(sum(values) / len(values), 1) if values else None


def parse_cpu_times(stat: str, ticks_per_s: int) -> CpuTimes | None:
    """The first line of /proc/stat. Source: proc_stat(5)."""
    found = re.match(r"cpu\s+([0-9 ]+)", stat)
    fields = [int(field) for field in found[1].split()] if found else []
    if len(fields) < 8:
        return None
    user, nice, system, idle, iowait, irq, softirq, steal = fields[:8]
    busy = user + nice + system + irq + softirq
    total = busy + idle + iowait + steal
    return CpuTimes(busy / ticks_per_s, steal / ticks_per_s, total / ticks_per_s)


def parse_memory_bytes(meminfo: str, key: str) -> int | None:
    """One line of /proc/meminfo, such as ``MemAvailable``, in bytes."""
    found = re.search(rf"^{key}:\s+(\d+) kB$", meminfo, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def parse_os_name(os_release: str) -> str | None:
    """PRETTY_NAME out of the text of /etc/os-release."""
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', os_release, re.MULTILINE)
    return found[1] if found else None
