"""What a benchmark leaves behind: every raw timing, and the facts around it, as versioned JSON.

``edgekd/bench/result.schema.json`` is its JSON Schema, made of these classes by ``json_schema``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from edgekd import storage
from edgekd.bench.plan import BenchPlan
from edgekd.errors import EdgekdError

# 3 added: a launch's session, resumed, polled. Files of schema 2 are those without, and are read.
SCHEMA = 3
READABLE = (2, SCHEMA)

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
_AGENT = ConfigDict(extra="ignore", allow_inf_nan=False)

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Milliseconds = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class TimingSummary:
    """All that Google's benchmark_model tells: no single timing, and inputs of random numbers. Microseconds."""

    __pydantic_config__ = _AGENT

    count: Positive
    avg_us: float
    std_us: float | None = None
    min_us: float | None = None
    max_us: float | None = None
    median_us: float | None = None


@dataclass(frozen=True)
class Launch:
    """One fresh process, as the agent on the device reported it.

    ``instructions`` are executed instructions of each inference on a device that counts them; its ``timings_ns`` then
    mean nothing. ``summary`` stands where there are no raw timings. ``answers`` (argmax of each input) and
    ``check_answers`` are taken in the first round only. ``cpu`` holds differences over the timed inferences: own_s,
    wall_s and, where the device tells, busy_s, steal_s and total_s of the whole machine. ``late_n`` counts paced
    frames that started late; rows of ``curve`` are [second, inferences, p50 ns, p90 ns]. ``device`` is what an app
    alone can tell, before and after. ``session`` counts from 0 how often a killed measurement was gone on with before.
    """

    __pydantic_config__ = _AGENT

    round: Count
    timings_ns: tuple[Positive, ...]
    load_ms: Milliseconds
    first_ms: Milliseconds
    warmup_n: Count
    warmup_steady: bool
    threads: Positive
    runtime: str
    import_ms: Milliseconds
    peak_memory_bytes: Count | None
    memory_before_load_bytes: Count | None
    cpu: Mapping[str, float]
    answers: tuple[Count, ...] | None
    delegate: str = "xnnpack"
    instructions: tuple[Positive, ...] | None = None
    summary: TimingSummary | None = None
    check_answers: tuple[Count, ...] | None = None
    late_n: Count | None = None
    curve: tuple[tuple[float, Count, Count, Count], ...] | None = None
    device: Mapping[str, Any] | None = None
    session: Count = 0


@dataclass(frozen=True)
class HostAnswers:
    """What the host says of the photos that the device is checked on, and their true classes where known.

    ``near_ties`` are the photos whose two best classes the host itself tells apart by no more than rounding.
    """

    __pydantic_config__ = _STRICT

    answers: tuple[Count, ...]
    near_ties: tuple[Count, ...]
    labels: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Measurement:
    """Every launch of one file with so many threads. ``input_size`` is [height, width] in pixels."""

    __pydantic_config__ = _STRICT

    name: str
    file: str
    format: str
    sha256: str
    size_bytes: Count
    input_size: tuple[int, int]
    inputs_n: Count
    inputs_sha256: str
    threads: Positive
    host: HostAnswers | None = None
    launches: tuple[Launch, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A launch that gave no result."""

    __pydantic_config__ = _STRICT

    name: str
    round: int
    message: str
    stderr: str


@dataclass(frozen=True)
class Resumption:
    """A killed measurement was gone on with: how many launches there were, and how the device stood then."""

    __pydantic_config__ = _STRICT

    launches_before: Count
    facts_before: Mapping[str, Any]


@dataclass(frozen=True)
class BenchResult:
    """Measurements taken side by side on one device. ``complete`` is False for what a failure left.

    ``agent`` is what ran there: python, android-app or benchmark_model. ``unit`` is what was measured: nanoseconds,
    or executed instructions where the device is an emulation. ``polled`` is how the device stood after each round,
    where it tells: ``round`` with ``throttled_now``, ``throttled_since_boot``, ``throttling`` and ``temperature_c``.
    """

    __pydantic_config__ = _STRICT

    device: str
    baseline: str
    plan: BenchPlan
    order: tuple[tuple[str, ...], ...]
    facts_before: Mapping[str, Any]
    facts_after: Mapping[str, Any]
    measurements: tuple[Measurement, ...]
    failures: tuple[Failure, ...] = ()
    complete: bool = False
    agent: str = "python"
    resumed: tuple[Resumption, ...] = ()
    polled: tuple[Mapping[str, Any], ...] = ()
    schema: int = field(default=SCHEMA)

    @property
    def unit(self) -> str:
        """``ns`` or ``instructions``."""
        counted = any(launch.instructions for one in self.measurements for launch in one.launches)
        return "instructions" if counted else "ns"

    def measurement(self, name: str) -> Measurement:
        """The measurement of that name. Raises: EdgekdError naming those there are."""
        for found in self.measurements:
            if found.name == name:
                return found
        names = ", ".join(found.name for found in self.measurements)
        raise EdgekdError(f"nothing named {name!r} was measured (measured: {names})")

    def save(self, path: Path) -> None:
        """Write the versioned JSON, whole or not at all; on one line, since timings are many."""
        value = {**asdict(self), "plan": self.plan.model_dump()}
        storage.write_text(path, json.dumps(value, sort_keys=True, allow_nan=False) + "\n")

    @staticmethod
    def load(path: Path) -> BenchResult:
        """Read what ``save`` wrote. Raises: EdgekdError for another schema or a damaged file."""
        value = storage.read_json(path)
        schema = value.get("schema") if isinstance(value, dict) else None
        if schema not in READABLE or isinstance(schema, bool):
            raise EdgekdError(
                f"{path} has schema {schema!r}, this edgekd reads {' and '.join(map(str, READABLE))}. "
                "Measure again: edgekd bench"
            )
        try:
            return _RESULT.validate_python({**value, "schema": SCHEMA})
        except ValidationError as error:
            raise EdgekdError(
                f"{path} is not a whole benchmark result: {first_problem(error)}. Measure again"
            ) from None


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a saved result."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_RESULT.json_schema()}


_RESULT = TypeAdapter(BenchResult)


def first_problem(error: ValidationError) -> str:
    """The first thing that a value was refused for."""
    told = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, told['loc']))}: {told['msg']}"
