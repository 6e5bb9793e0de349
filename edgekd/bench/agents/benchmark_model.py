"""Google's ``benchmark_model`` as the agent on a phone that has neither our app nor a Python.

It infers on random numbers and reports summary statistics alone, no single timing and no prediction; results say so.
Nothing is downloaded: its builds are replaced every night, so that no hash could say which one is meant; the user's own
copy is given by path. Sources: the tool's README and the logs of its versions from 2019 on.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd import storage
from edgekd.bench.agents.protocol import names_of
from edgekd.bench.agents.reply import REPLY_SCHEMA
from edgekd.bench.records import TimingSummary
from edgekd.devices.protocol import Device
from edgekd.errors import DeviceError, UsageError
from edgekd.text import NO_OUTPUT, one_line

if TYPE_CHECKING:
    from edgekd.bench.targets import BenchTarget

LABEL = "benchmark_model's own summary: random inputs, no single timings, no answers"
WHERE = "LiteRT's documentation (Benchmark tools) names the builds, for most phones android_arm64 or android_aarch64"

# What the tool stops at by itself, its own default; ours to raise where more is asked for.
_MAX_S = 150.0
_MIB = 1024 * 1024
_NUMBER = r"([0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)"
_COUNT = re.compile(r"count=([0-9]{1,9}) ((?:(?:first|curr|min|max|avg|std|p5|median|p95)=\S+ ?)+)")
_TOTALS = re.compile(
    rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER},.* Inference \(avg\): {_NUMBER}"
)
_PEAK = re.compile(rf"[Pp]eak memory footprint \(MB\) via periodic monitoring: {_NUMBER}")
_DELTA = re.compile(
    rf"(?:Memory footprint delta from the start of the tool|Peak memory footprint) \(MB\): init=\S+ overall={_NUMBER}"
)
_NOT_KNOWN = re.compile(r"Unconsumed cmdline flags: (.+)$", re.MULTILINE)
_LOG_LIMIT = 1 << 20
# The one flag that decides nothing of a measurement, and that versions before 2021 do not have.
_MAY_LACK = "report_peak_memory_footprint"

# ELF's e_machine (bytes 18 and 19), and which kernels (uname -m) run it.
_ELF_MACHINES = {3: "x86", 40: "32-bit ARM", 62: "x86-64", 183: "64-bit ARM"}
_RUNS = {"aarch64": (183, 40), "armv8l": (40,), "armv7l": (40,), "x86_64": (62, 3), "i686": (3,)}


@dataclass(frozen=True)
class BenchmarkModelSummary:
    """What one run of the tool says. Times of the timed inferences in microseconds, loading and first in ms.

    ``delegate`` is what really ran: xnnpack, gpu or none. ``peak_memory_bytes`` is the whole process's where
    the tool tells it; ``memory_growth_bytes`` what it grew by since its start.
    """

    count: int
    first_us: float
    avg_us: float
    std_us: float
    min_us: float
    max_us: float
    median_us: float | None
    init_ms: float
    first_ms: float
    warmup_n: int
    peak_memory_bytes: int | None
    memory_growth_bytes: int | None
    delegate: str


def command(binary: str, model: str, plan: Mapping[str, Any]) -> list[str]:
    """The argv for one run; ``plan`` has the keys of the agent's plan. Raises: UsageError for what it cannot do."""
    if plan.get("curve"):
        raise UsageError(
            "benchmark_model tells no single timings: a sustained run needs --apk or a Python on the phone"
        )
    delegate, seconds = plan["delegate"], float(plan["seconds"])
    flags: dict[str, object] = {
        "graph": model,
        "num_threads": plan["threads"],
        "num_runs": plan["min_iterations"],
        "min_secs": f"{seconds:g}",
        "max_secs": f"{max(_MAX_S, 2 * seconds):g}",
        "warmup_runs": max(1, plan["warmup_min_iterations"]),
        "warmup_min_secs": f"{plan['warmup_max_s']:g}",
        "use_xnnpack": _flag(delegate == "xnnpack"),
        _MAY_LACK: "true",
    }
    if delegate == "gpu":
        flags["use_gpu"] = "true"
    if plan.get("pace_ms"):
        flags["run_frequency"] = f"{1000 / plan['pace_ms']:g}"
    pinned = [] if plan.get("affinity") is None else ["taskset", f"{sum(1 << cpu for cpu in plan['affinity']):x}"]
    return [*pinned, binary, *(f"--{name}={value}" for name, value in flags.items())]


def parse_log(text: str) -> BenchmarkModelSummary:
    """Read the tool's log. Raises: ValueError saying what is missing or was not done as asked."""
    text = text[-_LOG_LIMIT:]
    refused = _NOT_KNOWN.search(text)
    unknown = [flag for flag in refused[1].split() if _MAY_LACK not in flag] if refused else []
    if unknown:
        raise ValueError(f"this copy does not know {' '.join(unknown)[:200]}: it is of another version")
    totals = _TOTALS.search(text)
    blocks = [
        (int(match[1]), _numbers(match[2])) for match in _COUNT.finditer(text[: totals.start()] if totals else "")
    ]
    if totals is None or not blocks or blocks[-1][0] < 1:
        raise ValueError("its log holds no line 'Inference timings in us' after one 'count=...'")
    count, values = blocks[-1]
    avg = float(totals[3])
    # Where all inferences took the same time the tool reports that one value.
    same = values.get("curr", avg)
    peak, delta = _PEAK.search(text), _DELTA.search(text)
    return BenchmarkModelSummary(
        count=count,
        first_us=values.get("first", same),
        avg_us=avg,
        std_us=values.get("std", 0.0),
        min_us=values.get("min", same),
        max_us=values.get("max", same),
        median_us=values.get("median"),
        init_ms=float(totals[1]) / 1000,
        first_ms=float(totals[2]) / 1000,
        warmup_n=blocks[-2][0] if len(blocks) > 1 else 0,
        peak_memory_bytes=round(float(peak[1]) * _MIB) if peak else None,
        memory_growth_bytes=round(float(delta[1]) * _MIB) if delta else None,
        delegate=_delegate(text),
    )


