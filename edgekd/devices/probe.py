"""The questions to any Linux-like device, as constant shell texts, and parsing its answers.

Nothing of the user or of the device ever becomes part of these texts: what varies is passed as arguments. They run
under dash, bash, busybox's ash and Android's mksh. What a device answers is parsed as untrusted input: sizes are
limited, numbers checked, control characters escaped, and what makes no sense becomes None.
"""

from __future__ import annotations

import datetime
import json
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgekd.devices import facts as read
from edgekd.devices.facts import Facts, ThrottlingFacts
from edgekd.devices.protocol import Completed
from edgekd.errors import DeviceError

Run = Callable[[Sequence[str], float], Completed]

# $1: a marker that no file on the device can know; $2: the folder whose free space is asked for, may be empty.
SCRIPT = """exec 2>/dev/null
export LC_ALL=C
m=$1
at() { echo "$m $1"; }
at cpuinfo; cat /proc/cpuinfo
at meminfo; cat /proc/meminfo
at stat; read -r line < /proc/stat && echo "$line"
at loadavg; read -r line < /proc/loadavg && echo "$line"
at os_release; cat /etc/os-release
at uname; uname -rm
unset OMP_NUM_THREADS OMP_THREAD_LIMIT # nproc would print them instead of the cores
at nproc; nproc
at cpufreq; cd /sys/devices/system/cpu && grep . cpu[0-9]*/cpufreq/scaling_governor \
  cpu[0-9]*/cpufreq/scaling_cur_freq cpu[0-9]*/cpufreq/cpuinfo_max_freq /dev/null
at thermal; cd /sys/class/thermal && grep . thermal_zone*/type thermal_zone*/temp /dev/null
at df; df -Pk "${2:-${TMPDIR:-/tmp}}"
at model; cat /proc/device-tree/model && echo
at throttled; vcgencmd get_throttled || cat /sys/devices/platform/soc/soc:firmware/get_throttled
at ticks; getconf CLK_TCK
at date; date -u +%Y-%m-%dT%H:%M:%S+00:00
at end
exit 0
"""

# The part of it that changes while a model is measured: $1 a marker.
THROTTLING = """exec 2>/dev/null
export LC_ALL=C
m=$1
at() { echo "$m $1"; }
at thermal; cd /sys/class/thermal && grep . thermal_zone*/type thermal_zone*/temp /dev/null
at throttled; vcgencmd get_throttled || cat /sys/devices/platform/soc/soc:firmware/get_throttled
at end
exit 0
"""

# argv: names of packages. What an interpreter is and has, without importing any of them.
INTERPRETER = """import importlib.util, json, platform, struct, sys
try:
    from importlib import metadata
except ImportError:
    metadata = None
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except Exception:
        pass
print(json.dumps({"edgekd": 1, "python": platform.python_version(), "runtimes": found,
    "bits": struct.calcsize("P") * 8, "machine": platform.machine(), "libc": list(platform.libc_ver()),
    "modules": [name for name in ("venv", "ensurepip", "pip")
                if getattr(importlib.util.find_spec(name), "origin", None)]}))
"""

# $1: a marker for the last line of stderr; the rest is the command. Runs it until it ends, or until stdin closes,
# which is how the device notices a lost or killed client: then everything in the process group is killed.
SUPERVISOR = """m=$1; shift
if ! command -v "$1" >/dev/null 2>&1; then echo "$m absent" >&2; exit 127; fi
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
( exec >/dev/null 2>&1; while read -r line <&3; do :; done; kill -9 0 ) &
watch=$!
exec 3<&-
wait "$child"; status=$?
kill -9 "$watch" 2>/dev/null
echo "$m $status" >&2
exit 0
"""

_SECTION_LIMIT = 1 << 20
_REPLY_LIMIT = 1 << 23
_VERSION = re.compile(r"[0-9A-Za-z.+!_-]{1,40}")


def new_marker() -> str:
    """A word that nothing on the device can know beforehand."""
    return f"edgekd-{secrets.token_hex(12)}"


def argv(marker: str, folder: str = "") -> list[str]:
    """The command that asks for everything; ``folder`` is whose free space is meant."""
    return ["sh", "-c", SCRIPT, "edgekd", marker, folder]


