"""What a benchmark records: every raw timing and the facts around it. ``result`` reads and writes it as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from edgekd.accelerators.records import AcceleratorCheck
from edgekd.bench.energy.records import EnergyRecord
from edgekd.bench.plan import BenchPlan
from edgekd.errors import EdgekdError

# 3 added: a launch's session, resumed, polled; 4: energy, a launch's window_s and inferences_n, a measurement's
# estimate, inputs, end_to_end of both, inferences_per_sample, accelerators. Files of schema 2 and 3 are those without,
# and are read.
SCHEMA = 4
READABLE = (2, 3, SCHEMA)

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
_AGENT = ConfigDict(extra="ignore", allow_inf_nan=False)

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Milliseconds = Annotated[float, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
# Where the way to an answer begins: a photo's file, or a camera's frame, which is in memory as RGB.
Source = Literal["photo", "frame"]


@dataclass(frozen=True)
class TimingSummary:
    """All that Google's benchmark_model reports: no single timing, inputs of random numbers. Microseconds."""

    __pydantic_config__ = _AGENT

    count: Positive
    avg_us: float
    std_us: float | None = None
    min_us: float | None = None
    max_us: float | None = None
    median_us: float | None = None

    @property
    def central(self) -> Literal["median", "mean"]:
        """Which central value there is."""
        return "mean" if self.median_us is None else "median"

    @property
    def central_us(self) -> float:
        """The median; the mean where it is not known."""
        return self.avg_us if self.median_us is None else self.median_us


@dataclass(frozen=True)
class EndToEnd:
    """Photos or frames timed from end to end in one launch; the three stages of each pass, in nanoseconds.

    ``decode_ns`` is empty for frames. ``switched_out`` are the places of passes that lost the CPU meanwhile, ``cpu``
    and ``answers`` as in ``Launch``; ``inputs_sha256`` is of the model's uint8 inputs, one after the other.
    """

    __pydantic_config__ = _AGENT

    source: Source
    decode_ns: tuple[Positive, ...]
    resize_ns: tuple[Positive, ...]
    inference_ns: tuple[Positive, ...]
    cpu: Mapping[str, float]
    inputs_sha256: Sha256
    answers: tuple[Count, ...]
    switched_out: tuple[Count, ...] | None = None


@dataclass(frozen=True)
class EndToEndInputs:
    """What is timed from end to end: [height, width] of each photo or frame, the hash of all their bytes, and that of
    the uint8 inputs that this machine makes of them."""

    __pydantic_config__ = _STRICT

    source: Source
    sizes: tuple[tuple[int, int], ...]
    sha256: Sha256
    inputs_sha256: Sha256


@dataclass(frozen=True)
class Launch:
    """One fresh process, as the agent on the device reported it.

    ``instructions`` are executed instructions of each inference on a device that counts them; its ``timings_ns`` then
    mean nothing. ``summary`` stands where there are no raw timings. ``answers`` (argmax of each input) and
    ``check_answers`` are taken in the first round only. ``cpu`` holds differences over the timed inferences: own_s,
    wall_s and, where the device reports them, wait_s (its threads were ready to run and had no CPU), and the whole
    machine's busy_s, steal_s and total_s. ``switched_out`` are the places in ``timings_ns`` of inferences that lost the
    CPU meanwhile, None where that is not known. ``late_n`` counts paced frames that started late; rows of ``curve`` are
    [second, inferences, p50 ns, p90 ns]. ``device`` is what only an app can read, before and after. ``session`` counts
    from 0 how often an interrupted measurement was continued. ``window_s`` is when the inferences began and ended, in
    seconds since the device's start, and ``inferences_n`` how many there were, those without a timing among them.
    ``end_to_end`` are photos and frames, where they are timed. Each of ``timings_ns`` is the mean of
    ``inferences_per_sample`` inferences that were timed at once.
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
    switched_out: tuple[Count, ...] | None = None
    end_to_end: tuple[EndToEnd, ...] | None = None
    inferences_per_sample: Positive = 1
    window_s: tuple[float, float] | None = None
    inferences_n: Positive | None = None


@dataclass(frozen=True)
class HostAnswers:
    """What the host predicts for the photos that the device is checked on, and their true classes where known.

    ``near_ties`` are the photos whose two best classes differ on the host by no more than rounding.
    """

    __pydantic_config__ = _STRICT

    answers: tuple[Count, ...]
    near_ties: tuple[Count, ...]
    labels: tuple[int, ...] | None = None


@dataclass(frozen=True)
class TimeEstimate:
    """How long one inference might take on a core that is only emulated: calculated, in one thread, not measured.

    ``ms`` joins ``executing_ms`` (a scheduling model of LLVM ``llvm``, named ``schedule``, with every load hitting the
    first cache) and ``transfer_ms`` (a model of the caches and the memory of ``board``), which mostly overlap.
    ``sampling_error`` is the relative standard error of ``executing_ms``, of which only samples are simulated.
    """

    __pydantic_config__ = _STRICT

    ms: Milliseconds
    executing_ms: Milliseconds
    transfer_ms: Milliseconds
    sampling_error: Annotated[float, Field(ge=0)]
    instructions: Count
    board: str
    clock_mhz: Positive
    schedule: str
    llvm: str


@dataclass(frozen=True)
class Measurement:
    """Every launch of one file with so many threads. ``input_size`` is [height, width] in pixels, [0, 0] if no image.

    ``inputs`` are photos, or made: noise of the right types, where photos can't be fed to the file.
    """

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
    end_to_end: tuple[EndToEndInputs, ...] = ()
    launches: tuple[Launch, ...] = ()
    estimate: TimeEstimate | None = None
    inputs: Literal["photos", "made"] = "photos"


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
    """An interrupted measurement was continued: how many launches there were, and the device's facts at that time."""

    __pydantic_config__ = _STRICT

    launches_before: Count
    facts_before: Mapping[str, Any]


@dataclass(frozen=True)
class BenchRecord:
    """Measurements taken side by side on one device. ``complete`` is False after a failure.

    ``agent`` is what ran there: python, android-app or benchmark_model. ``unit`` is what was measured: nanoseconds,
    or executed instructions where the device is an emulation. ``polled`` is the device's state after each round,
    where it reports one: ``round``, ``throttled_now``, ``throttled_since_boot``, ``throttling`` and ``temperature_c``.
    ``energy`` is None where it was not asked for. ``accelerators`` are the same files on this machine's GPU and in half
    precision, against its CPU; empty where that was not asked for, and on other devices.
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
    energy: EnergyRecord | None = None
    accelerators: tuple[AcceleratorCheck, ...] = ()
    schema: int = field(default=SCHEMA)

    @property
    def unit(self) -> str:
        """``ns`` or ``instructions``."""
        launches = (launch for measurement in self.measurements for launch in measurement.launches)
        return "instructions" if any(launch.instructions for launch in launches) else "ns"

    def measurement(self, name: str) -> Measurement:
        """The measurement of that name. Raises: EdgekdError naming those there are."""
        for measurement in self.measurements:
            if measurement.name == name:
                return measurement
        names = ", ".join(measurement.name for measurement in self.measurements)
        raise EdgekdError(f"nothing named {name!r} was measured (measured: {names})")


def first_problem(error: ValidationError) -> str:
    """The first thing that a value was refused for."""
    problem = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
