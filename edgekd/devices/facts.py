"""What is known of a device, and reading Linux's own account of it: pure functions of text, for any transport."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict

from edgekd.devices import arm_parts
from edgekd.text import one_line

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
# What a device is set up with: the runtimes, their arrays, and what decodes photos that are timed from end to end.
RUNTIMES = ("ai-edge-litert", "onnxruntime", "numpy", "pillow")

# Bits of `vcgencmd get_throttled`; the same 16 places up: has happened since boot.
# Source: Raspberry Pi documentation, "vcgencmd", get_throttled.
THROTTLING = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}

# Digits of any real counter; more is junk that int() would choke on.
_COUNT = "[0-9]{1,19}"
_TEXT_LIMIT = 120
_PLAUSIBLE_C = (-60.0, 200.0)


class ThrottlingFacts(TypedDict, total=False):
    """How hot a device is and whether it lowers its clocks; None where it does not report it.

    ``throttling`` holds words of ``THROTTLING``, those with " earlier" behind them since boot but not now. The first
    three come from a Raspberry Pi's firmware, or from Android's thermal service, as does ``thermal_status`` (0 none,
    1 light, 2 moderate, 3 severe, 4 critical, 5 emergency, 6 shutdown).
    """

    throttled_now: bool | None
    throttled_since_boot: bool | None
    throttling: list[str] | None
    temperature_c: float | None
    thermal_status: int | None


class Facts(ThrottlingFacts, total=False):
    """What a device is and how it stands now, as JSON-able values; None where it does not report it.

    Clocks are those of the fastest core. The three ``cpu_*_s`` are sums over all cores since boot: only differences
    mean anything.
    """

    address: str
    # What it is; ``board`` is the device tree's model, such as "Raspberry Pi 5 Model B Rev 1.0".
    board: str | None
    cpu_model: str | None
    # Kinds of ARM core by the number of the processor, as text; those that sleep are not listed.
    core_models: dict[str, str] | None
    machine: str | None
    cores: int | None
    cpu_flags: list[str]
    max_frequency_mhz: float | None
    os: str | None
    kernel: str | None
    python: str | None
    runtimes: dict[str, str]
    memory_total_bytes: int | None
    # How it stands now.
    governor: str | None
    frequency_mhz: float | None
    load_1min: float | None
    memory_available_bytes: int | None
    disk_free_bytes: int | None
    cpu_busy_s: float | None
    cpu_steal_s: float | None
    cpu_total_s: float | None
    time_utc: str | None
    # Android alone.
    abis: list[str] | None
    android_sdk: int | None
    battery_percent: int | None
    battery_temperature_c: float | None
    charging: bool | None
    # ``build`` is the fingerprint of the system; the last two are what a measurement asked for and got.
    soc: str | None
    build: str | None
    page_size_bytes: int | None
    power_save: bool | None
    fixed_performance: bool
    screen_kept_on: bool
    # Emulated cores alone.
    emulated: bool
    emulator: str
    fixed_addresses: bool
    counter_sha256: str


@dataclass(frozen=True)
class CpuTimes:
    """Seconds over all cores since boot: at work, taken by the hypervisor, and in all."""

    busy_s: float
    steal_s: float
    total_s: float


def one_fact(text: str) -> str | None:
    """A device's text as a fact: one printable line of at most 120 characters, None where it is empty."""
    # Cut again: what is escaped is up to ten times as long.
    return one_line(text, _TEXT_LIMIT)[:_TEXT_LIMIT] or None


def parse_cpu_model(cpuinfo: str) -> str | None:
    """The CPU's name out of the text of /proc/cpuinfo; its kinds of core joined by " + " where it has several."""
    name = re.search(r"^model name[ \t]*:(.+)$", cpuinfo, re.MULTILINE)
    if name:
        return one_fact(name[1])
    cores = list(dict.fromkeys(arm_parts.core_names(cpuinfo).values()))
    if any(map(arm_parts.is_known, cores)):
        return " + ".join(cores[:8])
    chip = re.search(r"^Hardware[ \t]*:(.+)$", cpuinfo, re.MULTILINE)
    return one_fact(chip[1]) if chip else next(iter(cores), None)


def parse_core_models(cpuinfo: str) -> dict[str, str] | None:
    """The name of each ARM core by its number, as text, out of the text of /proc/cpuinfo."""
    return {str(number): name for number, name in arm_parts.core_names(cpuinfo).items()} or None


def parse_cpu_flags(cpuinfo: str) -> list[str]:
    """The flags that change which kernels run, sorted, out of the text of /proc/cpuinfo."""
    match = re.search(r"^(?:flags|Features)[ \t]*:(.+)$", cpuinfo, re.MULTILINE)
    return sorted(FLAGS_OF_INTEREST.intersection(match[1].split())) if match else []


def parse_cores(cpuinfo: str) -> int | None:
    """How many processors /proc/cpuinfo lists."""
    return len(re.findall(r"^processor[ \t]*:", cpuinfo, re.MULTILINE)) or None


def parse_frequency_mhz(cpuinfo: str) -> float | None:
    """Mean of the ``cpu MHz`` lines of /proc/cpuinfo (x86 only)."""
    clocks = re.findall(r"^cpu MHz[ \t]*:[ \t]*([0-9]{1,6}(?:\.[0-9]{1,6})?)$", cpuinfo, re.MULTILINE)
    values = [float(clock) for clock in clocks]
    return round(sum(values) / len(values), 1) if values else None


def parse_khz(value: str) -> float | None:
    """A clock of cpufreq, kHz in sysfs, in MHz."""
    return int(value) / 1000 if re.fullmatch(r"[0-9]{1,9}", value.strip()) else None


def parse_cpu_times(stat: str, ticks_per_s: int) -> CpuTimes | None:
    """The first line of /proc/stat. Source: proc_stat(5)."""
    match = re.match(rf"cpu((?: +{_COUNT}){{8}})", stat)
    if not match:
        return None
    user, nice, system, idle, iowait, irq, softirq, steal = (int(field) for field in match[1].split())
    busy = user + nice + system + irq + softirq
    total = busy + idle + iowait + steal
    return CpuTimes(busy / ticks_per_s, steal / ticks_per_s, total / ticks_per_s)


def parse_memory_bytes(meminfo: str, key: str) -> int | None:
    """One line of /proc/meminfo, such as ``MemAvailable``, in bytes."""
    match = re.search(rf"^{key}:\s+([0-9]{{1,15}}) kB$", meminfo, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def parse_os_name(os_release: str) -> str | None:
    """PRETTY_NAME out of the text of /etc/os-release."""
    match = re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', os_release, re.MULTILINE)
    return one_fact(match[1]) if match else None


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


def parse_throttling(text: str) -> ThrottlingFacts:
    """The three ``throttl...`` facts out of ``throttled=0x50005``; None each where the text is something else."""
    match = re.fullmatch(r"(?:throttled=)?(?:0x)?([0-9a-fA-F]{1,8})", text.strip())
    if not match:
        return {"throttled_now": None, "throttled_since_boot": None, "throttling": None}
    bits = int(match[1], 16)
    now = [word for bit, word in THROTTLING.items() if bits >> bit & 1]
    ever = [word for bit, word in THROTTLING.items() if bits >> (bit + 16) & 1]
    words = now + [f"{word} earlier" for word in ever if word not in now]
    return {"throttled_now": bool(now), "throttled_since_boot": bool(now or ever), "throttling": words}