def supervise(command: Sequence[str], marker: str) -> list[str]:
    """``command`` under SUPERVISOR: to be started with a stdin that stays open for as long as it may run."""
    return ["sh", "-c", SUPERVISOR, "edgekd", marker, *command]


def split_status(stderr: str, marker: str) -> tuple[str, str | None]:
    """(the command's own stderr, the status that SUPERVISOR reports); "absent" if the command does not exist there.

    The status is None where the supervisor reported none: the command was cut off.
    """
    messages, separator, status = stderr.rpartition(f"{marker} ")
    return (messages, status.strip()) if separator else (stderr, None)


def parse(text: str, marker: str) -> Facts:
    """The facts in SCRIPT's output; what is missing or makes no sense is None.

    Raises: DeviceError if it has no marker: something other than the script answered.
    """
    parts = _sections(text[:_REPLY_LIMIT], marker)
    if not parts:
        reply = read.one_fact(text[:400])
        raise DeviceError(
            f"the device answered with something that is not its facts: '{reply or ''}'. "
            "Check that it runs commands in a POSIX shell",
            stdout=text[:4096],
        )
    get = parts.get
    cpuinfo, meminfo = get("cpuinfo", ""), get("meminfo", "")
    kernel, _, machine = get("uname", "").strip().partition(" ")
    clocks = _parse_clocks(get("cpufreq", ""))
    throttling = read.parse_throttling(get("throttled", ""))
    times = read.parse_cpu_times(get("stat", ""), _int(get("ticks", ""), 1, 1_000_000) or 100)
    return {
        "board": read.one_fact(get("model", "").replace("\0", " ")),
        "cpu_model": read.parse_cpu_model(cpuinfo),
        "core_models": read.parse_core_models(cpuinfo),
        "machine": read.one_fact(machine),
        "cores": _int(get("nproc", ""), 1, 4096) or read.parse_cores(cpuinfo),
        "cpu_flags": read.parse_cpu_flags(cpuinfo),
        "os": read.parse_os_name(get("os_release", "")),
        "kernel": read.one_fact(kernel),
        "memory_total_bytes": read.parse_memory_bytes(meminfo, "MemTotal"),
        "memory_available_bytes": read.parse_memory_bytes(meminfo, "MemAvailable"),
        "governor": _governor(clocks),
        "frequency_mhz": _fastest(clocks, "scaling_cur_freq") or read.parse_frequency_mhz(cpuinfo),
        "max_frequency_mhz": _fastest(clocks, "cpuinfo_max_freq"),
        "temperature_c": read.parse_temperature_c(_zones(get("thermal", ""))),
        "load_1min": _load(get("loadavg", "")),
        "disk_free_bytes": parse_df_bytes(get("df", "")),
        "cpu_busy_s": times.busy_s if times else None,
        "cpu_steal_s": times.steal_s if times else None,
        "cpu_total_s": times.total_s if times else None,
        "time_utc": _time(get("date", "")),
        "thermal_status": None,
        "throttled_now": throttling["throttled_now"],
        "throttled_since_boot": throttling["throttled_since_boot"],
        "throttling": throttling["throttling"],
    }


def read_throttling(run: Run, timeout_s: float = 60.0) -> ThrottlingFacts:
    """Temperature and throttling of a device that ``run`` reaches; see ``Device``. Raises: DeviceError."""
    marker = new_marker()
    parts = _sections(run(["sh", "-c", THROTTLING, "edgekd", marker], timeout_s).stdout[:_REPLY_LIMIT], marker)
    temperature_c = read.parse_temperature_c(_zones(parts.get("thermal", "")))
    return {**read.parse_throttling(parts.get("throttled", "")), "temperature_c": temperature_c}


@dataclass(frozen=True)
class Interpreter:
    """What a device's Python is: its version, its runtimes and their versions, and what wheels must fit.

    ``libc`` is its name and version, both empty where it is not known; ``modules`` those of venv, ensurepip and pip
    that it has; ``bits`` 32 or 64.
    """

    python: str | None
    runtimes: dict[str, str]
    bits: int | None
    machine: str | None
    libc: tuple[str, ...]
    modules: tuple[str, ...]


