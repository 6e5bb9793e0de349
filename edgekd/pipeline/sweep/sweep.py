"""Many students of one teacher: its soft targets are computed once, and every student is a complete run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgekd.errors import RunError, UsageError
from edgekd.extras import require
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stages import data
from edgekd.pipeline.sweep.check_students import check_students
from edgekd.pipeline.sweep.pick import Condition
from edgekd.pipeline.sweep.records import Sweep
from edgekd.pipeline.sweep.student_run import StudentJob, slug
from edgekd.pipeline.sweep.summary import ScoredStudent, score_student, summarize
from edgekd.progress import Watcher, default_watcher
from edgekd.recipe import Recipe, load_recipe
from edgekd.scale.workers import Here, Trials, Workers
from edgekd.storage import locked, write_json
from edgekd.students.spec import parse_student


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
        conditions: What the student that is picked must meet, see ``pick``; a device that one names is measured on.
            Among those that meet all, the validation photos decide or, where they are few, the teacher's answers on
            photos without labels (``choose.pick_with_teacher``).
        accept_weak_teacher: Continue with a teacher that failed its gates.
        watcher: Receives what happens.
        workers: Compute the soft targets; this process by default.
        trials: Do the students' trainings, several at once; files are timed here, one after the other.

    Returns:
        Every student with its numbers, and the one that was picked.

    Raises:
        UsageError: Students are equal or cannot be trained.
        DeviceError: A device of a condition can't be measured.
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
        swept: list[ScoredStudent] = []
        job = StudentJob(recipe, tuple(frozen.items()), directory.absolute(), accept_weak_teacher)
        stopped = _train_as_trials(job, trials, work, workers or Here()) if trials else set()
        for number, spec in enumerate(frozen):
            if number in stopped:
                continue
            work.watcher.note(f"student {spec}")
            job.take_over(number)
            job.run(number, "report", work.watcher, workers)
            swept.append(score_student(spec, directory / slug(spec), recipe.metric))
        early = tuple(spec for number, spec in enumerate(frozen) if number in stopped)
        if not swept:
            raise RunError(f"every student was stopped early: {', '.join(early)}. Sweep without --stop-early")
        result = replace(summarize(context, swept, conditions), stopped=early)
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
