"""Many students of one teacher: its soft targets are computed once, and every student is a complete run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgekd.bench.result import BenchResult
from edgekd.bench.statistics import compare, summarize
from edgekd.bench.validity import validity
from edgekd.data.dataset import Dataset
from edgekd.errors import RunError, UsageError
from edgekd.evaluation.score import score
from edgekd.extras import require
from edgekd.metrics import Interval
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.run_files import artifacts_in
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stage_table import SHARED
from edgekd.pipeline.stages import data
from edgekd.pipeline.sweep.check_students import check_students
from edgekd.pipeline.sweep.pick import Condition
from edgekd.pipeline.sweep.student_run import StudentJob, slug
from edgekd.progress import Watcher, default_watcher
from edgekd.recipe import Recipe, load_recipe
from edgekd.scale.workers import Here, Trials, Workers
from edgekd.storage import locked, read_json, write_json
from edgekd.students.spec import parse_student

SCHEMA = 1
_ROW = "int8_tflite"


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


def sweep(
    recipe: Recipe | str | os.PathLike[str],
    students: Sequence[str],
    directory: str | os.PathLike[str] | None = None,
    *,
    conditions: Sequence[Condition] = (),
    accept_weak_teacher: bool = False,
    watcher: Watcher | None = None,
    workers: Workers | None = None,
    trials: Trials | None = None,
) -> Sweep:
    """Run ``recipe`` once per student, with photos, teacher and soft targets of the first.

    Every student is built before any is trained. Killed and called again, it resumes where it was. A student whose gate
    fails stays in the table, marked. Each is an ordinary run of the recipe in its folder. Writes ``sweep.json``.

    Args:
        recipe: A recipe, or the path of its TOML file.
        students: At least two, each as in a recipe, such as ``cnn:16@64``.
        directory: Where the runs go; runs/NAME-sweep of the current folder where it is not given.
        conditions: What the student that is picked must meet, by validation accuracy, size and latency.
        accept_weak_teacher: Continue with a teacher that failed its gates.
        watcher: Receives what happens.
        workers: Compute the soft targets; this process by default.
        trials: Do the students' trainings, several at once; files are timed here, one after the other.

    Returns:
        Every student with its numbers, and the one that was picked.

    Raises:
        UsageError: Students are equal or cannot be trained.
        EdgekdError: The errors of a run.

    Example:
        >>> sweep("litter.toml", ["cnn:8@64", "cnn:16@64"]).winner  # doctest: +SKIP
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(Path(recipe))
    directory = Path("runs", f"{recipe.name}-sweep") if directory is None else Path(directory)
    require("train", "a sweep")
    names = [_full_name(student) for student in students]
    if len(names) < 2 or len(set(names)) < len(names):
        raise UsageError(f"a sweep needs at least two different students, got: {', '.join(names) or 'none'}")
    work = Workspace(directory, watcher or default_watcher())
    with locked(directory):
        context = RunContext(work, recipe)
        data.run(context)
        frozen = check_students(context, names)
        swept: list[SweptStudent] = []
        job = StudentJob(recipe, tuple(frozen.items()), directory.absolute(), accept_weak_teacher)
        stopped = _train_as_trials(job, trials, work, workers or Here()) if trials else set()
        for number, spec in enumerate(frozen):
            if number in stopped:
                continue
            work.watcher.note(f"student {spec}")
            job.take_over(number)
            job.run(number, "report", work.watcher, workers)
            swept.append(_swept_student(spec, directory / slug(spec), recipe.metric))
        early = tuple(spec for number, spec in enumerate(frozen) if number in stopped)
        if not swept:
            raise RunError(f"every student was stopped early: {', '.join(early)}. Sweep without --stop-early")
        result = replace(_summarize(swept, directory / swept[0].directory, recipe.metric, conditions), stopped=early)
        write_json(directory / "sweep.json", result.to_json())
    return result


