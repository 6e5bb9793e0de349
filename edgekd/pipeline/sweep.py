"""Many students of one teacher: its column is computed once, every student is a whole run of its own."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekd.bench.result import BenchResult
from edgekd.bench.statistics import compare, summarize
from edgekd.data.dataset import Dataset
from edgekd.errors import GateFailed, UsageError
from edgekd.export.parity import score
from edgekd.metrics import Interval
from edgekd.pipeline.photos import data_stage
from edgekd.pipeline.pick import Condition
from edgekd.pipeline.run import run
from edgekd.pipeline.ship import artifacts_in
from edgekd.pipeline.stage import Silent, Watcher, Workspace, locked
from edgekd.pipeline.sweep_check import students_stage
from edgekd.recipe import Recipe
from edgekd.storage import digest, read_json, write_json
from edgekd.students.spec import parse_student

SCHEMA = 1
# What the students share: each of these stages is done by the first and taken over by the others.
_SHARED = ("data", "teacher", "column")
_ROW = "int8_tflite"


@dataclass(frozen=True)
class SweptStudent:
    """A student by its shipped int8 .tflite. ``accuracy`` is of the test split and told, no more.

    ``val_accuracy`` is what the front and the pick go by.

    Both are the recipe's metric. ``latency`` is over the teacher's; ``failed_gates`` are names.
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

    def values(self) -> dict[str, float | None]:
        """What ``--pick`` looks at."""
        latency = self.latency.value if self.latency else None
        return {
            "size": float(self.size_bytes), "accuracy": self.val_accuracy.value,
            "latency": latency, "parameters": float(self.parameters),
        }  # fmt: skip


@dataclass(frozen=True)
class Sweep:
    """Every student, smallest file first, the winner if conditions were given and one meets them, and what each cost.

    ``shared_s`` is what was done once for all (photos, teacher, column), ``column_s`` the column's part of it.
    """

    metric: str
    students: tuple[SweptStudent, ...]
    teacher: Interval
    shared_s: float
    column_s: float
    winner: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The versioned value that sweep.json holds."""
        return {"schema": SCHEMA, **asdict(self)}


def sweep(
    recipe: Recipe,
    students: Sequence[str],
    directory: Path,
    *,
    conditions: Sequence[Condition] = (),
    accept_weak_teacher: bool = False,
    watcher: Watcher | None = None,
) -> Sweep:
    """Run ``recipe`` once a student under ``directory``, with the photos, the teacher and its column of the first.

    Every student is built before any is trained. Killed and called again it goes on where it was. A student whose gate
    fails stays in the table, marked. Each is an ordinary run of the recipe that its folder holds, with the same keys.
    Writes ``sweep.json``.

    Raises: UsageError for students that are no different ones or can't be trained, and the errors of a run.
    """
    names = [_name(student) for student in students]
    if len(names) < 2 or len(set(names)) < len(names):
        raise UsageError(f"a sweep needs at least two different students, got: {', '.join(names) or 'none'}")
    work = Workspace(directory, watcher or Silent())
    with locked(directory):
        frozen = students_stage(work, recipe, names, data_stage(work, recipe))
        first, swept = directory / slug(next(iter(frozen))), []
        for spec, freeze_blocks in frozen.items():
            own = directory / slug(spec)
            work.watcher.note(f"student {spec}")
            _take_over(directory, own, _SHARED[:1])
            _take_over(first, own, _SHARED)
            section = recipe.student.model_copy(update={"model": spec, "freeze_blocks": freeze_blocks})
            try:
                run(
                    recipe.model_copy(update={"student": section, "name": slug(spec)}), own,
                    accept_weak_teacher=accept_weak_teacher, watcher=work.watcher,
                )  # fmt: skip
            except GateFailed:
                if not (own / "check" / "check.json").is_file():
                    raise
            swept.append(_outcome(spec, own, recipe.metric))
        found = _summed(swept, first, recipe.metric, conditions)
        write_json(directory / "sweep.json", found.to_json())
    return found


def _name(student: str) -> str:
    """A student as it is written in full; one that can't be read is told later, with all the others."""
    try:
        return str(parse_student(student))
    except UsageError:
        return student


def slug(spec: str) -> str:
    """A directory's name for a student; two specs that would share one are told apart by their hash."""
    plain = re.sub(r"[^A-Za-z0-9._@-]", "-", spec).lstrip("-._@")
    return plain if plain == spec.replace(":", "-") else f"{plain[-60:]}-{digest(spec)[:8]}"


def front(students: Sequence[SweptStudent]) -> list[SweptStudent]:
    """Marked are those that no other beats in both size and validation accuracy; smallest first."""
    ordered = sorted(students, key=lambda one: (one.size_bytes, -one.val_accuracy.value))
    best, marked = -1.0, []
    for one in ordered:
        marked.append(SweptStudent(**{**vars(one), "on_front": one.val_accuracy.value > best}))
        best = max(best, one.val_accuracy.value)
    return marked


def pick(students: Sequence[SweptStudent], conditions: Sequence[Condition]) -> SweptStudent | None:
    """Of those that meet every condition and no gate failed: the best on the validation photos, then the smallest."""
    fit = [one for one in students if not one.failed_gates and all(each.holds(one.values()) for each in conditions)]
    return max(fit, key=lambda one: (one.val_accuracy.value, -one.size_bytes), default=None)


def _take_over(made: Path, own: Path, stages: Sequence[str]) -> None:
    """Link stages that were done in ``made`` already; files are replaced, never changed, so links hold."""
    for stage in stages:
        source, target = made / stage, own / stage
        if made == own or not source.is_dir() or (target / "stage.json").is_file():
            continue
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without links.
        shutil.copy2(source, target)


def _outcome(spec: str, directory: Path, metric: str) -> SweptStudent:
    check = read_json(directory / "check" / "check.json")
    row = next(one for one in check["rows"] if one["row"] == _ROW)
    dataset = Dataset.load(directory / "data" / "dataset.json")
    validation = score(artifacts_in(directory)[_ROW], dataset, "val")
    result = BenchResult.load(directory / "bench" / "bench.json")
    summary = summarize(result.measurement(_ROW))
    timed = result.baseline == "teacher"
    own = [read_json(path)["seconds"] for path in directory.glob("*/stage.json") if path.parent.name not in _SHARED]
    return SweptStudent(
        student=spec,
        directory=directory.name,
        parameters=int(row["parameters"]),
        size_bytes=int(row["size_bytes"]),
        val_accuracy=getattr(validation, metric),
        accuracy=Interval(**_interval(row[metric])),
        latency=compare(result, _ROW).ratio if timed else None,
        p50_ms=summary.p50_ms if summary else None,
        seconds=round(sum(own), 1),
        failed_gates=tuple(gate["name"] for gate in check["gates"] if not gate["passed"] and not gate.get("accepted")),
    )


def _interval(value: Mapping[str, float]) -> dict[str, float]:
    return {key: float(value[key]) for key in ("value", "low", "high")}


def _summed(swept: list[SweptStudent], first: Path, metric: str, conditions: Sequence[Condition]) -> Sweep:
    check = read_json(first / "check" / "check.json")
    teacher = next(one for one in check["rows"] if one["row"] == "teacher")
    seconds = {stage: float(read_json(first / stage / "stage.json")["seconds"]) for stage in _SHARED}
    winner = pick(swept, conditions) if conditions else None
    return Sweep(
        metric=metric,
        students=tuple(front(swept)),
        teacher=Interval(**_interval(teacher[metric])),
        shared_s=round(sum(seconds.values()), 1),
        column_s=round(seconds["column"], 1),
        winner=winner.student if winner else None,
    )
