"""``host``: the machine that edgekd itself runs on."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgekd import processes, storage
from edgekd.devices import facts as read
from edgekd.devices.facts import Facts, ThrottlingFacts
from edgekd.devices.protocol import Completed, Device
from edgekd.errors import DeviceError, DeviceTimeout, UsageError
from edgekd.processes import OUTPUT_LIMIT_BYTES, decode


def open_device(address: str) -> Device:
    """The host. Raises: UsageError for ``host:anything``, which has no meaning."""
    if address != "host":
        raise UsageError(f"device address {address!r}: nothing may follow the host's name. Write: host")
    return HostDevice()


def reachable() -> tuple[str, ...]:
    """The host is always there."""
    return ("host",)


class HostDevice:
    """This machine, through subprocesses in sessions of their own."""

    @property
    def address(self) -> str:
        """Always ``host``."""
        return "host"

    @property
    def python(self) -> str:
        """The interpreter that runs edgekd."""
        return sys.executable

    def facts(self) -> Facts:
        """What this machine is and how it stands now."""
        cpuinfo, meminfo = _text("/proc/cpuinfo"), _text("/proc/meminfo")
        times = read.parse_cpu_times(_text("/proc/stat"), os.sysconf("SC_CLK_TCK"))
        throttling = read.parse_throttling(_read_throttling())
        return {
            "address": self.address,
            "board": read.one_fact(_text("/proc/device-tree/model").replace("\0", " ")),
            "cpu_model": read.parse_cpu_model(cpuinfo),
            "core_models": read.parse_core_models(cpuinfo),
            "machine": platform.machine(),
            "cores": _usable_cores(),
            "cpu_flags": read.parse_cpu_flags(cpuinfo),
            "os": read.parse_os_name(_text("/etc/os-release")) or platform.system(),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "runtimes": _runtimes(),
            "memory_total_bytes": read.parse_memory_bytes(meminfo, "MemTotal"),
            "memory_available_bytes": read.parse_memory_bytes(meminfo, "MemAvailable"),
            "governor": _governor(),
            "frequency_mhz": _clock_mhz("scaling_cur_freq") or read.parse_frequency_mhz(cpuinfo),
            "max_frequency_mhz": _clock_mhz("cpuinfo_max_freq"),
            "temperature_c": _temperature_c(),
            "thermal_status": None,
            "throttled_now": throttling["throttled_now"],
            "throttled_since_boot": throttling["throttled_since_boot"],
            "throttling": throttling["throttling"],
            "load_1min": round(os.getloadavg()[0], 2),
            "disk_free_bytes": shutil.disk_usage(tempfile.gettempdir()).free,
            "cpu_busy_s": times.busy_s if times else None,
            "cpu_steal_s": times.steal_s if times else None,
            "cpu_total_s": times.total_s if times else None,
            "time_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }

    def throttling(self) -> ThrottlingFacts:
        """How hot it is now; see ``Device``."""
        return {**read.parse_throttling(_read_throttling()), "temperature_c": _temperature_c()}

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a command to its end; the whole process group is killed at ``timeout_s``."""
        try:
            ended = processes.run(argv, timeout_s)
        except OSError as error:
            raise DeviceError(
                f"host: {argv[0]!r} cannot be started: {error.strerror}. Check that it exists and may be executed",
                address=self.address,
                argv=argv,
            ) from None
        name, stdout, stderr = Path(argv[0]).name, decode(ended.stdout), decode(ended.stderr)
        if ended.killed == "late":
            raise DeviceTimeout(
                f"host: {name} did not end within {timeout_s:g} s and was killed. Allow more time",
                address=self.address,
                argv=argv,
                stdout=stdout,
                stderr=stderr,
            )
        if ended.killed == "too much":
            raise DeviceError(
                f"host: {name} wrote more than {OUTPUT_LIMIT_BYTES >> 20} MiB of output and was killed. "
                "Find out what it prints: run it by hand",
                address=self.address,
                argv=argv,
            )
        return Completed(ended.status, stdout, stderr)

    def push(self, local: str | os.PathLike[str], remote: str) -> None:
        """Copy ``local`` to ``remote``, both on this machine."""
        self._copy(Path(local), Path(remote), "push")

    def pull(self, remote: str, local: str | os.PathLike[str]) -> None:
        """Copy ``remote`` to ``local``, both on this machine."""
        self._copy(Path(remote), Path(local), "pull")

    @contextlib.contextmanager
    def workspace(self) -> Iterator[str]:
        """A temporary folder under $TMPDIR, readable by this user alone."""
        try:
            folder = tempfile.mkdtemp(prefix="edgekd-")
        except OSError as error:
            raise DeviceError(
                f"host: no workspace can be made under {tempfile.gettempdir()}: {error.strerror}. Set TMPDIR",
                address=self.address,
            ) from None
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _copy(self, source: Path, destination: Path, verb: str) -> None:
        try:
            with storage.replacing(destination) as temporary:
                shutil.copyfile(source, temporary)
        except OSError as error:
            raise DeviceError(
                f"host: cannot {verb} {source} to {destination}: {error.strerror}. Check the path and the free space",
                address=self.address,
                argv=(verb, str(source), str(destination)),
            ) from None


def _text(path: str) -> str:
    """A file of /proc, /sys or /etc, empty where this machine has none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _usable_cores() -> int:
    # A container or taskset may leave fewer than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _governor() -> str | None:
    names = dict.fromkeys(_text(str(path)).strip() for path in _cpufreq("scaling_governor"))
    return ", ".join(name for name in names if name) or None


def _cpufreq(name: str) -> list[Path]:
    return sorted(Path("/sys/devices/system/cpu").glob(f"cpu[0-9]*/cpufreq/{name}"))


def _clock_mhz(name: str) -> float | None:
    """The highest of all cores."""
    values = (read.parse_khz(_text(str(path))) for path in _cpufreq(name))
    return max((value for value in values if value), default=None)


def _temperature_c() -> float | None:
    zones = Path("/sys/class/thermal").glob("thermal_zone*")
    return read.parse_temperature_c((_text(str(zone / "type")), _text(str(zone / "temp"))) for zone in zones)


def _read_throttling() -> str:
    """What a Raspberry Pi's firmware reports; empty on anything else."""
    command = shutil.which("vcgencmd")
    if command is None:
        return ""
    try:
        return decode(processes.run([command, "get_throttled"], 5).stdout)
    except OSError:
        return ""


def _runtimes() -> dict[str, str]:
    """Versions by the installed packages' metadata: nothing is imported."""
    versions = {}
    for name in read.RUNTIMES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
