"""What a sweep gives: its students, each by its shipped file, and the whole; sweep.json holds it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from edgekd.metrics import Interval

SCHEMA = 1


@dataclass(frozen=True)
class DeviceCost:
    """A student's file on a ``device``: its median in ms, or on an emulated core the instructions of an inference.

    ``standing`` is valid, semi-valid or invalid; an invalid measurement has no number.
    """

    device: str
    p50_ms: float | None
    instructions: int | None
    standing: str


@dataclass(frozen=True)
class SweptStudent:
    """A student by its shipped int8 .tflite. ``accuracy`` is of the test split and decides nothing.

    The front and the pick are chosen by ``val_accuracy``.

    Both are the recipe's metric. ``latency`` is over the teacher's, None where its measurement is invalid;
    ``standing`` is valid, semi-valid or invalid; ``failed_gates`` are names. ``devices`` are those that the conditions
    name. ``agreement`` is the share of photos without labels that it answers as the teacher does, where that was asked
    for. ``left_out`` are the reasons why it can't be picked; empty without conditions.
    """

    student: str
    directory: str
    parameters: int
    size_bytes: int
    val_accuracy: Interval
    accuracy: Interval
    latency: Interval | None
    p50_ms: float | None
    seconds: float
    failed_gates: tuple[str, ...]
    on_front: bool = False
    standing: str | None = None
    devices: tuple[DeviceCost, ...] = ()
    agreement: float | None = None
    left_out: tuple[str, ...] = ()

    def values(self) -> dict[str, float | None]:
        """The quantities of ``--pick``; times in ms."""
        measured = {
            "size": float(self.size_bytes), "accuracy": self.val_accuracy.value, "agreement": self.agreement,
            "latency": self.latency.value if self.latency else None, "parameters": float(self.parameters),
            "p50": None if self.standing == "invalid" else self.p50_ms,
        }  # fmt: skip
        for cost in self.devices:
            measured[f"p50[{cost.device}]"] = cost.p50_ms
            measured[f"instructions[{cost.device}]"] = None if cost.instructions is None else float(cost.instructions)
        return measured


@dataclass(frozen=True)
class Pick:
    """How the winner was chosen: the ``conditions``, and among those that meet them ``by`` what, in a sentence."""

    conditions: tuple[str, ...]
    by: Literal["accuracy", "agreement"]
    rule: str


@dataclass(frozen=True)
class FrontStep:
    """From one student on a front to the next larger or slower one: what it costs more, and what that gains.

    ``cost`` is in bytes on the front of sizes and in ms on that of latencies; ``gain`` is of the recipe's metric on
    ``n`` test photos, paired by photo.
    """

    of: Literal["size", "latency"]
    student: str
    next_student: str
    cost: float
    gain: Interval
    n: int


@dataclass(frozen=True)
class Reference:
    """What a user has without a student: the teacher as it is, or in int8; ``accuracy`` is of the test photos."""

    row: str
    title: str
    size_bytes: int
    accuracy: Interval


@dataclass(frozen=True)
class Sweep:
    """Every student, smallest file first, the winner if conditions were given and one meets them, and what each cost.

    ``shared_s`` is spent once for all (photos, teacher, soft targets), ``column_s`` is the soft targets' part of it.
    ``stopped`` are students that were stopped early; they are in no table. ``steps`` go along the fronts,
    ``references`` are what the students are held against.
    """

    metric: str
    students: tuple[SweptStudent, ...]
    teacher: Interval
    shared_s: float
    column_s: float
    winner: str | None = None
    stopped: tuple[str, ...] = ()
    pick: Pick | None = None
    steps: tuple[FrontStep, ...] = ()
    references: tuple[Reference, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The versioned value that sweep.json holds."""
        return {"schema": SCHEMA, **asdict(self)}
