"""What a benchmark leaves behind: every raw timing, and the facts around it, as versioned JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekd import storage
from edgekd.bench.plan import BenchPlan
from edgekd.errors import EdgekdError

SCHEMA = 1


@dataclass(frozen=True)
class Launch:
    """One fresh process. ``answers`` (argmax of each input) are taken in the first round only.

    ``cpu`` holds differences over the timed inferences: own_s, wall_s and, where the device tells, busy_s, steal_s
    and total_s of the whole machine.
    """

    round: int
    timings_ns: tuple[int, ...]
    load_ms: float
    first_ms: float
    warmup_n: int
    warmup_steady: bool
    threads: int
    runtime: str
    import_ms: float
    peak_memory_bytes: int | None
    memory_before_load_bytes: int | None
    cpu: Mapping[str, float]
    answers: tuple[int, ...] | None


@dataclass(frozen=True)
class Measurement:
    """Every launch of one file. ``input_size`` is [height, width] in pixels."""

    name: str
    file: str
    format: str
    sha256: str
    size_bytes: int
    input_size: tuple[int, int]
    inputs_n: int
    launches: tuple[Launch, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A launch that gave no result."""

    name: str
    round: int
    message: str
    stderr: str


@dataclass(frozen=True)
class BenchResult:
    """Measurements taken side by side on one device. ``complete`` is False for what a failure left."""

    device: str
    baseline: str
    plan: BenchPlan
    order: tuple[tuple[str, ...], ...]
    facts_before: Mapping[str, Any]
    facts_after: Mapping[str, Any]
    measurements: tuple[Measurement, ...]
    failures: tuple[Failure, ...] = ()
    complete: bool = False

    def measurement(self, name: str) -> Measurement:
        """The measurement of that name. Raises: EdgekdError naming those there are."""
        for found in self.measurements:
            if found.name == name:
                return found
        names = ", ".join(found.name for found in self.measurements)
        raise EdgekdError(f"nothing named {name!r} was measured (measured: {names})")

    def save(self, path: Path) -> None:
        """Write the versioned JSON, whole or not at all; on one line, since timings are many."""
        value = {"schema": SCHEMA, **asdict(self), "plan": self.plan.model_dump()}
        storage.write_text(path, json.dumps(value, sort_keys=True, allow_nan=False) + "\n")

    @staticmethod
    def load(path: Path) -> BenchResult:
        """Read what ``save`` wrote. Raises: EdgekdError for another schema or a damaged file."""
        value = storage.read_json(path)
        schema = value.get("schema") if isinstance(value, dict) else None
        if schema != SCHEMA:
            raise EdgekdError(f"{path} has schema {schema!r}, this edgekd reads {SCHEMA}. Measure again: edgekd bench")
        try:
            return _result(value)
        except (KeyError, TypeError, ValueError) as error:
            raise EdgekdError(f"{path} is not a whole benchmark result: {error!r}. Measure again") from None


def launch_from_agent(reply: Mapping[str, Any], round_: int) -> Launch:
    """Check and type what an agent wrote. Raises: ValueError, KeyError or TypeError for a reply that is not one."""
    timings = tuple(int(value) for value in reply["timings_ns"])
    if not timings or min(timings) <= 0:
        raise ValueError("timings_ns must be a list of positive nanoseconds")
    memory = [reply[key] if reply[key] is None else int(reply[key]) for key in _MEMORY]
    answers = reply["answers"]
    return Launch(
        round=round_,
        timings_ns=timings,
        load_ms=_finite(reply["load_ms"]),
        first_ms=_finite(reply["first_ms"]),
        warmup_n=int(reply["warmup_n"]),
        warmup_steady=bool(reply["warmup_steady"]),
        threads=int(reply["threads"]),
        runtime=str(reply["runtime"]),
        import_ms=_finite(reply["import_ms"]),
        peak_memory_bytes=memory[0],
        memory_before_load_bytes=memory[1],
        cpu={str(key): _finite(value) for key, value in reply["cpu"].items()},
        answers=None if answers is None else tuple(int(value) for value in answers),
    )


_MEMORY = ("peak_memory_bytes", "memory_before_load_bytes")


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"not a finite number: {value!r}")
    return number


def _result(value: dict[str, Any]) -> BenchResult:
    return BenchResult(
        device=str(value["device"]),
        baseline=str(value["baseline"]),
        plan=BenchPlan(**value["plan"]),
        order=tuple(tuple(names) for names in value["order"]),
        facts_before=dict(value["facts_before"]),
        facts_after=dict(value["facts_after"]),
        measurements=tuple(_measurement(one) for one in value["measurements"]),
        failures=tuple(Failure(**one) for one in value["failures"]),
        complete=bool(value["complete"]),
    )


def _measurement(value: dict[str, Any]) -> Measurement:
    height, width = value["input_size"]
    launches = tuple(launch_from_agent(one, int(one["round"])) for one in value["launches"])
    return Measurement(**{**value, "input_size": (height, width), "launches": launches})
