"""Reading Linux's own account of a machine; pure functions of text, so that any transport can feed them.

The keys of a device's facts, None where the device does not say:
``board`` (the device tree's model, such as "Raspberry Pi 5 Model B Rev 1.0") ``cpu_model`` ``machine`` ``cores``
``cpu_flags`` ``max_frequency_mhz`` ``os`` ``kernel`` ``python`` ``runtimes`` ``memory_total_bytes`` describe it;
``governor`` ``frequency_mhz`` ``temperature_c`` ``load_1min`` ``memory_available_bytes`` ``disk_free_bytes``
``cpu_busy_s`` ``cpu_steal_s`` ``cpu_total_s`` ``time_utc`` are how it stands now (the three ``cpu_*_s`` are sums over
all cores since boot: only differences mean anything). Clocks are those of the fastest core.

``throttled_now`` ``throttled_since_boot`` (true or false) and ``throttling`` (words of ``THROTTLING``, those with
" earlier" behind them since boot but not now) come from a Raspberry Pi's firmware; ``thermal_status`` (0 none,
1 light, 2 moderate, 3 severe ...) from Android alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

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
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd0d": "Cortex-A77",
    "0xd40": "Neoverse-V1",
    "0xd41": "Cortex-A78",
    "0xd44": "Cortex-X1",
    "0xd46": "Cortex-A510",
    "0xd47": "Cortex-A710",
    "0xd48": "Cortex-X2",
    "0xd49": "Neoverse-N2",
    "0xd4d": "Cortex-A715",
    "0xd4e": "Cortex-X3",
    "0xd4f": "Neoverse-V2",
    "0xd80": "Cortex-A520",
    "0xd81": "Cortex-A720",
    "0xd82": "Cortex-X4",
}

# Bits of `vcgencmd get_throttled`; the same 16 places up: has happened since boot.
# Source: Raspberry Pi documentation, "vcgencmd", get_throttled.
THROTTLING = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}

# Digits of any real counter; more is junk that int() would choke on.
_COUNT = "[0-9]{1,19}"
_TEXT_LIMIT = 120
_PLAUSIBLE_C = (-60.0, 200.0)


@dataclass(frozen=True)
class CpuTimes:
    """Seconds over all cores since boot: at work, taken by the hypervisor, and in all."""

    busy_s: float
    steal_s: float
    total_s: float


def clean(value: str) -> str | None:
    """A fact of a device as one line of at most 120 characters, without control and direction characters."""
    visible = "".join(
        char if char.isprintable() else " " for char in value[:4096] if char.isprintable() or char.isspace()
    )
    return " ".join(visible.split())[:_TEXT_LIMIT] or None


def parse_cpu_model(cpuinfo: str) -> str | None:
    """The CPU's name out of the text of /proc/cpuinfo; its kinds of core joined by " + " where it has several."""
    name = re.search(r"^model name[ \t]*:(.+)$", cpuinfo, re.MULTILINE)
    if name:
        return clean(name[1])
    parts = dict.fromkeys(re.findall(r"^CPU part[ \t]*:[ \t]*(0x[0-9a-f]{1,4})$", cpuinfo, re.MULTILINE))
    if any(part in _ARM_PARTS for part in parts):
        return " + ".join(_ARM_PARTS.get(part, part) for part in list(parts)[:8])
    chip = re.search(r"^Hardware[ \t]*:(.+)$", cpuinfo, re.MULTILINE)
    return clean(chip[1]) if chip else next(iter(parts), None)


def parse_cpu_flags(cpuinfo: str) -> list[str]:
    """The flags that change which kernels run, sorted, out of the text of /proc/cpuinfo."""
    found = re.search(r"^(?:flags|Features)[ \t]*:(.+)$", cpuinfo, re.MULTILINE)
    return sorted(FLAGS_OF_INTEREST.intersection(found[1].split())) if found else []


def parse_cores(cpuinfo: str) -> int | None:
    """How many processors /proc/cpuinfo lists."""
    return len(re.findall(r"^processor[ \t]*:", cpuinfo, re.MULTILINE)) or None


def parse_frequency_mhz(cpuinfo: str) -> float | None:
    """Mean of the ``cpu MHz`` lines of /proc/cpuinfo (x86 only)."""
    found = re.findall(r"^cpu MHz[ \t]*:[ \t]*([0-9]{1,6}(?:\.[0-9]{1,6})?)$", cpuinfo, re.MULTILINE)
    values = [float(value) for value in found]
    return round(sum(values) / len(values), 1) if values else None


def parse_khz(value: str) -> float | None:
    """A clock of cpufreq, kHz in sysfs, in MHz."""
    return int(value) / 1000 if re.fullmatch(r"[0-9]{1,9}", value.strip()) else None


def parse_cpu_times(stat: str, ticks_per_s: int) -> CpuTimes | None:
    """The first line of /proc/stat. Source: proc_stat(5)."""
    found = re.match(rf"cpu((?: +{_COUNT}){{8}})", stat)
    if not found:
        return None
    user, nice, system, idle, iowait, irq, softirq, steal = (int(field) for field in found[1].split())
    busy = user + nice + system + irq + softirq
    total = busy + idle + iowait + steal
    return CpuTimes(busy / ticks_per_s, steal / ticks_per_s, total / ticks_per_s)


def parse_memory_bytes(meminfo: str, key: str) -> int | None:
    """One line of /proc/meminfo, such as ``MemAvailable``, in bytes."""
    found = re.search(rf"^{key}:\s+([0-9]{{1,15}}) kB$", meminfo, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def parse_os_name(os_release: str) -> str | None:
    """PRETTY_NAME out of the text of /etc/os-release."""
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', os_release, re.MULTILINE)
    return clean(found[1]) if found else None


def parse_temperature_c(zones: Iterable[tuple[str, str]]) -> float | None:
    """The hottest of the processor's thermal zones, of all zones where none says it is the processor's.

    ``zones``: (type, temp) as in sysfs, temp in millidegrees. What no silicon can be is left out: boards have zones
    that are not wired.
    """
    processor: list[float] = []
    others: list[float] = []
    for kind, text in zones:
        if not re.fullmatch(r"-?[0-9]{1,7}", text.strip()):
            continue
        degrees = int(text) / 1000
        if _PLAUSIBLE_C[0] < degrees < _PLAUSIBLE_C[1]:
            named = any(word in kind.lower() for word in ("cpu", "soc", "pkg", "core"))
            (processor if named else others).append(degrees)
    return max(processor or others, default=None)


def parse_throttling(text: str) -> dict[str, Any]:
    """The three ``throttl...`` facts out of ``throttled=0x50005``; None each if that is not what it says."""
    found = re.fullmatch(r"(?:throttled=)?(?:0x)?([0-9a-fA-F]{1,8})", text.strip())
    if not found:
        return {"throttled_now": None, "throttled_since_boot": None, "throttling": None}
    bits = int(found[1], 16)
    now = [word for bit, word in THROTTLING.items() if bits >> bit & 1]
    ever = [word for bit, word in THROTTLING.items() if bits >> (bit + 16) & 1]
    words = now + [f"{word} earlier" for word in ever if word not in now]
    return {"throttled_now": bool(now), "throttled_since_boot": bool(now or ever), "throttling": words}