def parse_interpreter(stdout: str) -> Interpreter | None:
    """INTERPRETER's reply in its output, None without one; values in it that make no sense are None or empty."""
    for line in reversed(stdout[-65536:].splitlines()):
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(reply, dict) and reply.get("edgekd") == 1:
            runtimes = reply.get("runtimes")
            versions = {
                name: _version(version) for name, version in (runtimes.items() if isinstance(runtimes, dict) else ())
            }
            return Interpreter(
                python=_version(reply.get("python")),
                runtimes={name: version for name, version in versions.items() if name in read.RUNTIMES and version},
                bits=reply.get("bits") if reply.get("bits") in (32, 64) else None,
                machine=read.one_fact(str(reply.get("machine"))),
                libc=_words(reply.get("libc")),
                modules=_words(reply.get("modules")),
            )
    return None


def collect(run: Run, python: str | None, folder: str = "", timeout_s: float = 60.0) -> Facts:
    """Every fact of a device that ``run`` reaches, without its address; ``python`` is None where it has none.

    Raises: DeviceError, also where the reply is not the script's.
    """
    marker = new_marker()
    facts = parse(run(argv(marker, folder), timeout_s).stdout, marker)
    interpreter = None
    if python is not None:
        done = run([python, "-c", INTERPRETER, *read.RUNTIMES], timeout_s)
        interpreter = parse_interpreter(done.stdout) if done.status == 0 else None
    return {
        **facts,
        "python": interpreter.python if interpreter else None,
        "runtimes": interpreter.runtimes if interpreter else {},
    }


def parse_df_bytes(text: str) -> int | None:
    """Free bytes out of ``df -Pk``: the fourth field of its second line."""
    match = re.search(r"^.*?\s[0-9]+\s+[0-9]+\s+([0-9]{1,15})\s+(?:[0-9]+%|-)\s", text[:4096], re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _sections(text: str, marker: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.split(f"{marker} ")[1:]:
        name, _, body = part.partition("\n")
        parts.setdefault(name.strip()[:32], body[:_SECTION_LIMIT])
    return parts


def _parse_clocks(text: str) -> list[tuple[str, str, str]]:
    """(cpu, what, value) of lines like ``cpu0/cpufreq/scaling_governor:ondemand``."""
    return re.findall(r"^(cpu[0-9]{1,4})/cpufreq/([a-z_]{1,32}):(.{1,64})$", text, re.MULTILINE)


def _governor(clocks: list[tuple[str, str, str]]) -> str | None:
    names = dict.fromkeys(read.one_fact(value) or "" for _, what, value in clocks if what == "scaling_governor")
    return read.one_fact(", ".join(name for name in names if name))


def _fastest(clocks: list[tuple[str, str, str]], what: str) -> float | None:
    values = (read.parse_khz(value) for _, kind, value in clocks if kind == what)
    return max((value for value in values if value), default=None)


def _zones(text: str) -> list[tuple[str, str]]:
    kinds = dict(re.findall(r"^(thermal_zone[0-9]{1,4})/type:(.{1,64})$", text, re.MULTILINE))
    temps = re.findall(r"^(thermal_zone[0-9]{1,4})/temp:(.{1,32})$", text, re.MULTILINE)
    return [(kinds.get(zone, ""), temp) for zone, temp in temps]


def _int(text: str, low: int, high: int) -> int | None:
    word = text.strip()
    return int(word) if re.fullmatch("[0-9]{1,9}", word) and low <= int(word) <= high else None


def _load(text: str) -> float | None:
    match = re.match(r"([0-9]{1,6}\.[0-9]{1,3})\s", text)
    return float(match[1]) if match else None


def _time(text: str) -> str | None:
    word = text.strip()
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+00:00", word):
        return None
    try:
        return datetime.datetime.fromisoformat(word).isoformat(timespec="seconds")
    except ValueError:
        return None


def _version(value: object) -> str | None:
    return value if isinstance(value, str) and _VERSION.fullmatch(value) else None


def _words(value: object) -> tuple[str, ...]:
    return tuple(word[:40] for word in value[:8] if isinstance(word, str)) if isinstance(value, list) else ()
