"""Names of ARM cores by the numbers in /proc/cpuinfo, which on arm64 holds nothing else.

Source: util-linux's lscpu-arm.c and the kernel's arch/arm64/include/asm/cputype.h, which agree where both have a core.
"""

from __future__ import annotations

import re

ARM = "0x41"
# By implementer and part: the cores of boards, phones, servers and laptops that people have.
_PARTS = {
    ARM: {
        "0xb76": "ARM1176", "0xc05": "Cortex-A5", "0xc07": "Cortex-A7", "0xc08": "Cortex-A8", "0xc09": "Cortex-A9",
        "0xc0d": "Cortex-A12", "0xc0e": "Cortex-A17", "0xc0f": "Cortex-A15", "0xd01": "Cortex-A32",
        "0xd02": "Cortex-A34", "0xd03": "Cortex-A53", "0xd04": "Cortex-A35", "0xd05": "Cortex-A55",
        "0xd06": "Cortex-A65", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72", "0xd09": "Cortex-A73",
        "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76", "0xd0c": "Neoverse-N1", "0xd0d": "Cortex-A77",
        "0xd0e": "Cortex-A76AE", "0xd40": "Neoverse-V1", "0xd41": "Cortex-A78", "0xd42": "Cortex-A78AE",
        "0xd43": "Cortex-A65AE", "0xd44": "Cortex-X1", "0xd46": "Cortex-A510", "0xd47": "Cortex-A710",
        "0xd48": "Cortex-X2", "0xd49": "Neoverse-N2", "0xd4a": "Neoverse-E1", "0xd4b": "Cortex-A78C",
        "0xd4c": "Cortex-X1C", "0xd4d": "Cortex-A715", "0xd4e": "Cortex-X3", "0xd4f": "Neoverse-V2",
        "0xd80": "Cortex-A520", "0xd81": "Cortex-A720", "0xd82": "Cortex-X4", "0xd83": "Neoverse-V3AE",
        "0xd84": "Neoverse-V3", "0xd85": "Cortex-X925", "0xd87": "Cortex-A725", "0xd88": "Cortex-A520AE",
        "0xd89": "Cortex-A720AE", "0xd8a": "C1-Nano", "0xd8b": "C1-Pro", "0xd8c": "C1-Ultra", "0xd8e": "Neoverse-N3",
        "0xd8f": "Cortex-A320", "0xd90": "C1-Premium",
    },
    "0x46": {"0x001": "A64FX", "0x003": "Monaka"},
    "0x48": {
        "0xd01": "TaiShan-v110", "0xd02": "TaiShan-v120", "0xd40": "Cortex-A76 (HiSilicon)",
        "0xd41": "Cortex-A77 (HiSilicon)",
    },
    "0x4e": {"0x000": "Denver", "0x003": "Denver-2", "0x004": "Carmel", "0x010": "Olympus"},
    "0x51": {
        "0x001": "Oryon", "0x002": "Oryon-2", "0x06f": "Krait", "0x201": "Kryo", "0x205": "Kryo", "0x211": "Kryo",
        "0x800": "Kryo-2xx-Gold", "0x801": "Kryo-2xx-Silver", "0x802": "Kryo-3xx-Gold", "0x803": "Kryo-3xx-Silver",
        "0x804": "Kryo-4xx-Gold", "0x805": "Kryo-4xx-Silver", "0xc00": "Falkor", "0xc01": "Saphira",
    },
    "0x53": {"0x001": "Exynos-M1", "0x002": "Exynos-M3", "0x003": "Exynos-M4", "0x004": "Exynos-M5"},
    "0x61": {
        "0x020": "Icestorm (A14)", "0x021": "Firestorm (A14)", "0x022": "Icestorm (M1)", "0x023": "Firestorm (M1)",
        "0x024": "Icestorm (M1 Pro)", "0x025": "Firestorm (M1 Pro)", "0x028": "Icestorm (M1 Max)",
        "0x029": "Firestorm (M1 Max)", "0x030": "Blizzard (A15)", "0x031": "Avalanche (A15)", "0x032": "Blizzard (M2)",
        "0x033": "Avalanche (M2)", "0x034": "Blizzard (M2 Pro)", "0x035": "Avalanche (M2 Pro)",
        "0x038": "Blizzard (M2 Max)", "0x039": "Avalanche (M2 Max)",
    },
    "0x6d": {"0xd49": "Azure-Cobalt-100"},
    "0xc0": {"0xac3": "AmpereOne", "0xac4": "AmpereOne-A", "0xac5": "AmpereOne-B"},
}  # fmt: skip
_CORES_LIMIT = 1024
_LINE = re.compile(
    r"^(processor|CPU implementer|CPU part)[ \t]*:[ \t]*([0-9]{1,4}|0x[0-9a-f]{1,4})$", re.MULTILINE | re.IGNORECASE
)


def core_names(cpuinfo: str) -> dict[int, str]:
    """The name of each processor that /proc/cpuinfo lists with a part, its number where no name is known.

    Processors that are asleep are not listed. Empty on other machines than ARM's.
    """
    names: dict[int, str] = {}
    processor, implementer, is_new = 0, ARM, True
    for key, value in _LINE.findall(cpuinfo)[: 3 * _CORES_LIMIT]:
        word = value.lower()
        if key == "processor":
            processor, implementer, is_new = (int(word) if word.isdigit() else processor), ARM, True
        elif key == "CPU implementer":
            implementer = word
        else:
            # Some kernels list parts without processors.
            processor += 0 if is_new else 1
            is_new = False
            names[processor] = _PARTS.get(implementer, {}).get(word, word)
    return names


def is_known(name: str) -> bool:
    """Whether that is a name and not a number."""
    return not name.startswith("0x")