def _train_as_trials(job: StudentJob, trials: Trials, work: Workspace, workers: Workers) -> set[int]:
    """Train and check every student, once what they share is there; gives the numbers of those stopped early."""
    job.take_over(0)
    job.run(0, "soft_targets", work.watcher, workers)
    count = len(job.students)
    for number in range(1, count):
        job.take_over(number)
    work.watcher.note(f"{count} students are trained as trials of Ray Tune")
    stopped = trials.all(job, count, epochs=job.recipe.distill.schedule.most_epochs, folder=job.directory)
    for number in sorted(stopped):
        work.watcher.note(f"student {job.students[number][0]} was stopped early")
    return stopped


def _full_name(student: str) -> str:
    """A student in its full form; one that can't be parsed is reported later, with all the others."""
    try:
        return str(parse_student(student))
    except UsageError:
        return student


def front(students: Sequence[SweptStudent]) -> list[SweptStudent]:
    """Marked are those that no other beats in both size and validation accuracy; smallest first."""
    ordered = sorted(students, key=lambda student: (student.size_bytes, -student.val_accuracy.value))
    best, marked = -1.0, []
    for student in ordered:
        marked.append(replace(student, on_front=student.val_accuracy.value > best))
        best = max(best, student.val_accuracy.value)
    return marked


def pick(students: Sequence[SweptStudent], conditions: Sequence[Condition]) -> SweptStudent | None:
    """Of those that meet every condition and no gate failed: the best on the validation photos, then the smallest."""
    fit = [
        student
        for student in students
        if not student.failed_gates and all(condition.holds(student.values()) for condition in conditions)
    ]
    return max(fit, key=lambda student: (student.val_accuracy.value, -student.size_bytes), default=None)


def _swept_student(spec: str, directory: Path, metric: str) -> SweptStudent:
    check = read_json(directory / "check" / "check.json")
    row = next(entry for entry in check["rows"] if entry["row"] == _ROW)
    dataset = Dataset.load(directory / "data" / "dataset.json")
    validation = score(artifacts_in(directory)[_ROW], dataset, "val")
    result = BenchResult.load(directory / "bench" / "bench.json")
    summary = summarize(result.measurement(_ROW))
    timed, compared = result.baseline == "teacher", compare(result, _ROW)
    own_s = [read_json(path)["seconds"] for path in directory.glob("*/stage.json") if path.parent.name not in SHARED]
    return SweptStudent(
        student=spec,
        directory=directory.name,
        parameters=int(row["parameters"]),
        size_bytes=int(row["size_bytes"]),
        val_accuracy=getattr(validation, metric),
        accuracy=Interval(**_interval(row[metric])),
        latency=compared.ratio if timed and compared.standing != "invalid" else None,
        standing=compared.standing if timed else validity(result, result.measurement(_ROW)).standing,
        p50_ms=summary.p50_ms if summary else None,
        seconds=round(sum(own_s), 1),
        failed_gates=tuple(gate["name"] for gate in check["gates"] if not gate["passed"] and not gate.get("accepted")),
    )


def _interval(value: Mapping[str, float]) -> dict[str, float]:
    return {key: float(value[key]) for key in ("value", "low", "high")}


def _summarize(swept: list[SweptStudent], first: Path, metric: str, conditions: Sequence[Condition]) -> Sweep:
    check = read_json(first / "check" / "check.json")
    teacher = next(entry for entry in check["rows"] if entry["row"] == "teacher")
    marks = {stage: first / stage / "stage.json" for stage in SHARED}
    seconds = {stage: float(read_json(mark)["seconds"]) for stage, mark in marks.items() if mark.is_file()}
    winner = pick(swept, conditions) if conditions else None
    return Sweep(
        metric=metric,
        students=tuple(front(swept)),
        teacher=Interval(**_interval(teacher[metric])),
        shared_s=round(sum(seconds.values()), 1),
        column_s=round(seconds["soft_targets"], 1),
        winner=winner.student if winner else None,
    )
