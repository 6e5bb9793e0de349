"""What a sweep gives: its students, each by its shipped file, and the whole; sweep.json holds it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgekd.metrics import Interval

SCHEMA = 1


@dataclass(frozen=True)
class SweptStudent:
    """A student by its shipped int8 .tflite. ``accuracy`` is of the test split and decides nothing.

    The front and the pick are chosen by ``val_accuracy``.

    Both are the recipe's metric. ``latency`` is over the teacher's, None where its measurement is invalid;
    ``standing`` is valid, semi-valid or invalid; ``failed_gates`` are names.
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

    def values(self) -> dict[str, float | None]:
        """The quantities of ``--pick``."""
        latency = self.latency.value if self.latency else None
        return {
            "size": float(self.size_bytes), "accuracy": self.val_accuracy.value,
            "latency": latency, "parameters": float(self.parameters),
        }  # fmt: skip


@dataclass(frozen=True)
class Sweep:
    """Every student, smallest file first, the winner if conditions were given and one meets them, and what each cost.

    ``shared_s`` is spent once for all (photos, teacher, soft targets), ``column_s`` is the soft targets' part of it.
    ``stopped`` are students that were stopped early; they are in no table.
    """

    metric: str
    students: tuple[SweptStudent, ...]
    teacher: Interval
    shared_s: float
    column_s: float
    winner: str | None = None
    stopped: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The versioned value that sweep.json holds."""
        return {"schema": SCHEMA, **asdict(self)}
