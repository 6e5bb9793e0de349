"""Devices whose power is known: a virtual clock, a trace of power, and what each source would show of it.

A ``SimulatedDevice`` answers the commands of an energy measurement without waiting: its clock moves when a launch runs
or a rest is slept through. At the end the real sampler's shell text runs over the trace: its ``sleep`` moves the clock,
its files are a tree as the kernel has it, ``vcgencmd`` and Android's services are stand-ins that print what boards and
phones print. What is simulated is the device, and neither the sampler nor what reads it. (``shell=False`` writes what
the sampler would have written, which is ten times faster: for many repetitions.)
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.energy import sampler
from edgekd.devices.protocol import Completed

Source = Literal["powercap", "pmic", "battery", "rails", "meter", "none"]

GRID_S = 0.002
BOOT_S = 5000.0
# Loading and warming up before a block, and what is left of the process after it.
LOAD_S, END_S = 1.3, 0.2
# How long the sampler takes for a reading.
READING_S = 0.004
PMIC_RAILS = {"3V7_WL_SW": 3.70, "3V3_SYS": 3.31, "1V8_SYS": 1.80, "DDR_VDD2": 1.10, "0V8_SW": 0.80, "VDD_CORE": 0.86}
# The share of the whole that each rail has; the rest is VDD_CORE's.
PMIC_SHARES = {"3V7_WL_SW": 0.05, "3V3_SYS": 0.08, "1V8_SYS": 0.10, "DDR_VDD2": 0.04, "0V8_SW": 0.09}
PRELUDE = """exec 8>"$TO" 9<"$FROM"
sleep() { echo "$1" >&8; read -r go <&9; }
show() { while read -r line; do echo "$line"; done <"$FRAME"; }
vcgencmd() { show; }
sh() { show; }
"""


@dataclass(frozen=True)
class File:
    """One file to measure: how long an inference takes, and how much more power the device takes meanwhile."""

    name: str
    latency_s: float
    watts: float

    @property
    def joules(self) -> float:
        """The truth: energy of one inference."""
        return self.latency_s * self.watts


@dataclass(frozen=True)
class Power:
    """What the device takes, and how its source shows it.

    ``noise_w`` is the sensor's own noise (standard deviation of a reading), ``wander_w`` that of the idle level over
    seconds, ``drift_w`` how much more it takes at the end. ``update_s`` is how often the sensor has something new,
    ``step`` the finest step it shows (joules of a counter, watts else).
    """

    source: Source
    idle_w: float = 2.5
    noise_w: float = 0.0
    wander_w: float = 0.0
    drift_w: float = 0.0
    update_s: float = 0.0
    step: float = 0.0
    range_uj: int = 262_143_328_850
    status: str = "Discharging"
    readable: bool = True
    milliamps: bool = False
    bursts: tuple[tuple[float, float, float], ...] = ()
    seed: int = 0


@dataclass
class Trace:
    """Power on a fine grid of time, once everything has happened."""

    start_s: float
    watts: NDArray[np.float64]
    joules: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.joules = np.concatenate(([0.0], np.cumsum(self.watts) * GRID_S))

    def energy(self, time_s: float) -> float:
        """Joules since the trace's start."""
        place = (time_s - self.start_s) / GRID_S
        index = min(max(0, int(place)), len(self.joules) - 2)
        return float(self.joules[index] + (place - index) * (self.joules[index + 1] - self.joules[index]))

    def power(self, time_s: float) -> float:
        """Watts at that moment."""
        return float(self.watts[min(max(0, int((time_s - self.start_s) / GRID_S)), len(self.watts) - 1)])


