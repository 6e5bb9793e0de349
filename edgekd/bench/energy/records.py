"""What an energy measurement records: the source, the blocks and the raw trace; nothing that is computed of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from edgekd.bench.energy.plan import EnergyPlan, Mode

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
# "joules" have been summed up by the hardware; "watts" are momentary.
Kind = Literal["joules", "watts"]


@dataclass(frozen=True)
class PowerSource:
    """What told the power: ``rails`` are what it adds up, ``misses`` in words what it does not see.

    ``whole_device`` where nothing of the device is missing, so that a battery's hours can be computed.
    """

    __pydantic_config__ = _STRICT

    name: str
    description: str
    kind: Kind
    rails: tuple[str, ...]
    misses: str
    whole_device: bool


@dataclass(frozen=True)
class Trace:
    """Readings in order: seconds on the device's clock, and watts, or joules since some start.

    ``unreadable`` counts readings that made no sense and were left out.
    """

    __pydantic_config__ = _STRICT

    time_s: tuple[float, ...]
    values: tuple[float, ...]
    unreadable: int = 0


@dataclass(frozen=True)
class Block:
    """Seconds of inferences of one file, or of rest (``name`` is empty), on the device's clock since its start.

    ``busy_cores``: of a rest, how many cores' worth of other programs ran; None where that is not known.
    """

    __pydantic_config__ = _STRICT

    round: Annotated[int, Field(ge=-1)]
    name: str
    mode: Mode | Literal["idle"]
    start_s: float
    end_s: float
    inferences: Annotated[int, Field(ge=0)] = 0
    late_n: Annotated[int, Field(ge=0)] = 0
    busy_cores: float | None = None

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class ClockFit:
    """Where a meter's log lies on the device's clock: ``log = offset_s + rate * device``.

    ``explained`` is the share of the log's variance that the blocks explain there (1: all of it), ``runner_up`` the
    best share anywhere else: the log fits at one place alone where that is much smaller.
    """

    __pydantic_config__ = _STRICT

    offset_s: float
    rate: float
    explained: float
    runner_up: float


@dataclass(frozen=True)
class EnergyRecord:
    """One energy measurement. Where nothing could be measured, ``not_measured`` says why.

    ``trace`` is None while a meter's log is still to come, and ``clock`` is where that log was laid.
    ``throttled_rounds`` are those after which the device reported throttling. ``battery_wh`` is the battery that hours
    are given for, ``battery_source`` who said so.
    """

    __pydantic_config__ = _STRICT

    plan: EnergyPlan
    source: PowerSource | None = None
    blocks: tuple[Block, ...] = ()
    trace: Trace | None = None
    clock: ClockFit | None = None
    not_measured: str | None = None
    throttled_rounds: tuple[int, ...] = ()
    battery_wh: float | None = None
    battery_source: str | None = None
