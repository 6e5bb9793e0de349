"""What Android reports in addition to any Linux: properties, thermal service, battery."""

from __future__ import annotations

import re

from edgekd.devices import facts as read
from edgekd.devices.facts import Facts, ThrottlingFacts

# $1: a marker that nothing on the phone can know. dumpsys gives up on a service that hangs.
SCRIPT = """exec 2>/dev/null
m=$1
for name in ro.product.manufacturer ro.product.model ro.product.cpu.abilist ro.build.version.release \
  ro.build.version.sdk ro.build.fingerprint ro.soc.manufacturer ro.soc.model ro.board.platform; do
  echo "$m $name"; getprop "$name"
done
echo "$m page"; getconf PAGE_SIZE
echo "$m low_power"; settings get global low_power
echo "$m thermal"; dumpsys -t 10 thermalservice
echo "$m battery"; dumpsys -t 10 battery
echo "$m end"
"""

# $1: a marker. How hot it is, alone.
THERMAL = """exec 2>/dev/null
echo "$1 thermal"; dumpsys -t 10 thermalservice
echo "$1 end"
"""

# Android's own scale: from moderate on, clocks are lowered. Source: PowerManager.THERMAL_STATUS_MODERATE.
THERMAL_STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
_MODERATE = 2
_CPU = 0
_LIMIT = 1 << 18


def argv(marker: str) -> list[str]:
    """The command that asks for everything."""
    return ["sh", "-c", SCRIPT, "edgekd", marker]


def parse(text: str, marker: str) -> Facts:
    """The facts in SCRIPT's output, which is parsed as untrusted input: what makes no sense is None."""
    parts: dict[str, str] = {}
    for part in text[:_LIMIT].split(f"{marker} ")[1:]:
        name, _, body = part.partition("\n")
        parts.setdefault(name.strip(), body)
    maker, model = (_word(parts, f"ro.product.{key}") for key in ("manufacturer", "model"))
    release, sdk = _word(parts, "ro.build.version.release"), _number(parts.get("ro.build.version.sdk", ""), 1, 999)
    abis = re.findall(r"[a-z0-9_-]{1,16}", parts.get("ro.product.cpu.abilist", "")[:200])
    board = model if model and maker and model.lower().startswith(maker.lower()) else f"{maker or ''} {model or ''}"
    return {
        "board": board.strip() or None,
        "os": f"Android {release}" if release else None,
        "abis": abis or None,
        "android_sdk": sdk,
        "soc": _soc(parts),
        "build": _word(parts, "ro.build.fingerprint"),
        "page_size_bytes": _number(parts.get("page", ""), 1024, 1 << 20),
        "power_save": {"0": False, "1": True}.get(parts.get("low_power", "").strip()),
        **parse_thermal(parts.get("thermal", "")),
        **parse_battery(parts.get("battery", "")),
    }


def parse_thermal_section(text: str, marker: str) -> ThrottlingFacts:
    """``throttled_now`` and the like out of THERMAL's output."""
    _, _, body = text[:_LIMIT].partition(f"{marker} thermal\n")
    return parse_thermal(body.partition(f"{marker} end")[0])


def parse_thermal(text: str) -> ThrottlingFacts:
    """``dumpsys thermalservice``: status and the hottest CPU sensor as the hardware says now, else as last heard."""
    match = re.search(r"^Thermal Status: ([0-9]{1,2})\s*$", text, re.MULTILINE)
    status = _number(match[1], 0, len(THERMAL_STATUS) - 1) if match else None
    throttled = status is not None and status >= _MODERATE
    now = re.split(r"^Current temperatures from HAL:.*$", text, maxsplit=1, flags=re.MULTILINE)
    sections = [re.split(r"^\S", part, maxsplit=1, flags=re.MULTILINE)[0] for part in now[1:]]
    sections += re.findall(r"^Cached temperatures:.*\n((?:[ \t].*\n?)*)", text, re.MULTILINE)
    hottest = [value for value in map(_hottest_cpu, sections) if value is not None]
    return {
        "thermal_status": status,
        "throttled_now": None if status is None else throttled,
        "throttling": None if status is None else [f"thermal status {THERMAL_STATUS[status]}"] if throttled else [],
        "temperature_c": hottest[0] if hottest else None,
    }


def parse_battery(text: str) -> Facts:
    """``dumpsys battery``: the level of its scale, tenths of a degree, and whether a charger is plugged in."""
    fields = dict(re.findall(r"^ {1,8}([A-Za-z ]{1,40}): {0,4}(\S{1,20})\s*$", text, re.MULTILINE))
    level, scale = _number(fields.get("level", ""), 0, 10_000), _number(fields.get("scale", ""), 1, 10_000)
    tenths = re.fullmatch(r"-?[0-9]{1,4}", fields.get("temperature", ""))
    plugged = [value == "true" for key, value in fields.items() if key.endswith(" powered")]
    return {
        "battery_percent": round(100 * level / scale) if level is not None and scale and level <= scale else None,
        "battery_temperature_c": int(tenths[0]) / 10 if tenths else None,
        "charging": any(plugged) if plugged else None,
    }


def _hottest_cpu(section: str) -> float | None:
    sensors = re.findall(r"Temperature\{mValue=(-?[0-9]{1,4}(?:\.[0-9]{1,9})?), mType=([0-9]{1,2}),", section)
    degrees = [float(value) for value, kind in sensors if int(kind) == _CPU]
    plausible = [value for value in degrees if -40.0 <= value <= 200.0 and value != 0.0]
    return round(max(plausible), 1) if plausible else None


def _soc(parts: dict[str, str]) -> str | None:
    """Manufacturer and model; before Android 12 the platform that the system was built for."""
    maker, model = (_word(parts, f"ro.soc.{key}") for key in ("manufacturer", "model"))
    names = [name for name in (maker, model) if name and name.lower() != "unknown"]
    return " ".join(names) if model in names else _word(parts, "ro.board.platform")


def _word(parts: dict[str, str], name: str) -> str | None:
    return read.one_fact(parts.get(name, "").strip()[:120])


def _number(text: str, low: int, high: int) -> int | None:
    word = text.strip()
    return int(word) if re.fullmatch("[0-9]{1,6}", word) and low <= int(word) <= high else None