class SimulatedDevice:
    """A ``Device`` (see edgekd.devices.protocol) of known power, and the ``Agent`` that launches on it."""

    python = "python3"
    name = "simulated"
    formats: tuple[str, ...] = ("tflite",)

    def __init__(
        self, power: Power, files: Sequence[File], folder: Path, address: str = "host", shell: bool = True
    ) -> None:
        self.power, self.files, self.address, self.folder = power, tuple(files), address, folder
        self.shell = shell
        self.now_s, self.start_s = BOOT_S, BOOT_S
        self.content: dict[str, bytes] = {}
        self._runs: list[tuple[float, float, float, float, float]] = []
        self._stopped = threading.Event()
        self._tree, self._bin = folder / "tree", folder / "bin"
        self._bin.mkdir(parents=True, exist_ok=True)
        self.make_tree()

    def facts(self) -> dict[str, Any]:
        """Four cores."""
        return {"address": self.address, "cores": 4}

    def sleep(self, seconds: float) -> None:
        """Rest for so long."""
        self.now_s += seconds

    def push(self, local: str | os.PathLike[str], remote: str) -> None:
        """Nothing is looked at."""

    def pull(self, remote: str, local: str | os.PathLike[str]) -> None:
        """What the sampler wrote."""
        Path(local).write_bytes(self.content[remote])

    @contextlib.contextmanager
    def workspace(self) -> Iterator[str]:
        """A name."""
        yield "/workspace"

    def prepare(self, folder: str, targets: Sequence[Any]) -> None:
        """Nothing to be put there."""

    def finish(self) -> None:
        """Nothing to be removed."""

    def launch(self, index: int, round_: int, settings: Mapping[str, Any], timeout_s: float) -> Any:
        """Infer for as long as asked, on the virtual clock; paced inferences start at the pace."""
        file, seconds = self.files[index], settings["seconds"]
        self._runs.append((self.now_s, self.now_s + LOAD_S, 0.0, LOAD_S, file.watts * 0.7))
        self.now_s += LOAD_S
        start_s, step_s = self.now_s, file.latency_s
        if settings["pace_ms"] is not None:
            step_s = max(settings["pace_ms"] / 1000, file.latency_s)
        # As the agent does: what begins before the end is waited for.
        count = int(np.floor(seconds / step_s)) + 1
        end_s = start_s + (count - 1) * step_s + file.latency_s
        self._runs.append((start_s, end_s, step_s, file.latency_s, file.watts))
        self.now_s = end_s + END_S
        return {
            "schema": 2, "timings_ns": [int(file.latency_s * 1e9)] * min(count, 3), "load_ms": 1.0, "first_ms": 1.0,
            "warmup_n": 16, "warmup_steady": True, "threads": settings["threads"], "runtime": "simulated",
            "import_ms": 1.0, "peak_memory_bytes": None, "memory_before_load_bytes": None, "cpu": {}, "answers": None,
            "late_n": 0 if settings["pace_ms"] is not None else None,
            "curve": [[seconds, count, 1, 1]] if settings["curve"] else None,
            "window_s": [start_s, end_s], "inferences_n": count,
        }  # fmt: skip

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """The clock, the sampler's start and end, and otherwise the command itself, over the tree."""
        if list(argv) == ["cat", sampler.CLOCK]:
            return Completed(0, f"{self.now_s:.2f} {4 * (self.now_s - BOOT_S):.2f}\n", "")
        if argv[:3] == ["sh", "-c", sampler.SCRIPT]:
            self._sampler = list(argv)
            self._stopped.wait(timeout_s)
            return Completed(0, "", "")
        if argv[-1].endswith("power.stop"):
            self._replay()
            self._stopped.set()
            return Completed(0, "", "")
        words = [self._local(word) for word in argv]
        environment = {**os.environ, "PATH": f"{self._bin}:/usr/bin:/bin", "FRAME": str(self.folder / "frame")}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
        return Completed(done.returncode, done.stdout, done.stderr)

    def trace(self) -> Trace:
        """The power of everything that has happened, on a grid."""
        random = np.random.default_rng([self.power.seed, 1])
        count = int((self.now_s + 30 - self.start_s + 30) / GRID_S)
        begin = self.start_s - 30
        time_s = begin + np.arange(count) * GRID_S
        watts = np.full(count, self.power.idle_w) + self.power.drift_w * (time_s - begin) / (time_s[-1] - begin)
        if self.power.wander_w:
            watts += self.power.wander_w * np.interp(time_s, *_wander(begin, time_s[-1], random))
        for start_s, end_s, step_s, long_s, more_w in self._runs:
            first, last = (round((each - begin) / GRID_S) for each in (start_s, end_s))
            inside = time_s[first:last] - start_s
            busy = (inside % step_s < long_s) if step_s > long_s else np.ones(last - first, bool)
            watts[first:last] += more_w * busy
        for start_s, long_s, more_w in self.power.bursts:
            first = int((start_s + self.start_s - begin) / GRID_S)
            watts[first : first + int(long_s / GRID_S)] += more_w
        return Trace(begin, watts)

    def make_tree(self) -> None:
        """What the kernel and the tools of such a device show, before anything is measured."""
        power, tree = self.power, self._tree
        if power.source == "powercap":
            names = {"intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:0:1": "dram"}
            for folder, name in {**names, "intel-rapl:1": "psys"}.items():
                zone = tree / "sys/class/powercap" / folder
                zone.mkdir(parents=True)
                (zone / "name").write_text(f"{name}\n")
                (zone / "max_energy_range_uj").write_text(f"{power.range_uj}\n")
                (zone / "energy_uj").write_text("0\n")
                if not power.readable:
                    # Root reads every file: one that is not there stands for it.
                    (zone / "energy_uj").unlink()
                    (zone / "energy_uj").mkdir()
        if power.source == "battery":
            supply = tree / "sys/class/power_supply/battery"
            supply.mkdir(parents=True)
            values = {"type": "Battery", "status": power.status, "current_now": -500_000, "voltage_now": 3_900_000}
            for name, value in {**values, "charge_full": 4_000_000}.items():
                (supply / name).write_text(f"{value}\n")
        if power.source == "pmic":
            (self.folder / "frame").write_text(_pmic(power.idle_w))
            _program(self._bin / "vcgencmd", '#!/bin/sh\n[ "$1" = pmic_read_adc ] && cat "$FRAME"\n')
        if power.source == "rails":
            (self.folder / "frame").write_text(_rails(1000.0))
            _program(self._bin / "dumpsys", '#!/bin/sh\ncase "$*" in *power.stats*) cat "$FRAME" ;; esac\n')
        tree.mkdir(exist_ok=True)

    def write_log(self, path: Path, *, hz: float = 10.0, offset_s: float = 1.7e9, rate: float = 1.0) -> None:
        """A meter's CSV from 20 s before the first block to 20 s behind the last, on a clock of its own."""
        trace, random = self.trace(), np.random.default_rng([self.power.seed, 2])
        lines, shown = ["Time (s),Voltage (V),Current (A)"], 0.0
        for time_s in np.arange(self.start_s - 20, self.now_s + 20, 1 / hz):
            watts = trace.power(time_s) + random.normal(0, self.power.noise_w)
            shown = round(watts / 5.1 / (self.power.step or 1e-6)) * (self.power.step or 1e-6)
            lines.append(f"{offset_s + rate * (time_s - self.start_s):.3f},5.100,{shown:.6f}")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _local(self, word: str) -> str:
        return f"{self._tree}{word}" if word.startswith(("/sys/", "/proc/")) else word

    def _replay(self) -> None:
        """The sampler over the trace, from the beginning to now."""
        show = self._shower(self.trace())
        self.content[self._sampler[4]] = self._by_shell(show) if self.shell else self._by_hand(show)

    def _by_shell(self, show: Callable[[float], dict[Path, str]]) -> bytes:
        """What the real shell text writes; its pauses move the clock."""
        out, clock = self.folder / "power.txt", self.folder / "uptime"
        stop, fifos = self.folder / "stop", (self.folder / "to", self.folder / "from")
        for path in (stop, *fifos):
            path.unlink(missing_ok=True)
        for fifo in fifos:
            os.mkfifo(fifo)
        words = [*self._sampler[:9], *map(self._local, self._sampler[9:])]
        words[2] = PRELUDE + sampler.SCRIPT
        words[4:8] = [str(out), str(stop), words[6], str(clock)]
        environment = {**os.environ, "TO": str(fifos[0]), "FROM": str(fifos[1]), "FRAME": str(self.folder / "frame")}
        files, now_s = _Files(), self.start_s

        def move() -> None:
            for path, text in {clock: f"{now_s:.2f} 0.00\n", **show(now_s)}.items():
                files.write(path, text)

        move()
        with (
            subprocess.Popen(words, env=environment) as process,
            fifos[0].open() as asked,
            fifos[1].open("w") as answered,
        ):
            for line in asked:
                # Reading takes a moment too.
                now_s += float(line) + READING_S
                move()
                if now_s >= self.now_s:
                    stop.touch()
                answered.write("go\n")
                answered.flush()
        files.close()
        assert process.returncode == 0
        return out.read_bytes()

    def _by_hand(self, show: Callable[[float], dict[Path, str]]) -> bytes:
        how, watched = self._sampler[8], [Path(self._local(word)) for word in self._sampler[9:]]
        pauses = itertools.cycle((0.12, 0.09, 0.11, 0.08, 0.13, 0.10, 0.07))
        texts: dict[Path, str] = {}
        parts, now_s = [], self.start_s
        while now_s < self.now_s:
            texts |= show(now_s)
            for path in watched:
                if how == "files" and path not in texts:
                    texts[path] = path.read_text()
            lines = "".join(texts[path] for path in watched) if how == "files" else texts[self.folder / "frame"]
            parts.append(f"@ {now_s:.2f}\n{lines}. {now_s:.2f}\n")
            now_s += next(pauses) + READING_S
        return "".join(parts).encode()

    def _shower(self, trace: Trace) -> Callable[[float], dict[Path, str]]:
        """What the source shows at a moment: files and their content."""
        power, random = self.power, np.random.default_rng([self.power.seed, 3])
        held: dict[str, float] = {}
        frame, supplies = self.folder / "frame", self._tree / "sys/class/power_supply/battery"

        def at(time_s: float) -> tuple[float, float]:
            moment = np.floor(time_s / power.update_s) * power.update_s if power.update_s else time_s
            if held.get("moment") != moment:
                watts, joules = trace.power(moment) + random.normal(0, power.noise_w), trace.energy(moment)
                if power.step:
                    watts, joules = (np.floor(each / power.step) * power.step for each in (watts, joules))
                held.update(moment=moment, watts=watts, joules=joules)
            return held["watts"], held["joules"]

        def show(time_s: float) -> dict[Path, str]:
            watts, joules = at(time_s)
            if power.source == "powercap":
                # Not from 0, so that it turns over soon after the start.
                zones = {"intel-rapl:0": 0.85, "intel-rapl:0:1": 0.15}
                return {
                    self._tree / f"sys/class/powercap/{zone}/energy_uj": (
                        f"{int(joules * share * 1e6 + power.range_uj * 0.9) % power.range_uj}\n"
                    )
                    for zone, share in zones.items()
                }
            if power.source == "battery":
                amps = -watts / 3.9 * (1e3 if power.milliamps else 1e6)
                return {supplies / "current_now": f"{round(amps)}\n"}
            return {frame: _pmic(watts) if power.source == "pmic" else _rails(joules + 1000.0)}

        return show


