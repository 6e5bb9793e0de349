from __future__ import annotations

import pytest

from edgekd.devices import facts

# Captured on a Raspberry Pi 5 and on a cloud machine, shortened.
PI5 = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd0b
"""
X86 = """processor\t: 0
model name\t: AMD EPYC 9R14
cpu MHz\t\t: 2600.000
flags\t\t: fpu vme avx2 avx512f avx512_vnni ssse3
processor\t: 1
cpu MHz\t\t: 3700.000
"""


def test_cpuinfo() -> None:
    assert facts.parse_cpu_model(PI5) == "Cortex-A76"
    assert facts.parse_cpu_model(X86) == "AMD EPYC 9R14"
    assert facts.parse_cpu_model("") is None
    assert facts.parse_cpu_flags(PI5) == ["asimd", "asimddp", "asimdhp"]
    assert facts.parse_cpu_flags(X86) == ["avx2", "avx512_vnni", "avx512f"]
    assert facts.parse_frequency_mhz(X86) == 3150.0
    assert facts.parse_frequency_mhz(PI5) is None


def test_proc_stat_leaves_guest_time_out() -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice; guest is already in user.
    times = facts.parse_cpu_times("cpu  100 20 30 800 10 5 5 30 40 0\ncpu0 1 2 3\n", ticks_per_s=100)
    assert times == facts.CpuTimes(busy_s=1.6, steal_s=0.3, total_s=10.0)
    assert facts.parse_cpu_times("", 100) is None
    assert facts.parse_cpu_times("cpu  1 2 3\n", 100) is None


def test_two_kinds_of_core_are_both_named() -> None:
    assert (
        facts.parse_cpu_model("CPU part\t: 0xd05\nCPU part\t: 0xd05\nCPU part\t: 0xd41\n") == "Cortex-A55 + Cortex-A78"
    )
    # 32-bit kernels name the chip family of the first Pi on every later one.
    assert facts.parse_cpu_model("CPU part\t: 0xd08\nHardware\t: BCM2835\n") == "Cortex-A72"
    assert facts.parse_cpu_model("CPU part\t: 0x804\nHardware\t: Qualcomm SM8150\n") == "Qualcomm SM8150"


def test_throttling_bits() -> None:
    # Bits 0 and 2 now, 16 and 18 since boot: the example of Raspberry Pi's documentation.
    assert facts.parse_throttling("throttled=0x50005\n") == {
        "throttled_now": True,
        "throttled_since_boot": True,
        "throttling": ["under-voltage", "throttled"],
    }
    assert facts.parse_throttling("throttled=0xe0000")["throttling"] == [
        "frequency capped earlier",
        "throttled earlier",
        "soft temperature limit earlier",
    ]
    assert facts.parse_throttling("throttled=0x0") == {
        "throttled_now": False,
        "throttled_since_boot": False,
        "throttling": [],
    }
    assert facts.parse_throttling("VCHI initialization failed")["throttled_now"] is None


def test_the_processors_zone_counts_and_unwired_ones_do_not() -> None:
    assert facts.parse_temperature_c([("battery", "41000"), ("cpu-thermal", "48312\n")]) == 48.312
    assert facts.parse_temperature_c([("a", "41000"), ("b", "43000"), ("c", "-273000"), ("d", "9999999")]) == 43.0
    assert facts.parse_temperature_c([("cpu", "x"), ("cpu", ""), ("cpu", "9" * 5000)]) is None


def test_memory_and_os() -> None:
    meminfo = "MemTotal:        8245120 kB\nMemAvailable:    7000000 kB\n"
    assert facts.parse_memory_bytes(meminfo, "MemAvailable") == 7_168_000_000
    assert facts.parse_memory_bytes(meminfo, "Absent") is None
    release = 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'
    assert facts.parse_os_name(release) == "Debian GNU/Linux 13 (trixie)"


def phone_cpuinfo(*cores: tuple[str, str]) -> str:
    rows = (
        f"processor\t: {k}\nBogoMIPS\t: 49.15\nCPU implementer\t: {implementer}\n"
        f"CPU architecture: 8\nCPU part\t: {part}\n"
        for k, (implementer, part) in enumerate(cores)
    )
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("cores", "name"),
    [
        ([("0x41", "0xd80"), ("0x41", "0xd81"), ("0x41", "0xd82")], "Cortex-A520 + Cortex-A720 + Cortex-X4"),
        ([("0x41", "0xd87"), ("0x41", "0xd85")], "Cortex-A725 + Cortex-X925"),
        ([("0x41", "0xd8a"), ("0x41", "0xd8b"), ("0x41", "0xd90"), ("0x41", "0xd8c")],
         "C1-Nano + C1-Pro + C1-Premium + C1-Ultra"),
        ([("0x51", "0x002")] * 2 + [("0x51", "0x001")], "Oryon-2 + Oryon"),
        ([("0x51", "0x805"), ("0x51", "0x804")], "Kryo-4xx-Silver + Kryo-4xx-Gold"),
        ([("0x41", "0xd84"), ("0x41", "0xd8e")], "Neoverse-V3 + Neoverse-N3"),
        ([("0x61", "0x032"), ("0x61", "0x033")], "Blizzard (M2) + Avalanche (M2)"),
        # The same number is another core by another maker, and one that nobody knows stays a number.
        ([("0x48", "0xd40"), ("0x41", "0xd40"), ("0x41", "0xfff")], "Cortex-A76 (HiSilicon) + Neoverse-V1 + 0xfff"),
    ],
)  # fmt: skip
def test_the_cores_of_phones_have_names(cores: list[tuple[str, str]], name: str) -> None:
    assert facts.parse_cpu_model(phone_cpuinfo(*cores)) == name


def test_each_core_by_its_number() -> None:
    listed = phone_cpuinfo(("0x41", "0xd80"), ("0x41", "0xd82")).replace("processor\t: 1", "processor\t: 7")
    assert facts.parse_core_models(listed) == {"0": "Cortex-A520", "7": "Cortex-X4"}
    assert facts.parse_core_models(X86) is None
