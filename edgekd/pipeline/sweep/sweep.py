"""Many students of one teacher: its column is computed once, every student is a whole run of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgekd.bench.result import BenchResult
from edgekd.bench.statistics import compare, summarize
from edgekd.data.dataset import Dataset
from edgekd.errors import RunError, UsageError
from edgekd.evaluation.score import score
from edgekd.metrics import Interval
from edgekd.pipeline.run_files import artifacts_in
from edgekd.pipeline.stage import Silent, Watcher, Workspace
from edgekd.pipeline.stages.data import data_stage
from edgekd.pipeline.sweep.check_students import students_stage
from edgekd.pipeline.sweep.pick import Condition
from edgekd.pipeline.sweep.student_run import SHARED, StudentJob, slug
from edgekd.recipe import Recipe
from edgekd.scale.workers import Here, Trials, Workers
from edgekd.storage import locked, read_json, write_json
from edgekd.students.spec import parse_student

SCHEMA = 1
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


def sweep(
    recipe: Recipe,
    students: Sequence[str],
    directory: Path,
    *,
    conditions: Sequence[Condition] = (),
    accept_weak_teacher: bool = False,
    watcher: Watcher | None = None,
    workers: Workers | None = None,
    trials: Trials | None = None,
) -> Sweep:
    """Run ``recipe`` once a student under ``directory``, with the photos, the teacher and its column of the first.

    Every student is built before any is trained. Killed and called again it goes on where it was. A student whose gate
    fails stays in the table, marked. Each is an ordinary run of the recipe that its folder holds, with the same keys.
    Writes ``sweep.json``.

    ``workers`` compute the column. ``trials`` do the students' trainings, several at once and up to the check; what is
    timed is timed here, one after the other.

    Raises: UsageError for students that are no different ones or can't be trained, and the errors of a run.
    """
    names = [_name(student) for student in students]
    if len(names) < 2 or len(set(names)) < len(names):
        raise UsageError(f"a sweep needs at least two different students, got: {', '.join(names) or 'none'}")
    work = Workspace(directory, watcher or Silent())
    with locked(directory):
        frozen = students_stage(work, recipe, names, data_stage(work, recipe))
        swept: list[SweptStudent] = []
        job = StudentJob(recipe, tuple(frozen.items()), directory.absolute(), accept_weak_teacher)
        stopped = _trained(job, trials, work, workers or Here()) if trials else set()
        for number, spec in enumerate(frozen):
            if number in stopped:
                continue
            work.watcher.note(f"student {spec}")
            job.take_over(number)
            job.run(number, "report", work.watcher, workers)
            swept.append(_outcome(spec, directory / slug(spec), recipe.metric))
        early = tuple(spec for number, spec in enumerate(frozen) if number in stopped)
        if not swept:
            raise RunError(f"every student was stopped early: {', '.join(early)}. Sweep without --stop-early")
        found = replace(_summed(swept, directory / swept[0].directory, recipe.metric, conditions), stopped=early)
        write_json(directory / "sweep.json", found.to_json())
    return found


def _trained(job: StudentJob, trials: Trials, work: Workspace, workers: Workers) -> set[int]:
    """Train and check every student, once what they share is there; gives the numbers of those stopped early."""
    job.take_over(0)
    job.run(0, "column", work.watcher, workers)
    count = len(job.students)
    for number in range(1, count):
        job.take_over(number)
    work.watcher.note(f"{count} students are trained as trials of Ray Tune")
    stopped = trials.all(job, count, epochs=job.recipe.distill.schedule.epochs, folder=job.directory)
    for number in sorted(stopped):
        work.watcher.note(f"student {job.students[number][0]} was stopped early")
    return stopped


def _name(student: str) -> str:
    """A student as it is written in full; one that can't be read is told later, with all the others."""
    try:
        return str(parse_student(student))
    except UsageError:
        return student


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


def _outcome(spec: str, directory: Path, metric: str) -> SweptStudent:
    check = read_json(directory / "check" / "check.json")
    row = next(one for one in check["rows"] if one["row"] == _ROW)
    dataset = Dataset.load(directory / "data" / "dataset.json")
    validation = score(artifacts_in(directory)[_ROW], dataset, "val")
    result = BenchResult.load(directory / "bench" / "bench.json")
    summary = summarize(result.measurement(_ROW))
    timed = result.baseline == "teacher"
    own = [read_json(path)["seconds"] for path in directory.glob("*/stage.json") if path.parent.name not in SHARED]
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
    marks = {stage: first / stage / "stage.json" for stage in SHARED}
    seconds = {stage: float(read_json(mark)["seconds"]) for stage, mark in marks.items() if mark.is_file()}
    winner = pick(swept, conditions) if conditions else None
    return Sweep(
        metric=metric,
        students=tuple(front(swept)),
        teacher=Interval(**_interval(teacher[metric])),
        shared_s=round(sum(seconds.values()), 1),
        column_s=round(seconds["column"], 1),
        winner=winner.student if winner else None,
    )