class _Files:
    """Files that are written over and over: opened once."""

    def __init__(self) -> None:
        self._handles: dict[Path, int] = {}

    def write(self, path: Path, text: str) -> None:
        """Replace the content."""
        if path not in self._handles:
            self._handles[path] = os.open(path, os.O_WRONLY | os.O_CREAT)
        content = text.encode()
        os.ftruncate(self._handles[path], os.pwrite(self._handles[path], content, 0))

    def close(self) -> None:
        """All of them."""
        for handle in self._handles.values():
            os.close(handle)


def _wander(begin: float, end: float, random: np.random.Generator) -> tuple[Any, Any]:
    """A level that forgets itself within seconds, with standard deviation 1."""
    places = np.arange(begin, end + 1.0, 0.5)
    levels, keep = np.zeros(len(places)), np.exp(-0.5 / 3.0)
    for index in range(1, len(places)):
        levels[index] = keep * levels[index - 1] + np.sqrt(1 - keep**2) * random.normal()
    return places, levels


def _pmic(watts: float) -> str:
    """What a Raspberry Pi 5 prints; EXT5V and BATT have no current."""
    shares = {**PMIC_SHARES, "VDD_CORE": 1 - sum(PMIC_SHARES.values())}
    amps = [f"{rail}_A current({n})={watts * shares[rail] / PMIC_RAILS[rail]:.8f}A" for n, rail in enumerate(shares)]
    volts = [f"{rail}_V volt({n + 8})={PMIC_RAILS[rail]:.8f}V" for n, rail in enumerate(shares)]
    lines = [*amps, *volts, "EXT5V_V volt(24)=5.09066000V", "BATT_V volt(25)=0.00000000V"]
    return "".join(f"{line:>36}\n" for line in lines)


def _rails(joules: float) -> str:
    """What a Pixel's power statistics service prints of its rails."""
    shares = {"[S2M_VDD_CPUCL2]:CPU(BIG)": 0.7, "[S4M_VDD_CPUCL0]:CPU(LITTLE)": 0.2, "[S1M_VDD_MIF]:DDR": 0.1}
    lines = [f"  {rail:>32}   {joules * 1000 * share:14.2f} mWs\n" for rail, share in shares.items()]
    head = "============= PowerStats HAL 2.0 energy meter ==============\n"
    return f"\n{head}{'Channel':>34}   {'Cumulative Energy':>18}\n{''.join(lines)}"


def _program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
