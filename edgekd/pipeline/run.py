"""A whole run, from photos to a report."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from edgekd._version import __version__
from edgekd.devices.table import open_device
from edgekd.errors import GateFailed
from edgekd.evaluation.teacher_gates import teacher_gates
from edgekd.pipeline.context import pool_of
from edgekd.pipeline.stage import Silent, Watcher, Workspace
from edgekd.pipeline.stages.bench import bench_stage
from edgekd.pipeline.stages.check import check_stage
from edgekd.pipeline.stages.data import data_stage
from edgekd.pipeline.stages.export import export_stage
from edgekd.pipeline.stages.extra_targets import check_extra_targets, extra_targets_stage
from edgekd.pipeline.stages.quantize import quantize_stage
from edgekd.pipeline.stages.seeds import seeds_stage
from edgekd.pipeline.stages.student import Lesson
from edgekd.pipeline.stages.teacher import teacher_stage
from edgekd.recipe import Recipe
from edgekd.scale.workers import Here, Workers
from edgekd.storage import locked, read_json, write_json

STAGES = ("data", "teacher", "start", "scratch", "column", "distill", "export", "check", "seeds", "bench", "report")
_PACKAGES = (
    "tensorflow", "keras", "tf_keras", "tensorflow-model-optimization", "numpy", "pillow", "onnx", "onnxruntime",
    "tf2onnx", "ai-edge-litert",
)  # fmt: skip


@dataclass(frozen=True)
class RunOutcome:
    """``directory`` of the run and the gates that failed and were not accepted: name, value, bar and message."""

    directory: Path
    failed_gates: tuple[dict[str, Any], ...]


def run(
    recipe: Recipe,
    directory: Path,
    *,
    until: str = "report",
    accept_weak_teacher: bool = False,
    watcher: Watcher | None = None,
    workers: Workers | None = None,
) -> RunOutcome:
    """Do the stages of ``recipe`` up to ``until`` in ``directory``; those whose inputs have not changed are skipped.

    Killed and called again, it goes on where it was and ends in the same files. ``workers`` compute the teacher's
    column; until "column" nothing is done that it does not need.

    Raises GateFailed where the teacher is not worth learning from (unless ``accept_weak_teacher`` or the recipe's
    ``accept_weak``), and the errors of the stages.
    """
    with locked(directory):
        work = Workspace(directory, watcher or Silent(), workers or Here())
        recipe.save(directory / "recipe.toml")
        write_json(directory / "run.json", _facts(recipe))
        accept = accept_weak_teacher or recipe.teacher.accept_weak
        _stages(work, recipe, STAGES.index(until), accept)
    checked = directory / "check" / "check.json"
    done = STAGES.index(until) >= STAGES.index("check")
    gates = read_json(checked)["gates"] if done and checked.is_file() else []
    return RunOutcome(directory, tuple(gate for gate in gates if not gate["passed"] and not gate.get("accepted")))


def _stages(work: Workspace, recipe: Recipe, last: int, accept: bool) -> None:
    learns = last >= STAGES.index("start")
    if learns:
        # What can be wrong of stored columns is said before a teacher is trained.
        check_extra_targets(recipe)
    dataset = data_stage(work, recipe)
    if last < STAGES.index("teacher"):
        return
    label_free = recipe.distill.labels == "none"
    pool = pool_of(dataset, label_free=label_free)
    teacher_stage(work, recipe, dataset, pool)
    if not learns:
        return
    extra_targets_stage(work, recipe)
    lesson = Lesson(work, recipe, dataset, pool)
    if last == STAGES.index("column"):
        lesson.soft_targets_stage()
        return
    lesson.start_stage()
    if label_free:
        # Nothing that needs a label may stop the run: a teacher is judged by the test photos, in the report.
        write_json(work.path / "teacher" / "gates.json", [])
    else:
        lesson.scratch_stage()
        _judge_teacher(work, recipe, dataset.labels("val"), accept)
    lesson.soft_targets_stage()
    lesson.distill_stage()
    for repeat in range(1, recipe.seeds):
        lesson.start_stage(repeat)
        if not label_free:
            lesson.scratch_stage(repeat)
        lesson.distill_stage(repeat)
    if last < STAGES.index("export"):
        return
    quantize_stage(work, lesson)
    export_stage(work, recipe, dataset, pool)
    check_stage(work, recipe, dataset)
    if recipe.seeds > 1:
        seeds_stage(work, recipe, dataset)
    if last >= STAGES.index("bench"):
        bench_stage(work, recipe, dataset)
    if last >= STAGES.index("report"):
        from edgekd.report.render import render

        render(work.path)


def _judge_teacher(work: Workspace, recipe: Recipe, labels: Any, accept: bool) -> None:
    teacher = np.asarray(read_json(work.path / "teacher" / "summary.json")["val_predictions"])
    student = np.asarray(read_json(work.path / "scratch" / "history.json")["val_predictions"])
    judged = teacher_gates(labels, teacher, student, recipe.metric)
    gates = [{**gate, "accepted": accept and not gate["passed"]} for gate in judged]
    write_json(work.path / "teacher" / "gates.json", gates)
    for gate in gates:
        if gate["passed"]:
            continue
        work.watcher.note(f"gate failed: {gate['name']}: {gate['message']}")
        if not accept:
            raise GateFailed(
                f"{gate['name']}: no. {gate['message']}. A bad teacher makes a bad student: give it more labels, check "
                "teacher.pixel_range, or take another teacher; --accept-weak-teacher goes on all the same"
            )


def _facts(recipe: Recipe) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": recipe.name,
        "edgekd": __version__,
        "versions": {name: _version(name) for name in _PACKAGES} | {"python": sys.version.split()[0]},
        "machine": open_device("host").facts(),
        "seed": recipe.seed,
        "seeds": recipe.seeds,
        "labels": recipe.distill.labels,
        "recipe_digest": recipe.digest(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