class BenchmarkModel:
    """An ``Agent`` (see protocol) that runs the user's copy of the tool."""

    name = "benchmark_model"
    formats: tuple[str, ...] = ("tflite",)
    takes_prepared = True

    def __init__(self, device: Device, binary: Path) -> None:
        if not binary.is_file():
            raise UsageError(f"{binary} is not a file. {WHERE}")
        self._device, self._binary = device, binary
        self._folder = ""
        self._targets: tuple[BenchTarget, ...] = ()

    def prepare(self, folder: str, targets: Sequence[BenchTarget]) -> None:
        """The tool and each .tflite. Raises: UsageError for other formats, DeviceError for a wrong processor."""
        others = [target.name for target in targets if target.format != "tflite"]
        if others:
            raise UsageError(
                f"benchmark_model runs .tflite files alone. Leave out {', '.join(others)}, or give --apk instead"
            )
        if any(target.raw is not None for target in targets):
            raise UsageError("benchmark_model decodes no photos: --end-to-end needs --apk or a Python on the phone")
        self._check_processor()
        self._folder, self._targets = folder, tuple(targets)
        self._device.push(self._binary, f"{folder}/benchmark_model")
        self._device.run(["chmod", "755", f"{folder}/benchmark_model"], 60)
        for index, name in enumerate(str(names_of(targets, k)["model"]) for k in range(len(targets))):
            if name.startswith(f"{index}."):
                self._device.push(targets[index].path, f"{folder}/{name}")

    def launch(self, index: int, round_: int, settings: Mapping[str, Any], timeout_s: float) -> Any:
        """Run the tool once; its summary in the form of an agent's reply, without timings or answers."""
        model = f"{self._folder}/{names_of(self._targets, index)['model']}"
        argv = command(f"{self._folder}/benchmark_model", model, settings)
        done = self._device.run(argv, timeout_s)
        log = f"{done.stdout}\n{done.stderr}"
        try:
            if done.status != 0:
                raise ValueError(f"it ended with status {done.status}: {_last_error(log)}")
            summary = parse_log(log)
            if summary.delegate != settings["delegate"]:
                raise ValueError(f"it ran with delegate {summary.delegate} where {settings['delegate']} was asked for")
        except ValueError as error:
            raise DeviceError(
                f"benchmark_model: {error}",
                address=self._device.address,
                argv=argv,
                status=done.status,
                stdout=done.stdout,
                stderr=done.stderr or log[-4000:],
            ) from None
        return self._reply(summary, settings)

    def finish(self) -> None:
        """Nothing lies outside the workspace."""

    def _reply(self, run: BenchmarkModelSummary, settings: Mapping[str, Any]) -> dict[str, Any]:
        names = ("count", "avg_us", "std_us", "min_us", "max_us", "median_us")
        summary = TimingSummary(**{name: value for name, value in asdict(run).items() if name in names})
        return {
            "schema": REPLY_SCHEMA,
            "timings_ns": [],
            "summary": asdict(summary),
            "instructions": None,
            "import_ms": 0.0,
            "load_ms": run.init_ms,
            "first_ms": run.first_ms,
            "warmup_n": run.warmup_n,
            # It warms up for a fixed time and does not check whether it is steady.
            "warmup_steady": False,
            "peak_memory_bytes": run.peak_memory_bytes,
            "memory_before_load_bytes": None,
            "threads": settings["threads"],
            "delegate": run.delegate,
            "runtime": f"benchmark_model (sha256 {storage.sha256_file(self._binary)[:12]}): {LABEL}",
            "cpu": {},
            "late_n": None,
            "curve": None,
            "answers": None,
            "check_answers": None,
            "device": {"before": {}, "after": {"memory_growth_bytes": run.memory_growth_bytes}},
        }

    def _check_processor(self) -> None:
        with self._binary.open("rb") as stream:
            head = stream.read(20)
        if head[:2] == b"#!":
            return
        if head[:4] != b"\x7fELF" or len(head) < 20:
            raise UsageError(f"{self._binary} is not a program for Android. {WHERE}")
        made_for = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
        machine = self._device.run(["uname", "-m"], 60).stdout.strip()
        if made_for not in _RUNS.get(machine, (made_for,)):
            raise DeviceError(
                f"{self._device.address}: {self._binary.name} is built for "
                f"{_ELF_MACHINES.get(made_for, f'ELF machine {made_for}')}, this phone is {machine}. {WHERE}",
                address=self._device.address,
                argv=(shlex.quote(str(self._binary)),),
            )


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _numbers(text: str) -> dict[str, float]:
    pairs = re.findall(rf"([a-z0-9]+)={_NUMBER}(?:\s|$)", text)
    return {name: float(value) for name, value in pairs}


def _delegate(text: str) -> str:
    """Which delegate the tool says really runs the model."""
    if re.search(r"Explicitly applied GPU delegate, and the model graph will be (?:completely|partially)", text):
        return "gpu"
    if "Though XNNPACK delegate is explicitly applied, the model graph will not be executed" in text:
        return "none"
    if re.search(r"Explicitly applied XNNPACK delegate|Created TensorFlow Lite XNNPACK delegate for CPU", text):
        return "xnnpack"
    return "none"


def _last_error(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(?:ERROR|FATAL|E)\b|.*(?:[Ff]ailed|error)", line)]
    last = (errors or lines or [NO_OUTPUT])[-1]
    return one_line(last)
