"""From the students' finished runs to the sweep's table: scores, what the conditions ask for, the front, the winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekd.bench.result import BenchResult
from edgekd.bench.statistics import compare
from edgekd.bench.statistics import summarize as summarize_latency
from edgekd.bench.targets import BenchTarget
from edgekd.bench.validity import validity
from edgekd.data.dataset import Dataset
from edgekd.data.images import images_of
from edgekd.evaluation.score import score
from edgekd.evaluation.tag_scores import answers_in, truth_in
from edgekd.metrics import Interval
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.run_files import artifacts_in
from edgekd.pipeline.stage import Workspace, stage_seconds
from edgekd.pipeline.stage_table import SHARED
from edgekd.pipeline.stages.bench import BENCH_PHOTOS
from edgekd.pipeline.sweep.choose import (
    Predictions,
    front,
    mark_left_out,
    pick_with_teacher,
    reasons_against,
    steps_of,
    teacher_decides,
)
from edgekd.pipeline.sweep.on_devices import add_costs, measure_on
from edgekd.pipeline.sweep.pick import Condition
from edgekd.pipeline.sweep.pool_answers import pool_answers, pool_size
from edgekd.pipeline.sweep.records import Reference, Sweep, SweptStudent
from edgekd.scoring import Answers
from edgekd.storage import read_json
from edgekd.students.spec import AUTO
from edgekd.task import Metric

_ROW = "int8_tflite"


@dataclass(frozen=True)
class ScoredStudent:
    """A student, and its file's answers on the validation and on the test photos, as ``scoring`` takes them."""

    student: SweptStudent
    validation: Answers
    test: Answers


def score_student(spec: str, directory: Path, metric: Metric) -> ScoredStudent:
    """Read a student's finished run, and score its file on the validation photos."""
    check = read_json(directory / "check" / "check.json")
    row = next(entry for entry in check["rows"] if entry["row"] == _ROW)
    dataset = Dataset.load(directory / "data" / "dataset.json")
    validation = score(artifacts_in(directory)[_ROW], dataset, "val")
    result = BenchResult.load(directory / "bench" / "bench.json")
    summary = summarize_latency(result.measurement(_ROW))
    timed, compared = result.baseline == "teacher", compare(result, _ROW)
    own_s = [read_json(path)["seconds"] for path in directory.glob("*/stage.json") if path.parent.name not in SHARED]
    student = SweptStudent(
        student=_full_name(spec, directory),
        directory=directory.name,
        parameters=int(row["parameters"]),
        size_bytes=int(row["size_bytes"]),
        val_accuracy=validation.score(metric),
        accuracy=Interval(**_interval(row[metric])),
        latency=compared.ratio if timed and compared.standing != "invalid" else None,
        standing=compared.standing if timed else validity(result, result.measurement(_ROW)).standing,
        p50_ms=summary.p50_ms if summary else None,
        seconds=round(sum(own_s), 1),
        failed_gates=tuple(gate["name"] for gate in check["gates"] if not gate["passed"] and not gate.get("accepted")),
    )
    return ScoredStudent(student, validation.answers(metric), answers_in(row, metric, len(dataset.classes)))


def _full_name(spec: str, directory: Path) -> str:
    """A student by its text; of one that was looked for, with the one that was found."""
    if spec != AUTO:
        return spec
    return f"{AUTO}: {read_json(directory / 'run.json')['student']['student']}"


def summarize(context: RunContext, swept: Sequence[ScoredStudent], conditions: Sequence[Condition]) -> Sweep:
    """The sweep's table, with what the conditions ask for measured, and the winner. Raises DeviceError, UsageError."""
    first, metric = context.path / swept[0].student.directory, context.recipe.metric
    check = read_json(first / "check" / "check.json")
    teacher = next(entry for entry in check["rows"] if entry["row"] == "teacher")
    seconds = {stage: stage_seconds(first, stage) for stage in SHARED}
    students = [entry.student for entry in swept]
    validation = Predictions(
        context.dataset.truth("val"), {entry.student.student: entry.validation for entry in swept}, metric
    )
    test = Predictions(truth_in(check), {entry.student.student: entry.test for entry in swept}, metric)
    winner = chosen = None
    if conditions:
        students = _measure_conditions(context, students, conditions, len(validation.labels))
        winner, chosen = pick_with_teacher(students, conditions, validation, pool_size(context.dataset))
        students = mark_left_out(students, conditions)
    return Sweep(
        metric=metric,
        students=tuple(front(students)),
        teacher=Interval(**_interval(teacher[metric])),
        shared_s=round(sum(seconds.values()), 1),
        column_s=round(seconds["soft_targets"], 1),
        winner=winner.student if winner else None,
        pick=chosen,
        steps=steps_of(students, test),
        references=tuple(
            Reference(str(row["row"]), str(row["title"]), int(row["size_bytes"]), Interval(**_interval(row[metric])))
            for row in check["rows"]
            if row["row"] in ("teacher", "teacher_int8") and row["size_bytes"]
        ),
    )


def _interval(value: Mapping[str, float]) -> dict[str, float]:
    return {key: float(value[key]) for key in ("value", "low", "high")}


def _measure_conditions(
    context: RunContext, students: list[SweptStudent], conditions: Sequence[Condition], validation_n: int
) -> list[SweptStudent]:
    """The students with their agreement on the pool and their costs on devices, as far as a choice needs them.

    What another condition or a gate leaves out is not measured on a device.
    """
    by_agreement = any(condition.quantity == "agreement" for condition in conditions)
    pool = pool_size(context.dataset)
    if pool and (by_agreement or teacher_decides(validation_n, pool)):
        context.workspace.watcher.note(f"the students answer {pool:,} photos without labels beside the teacher")
        run = RunContext(Workspace(context.path / students[0].directory), context.recipe)
        answers = pool_answers(run)
        students = [
            replace(
                student,
                agreement=answers.agreement(artifacts_in(context.path / student.directory)[_ROW], context.dataset),
            )
            for student in students
        ]
    addresses = list(dict.fromkeys(c.device for c in conditions if c.device is not None))
    here = [condition for condition in conditions if condition.device is None]
    names = {student.student for student in students if not reasons_against(student, here)}
    if not addresses or not names:
        return students
    targets = [_target(context, student) for student in students if student.student in names]
    folder, watcher = context.path / "devices", context.workspace.watcher
    return add_costs(students, measure_on(addresses, targets, context.recipe.bench, folder, watcher))


def _target(context: RunContext, student: SweptStudent) -> BenchTarget:
    artifact, dataset = artifacts_in(context.path / student.directory)[_ROW], context.dataset
    images = images_of(dataset, dataset.split("test")[:BENCH_PHOTOS], artifact.preprocessing)
    return BenchTarget(student.student, artifact.path, artifact.format, images)
