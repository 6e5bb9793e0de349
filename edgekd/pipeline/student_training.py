"""The training that the student gets with and without the teacher: what both share, so that they can be compared."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.data.settings import facts_of
from edgekd.distill.bind import BoundObjective
from edgekd.errors import RunError
from edgekd.models.load import load_model
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.validation_answers import answers_of, read_answers, record_of
from edgekd.progress import EpochWatcher
from edgekd.soft_targets.joined import JoinedLogits, JoinedViews, StoredPhotos, extra_stores
from edgekd.soft_targets.store import SoftTargets
from edgekd.storage import digest, read_json, replacing, write_json
from edgekd.tag_metrics import decide_tags
from edgekd.training.batches import BatchStream, StoredLogits, ViewSource
from edgekd.training.joined_order import ExtendedLabels
from edgekd.training.loop import Validation, logits_of, make_deterministic, train
from edgekd.training.order import Numbers
from edgekd.training.replicas import on_every_gpu
from edgekd.training.time_budget import describe_duration, measure_pace


def seed_folder(stage: str, seed: int, repeat: int) -> str:
    """The folder of a seed's student; the first seed's, which ships, is not under a folder of its own."""
    return f"seed-{seed + repeat}/{stage}" if repeat else stage


def draw_facts(context: RunContext, repeat: int) -> dict[str, Any]:
    """What sets the later seeds' keys apart; the first one's are those of a run of one seed."""
    return {"draw": context.recipe.seed + repeat} if repeat else {}


@dataclass(frozen=True)
class Lesson:
    """What a training learns from: the loss, its batches, the photos that a pass is counted by, and facts to record."""

    loss: BoundObjective
    stream: BatchStream
    photos: int
    record: dict[str, Any]


def train_student(
    context: RunContext, stage: str, repeat: int, depends: dict[str, Any], lesson_for: Callable[[Any], Lesson]
) -> Path:
    """Train a seed's student from its start; writes ``student.keras`` and ``history.json``, and gives their folder.

    ``lesson_for`` is given the student as it starts. Killed, it resumes at the last epoch.
    """
    recipe, watcher = context.recipe, context.workspace.watcher
    schedule, seed = recipe.distill.schedule, recipe.seed + repeat
    start, folder = seed_folder("start", recipe.seed, repeat), seed_folder(stage, recipe.seed, repeat)
    depends = {
        "start": context.workspace.hashes[start], "schedule": facts_of(schedule),
        **context.view_facts(), **depends, **context.epoch_choice(), **draw_facts(context, repeat),
    }  # fmt: skip

    @on_every_gpu(schedule.batch_size)
    def work(directory: Path, key: str) -> None:
        make_deterministic(seed)
        student = load_model(context.path / start / "student.keras")
        lesson, validation = lesson_for(student), student_validation(context, student)
        epochs = planned_epochs(context, student, lesson, validation, start)
        history = train(
            student, lesson.loss, lesson.stream, validation, schedule.with_epochs(epochs),
            steps_per_epoch=schedule.steps_per_epoch(lesson.photos),
            checkpoint=directory / "checkpoint.npz", key=key, tapped=lesson.loss.tapped,
            progress=watcher.progress,
            epoch_done=functools.partial(watcher.epoch, folder) if isinstance(watcher, EpochWatcher) else None,
        )  # fmt: skip
        answers = record_of(answers_of(logits_of(student, validation.images), recipe.data.task))
        record = {**history.to_json(), "metric": validation.metric, **lesson.record, **answers}
        write_json(directory / "history.json", record)
        with replacing(directory / "student.keras") as temporary:
            student.save(temporary)
        (directory / "checkpoint.npz").unlink(missing_ok=True)

    return context.workspace.stage(folder, depends, ("student.keras", "history.json"), work)


def planned_epochs(context: RunContext, student: Any, lesson: Lesson, validation: Validation, start: str) -> int:
    """How many epochs a seed's student is trained for: the recipe's number, or what its photos and minutes allow.

    The first training of the seed measures its steps. Its plan lies in the stage ``start``, where both begin, for the
    other one and for one that resumes. Raises RunError where not even one epoch fits the minutes.
    """
    schedule = context.recipe.distill.schedule
    epochs = schedule.patient_epochs(len(context.pool.samples))
    if schedule.minutes is None:
        return epochs
    path = context.path / start / "plan.json"
    key = digest([context.workspace.hashes[start], facts_of(schedule)])
    plan = read_json(path) if path.is_file() else {}
    if plan.get("key") != key:
        pace = measure_pace(student, lesson.loss, lesson.stream, validation, tapped=lesson.loss.tapped)
        steps = schedule.steps_per_epoch(lesson.photos)
        fitting = min(epochs, pace.epochs_within(60 * schedule.minutes, steps))
        if not fitting:
            raise RunError(
                f"an epoch of this student takes {describe_duration(pace.seconds(1, steps))}, and "
                f"distill.schedule.minutes is {schedule.minutes:g}. Allow more minutes, or take a smaller student"
            )
        plan = {"key": key, "epochs": fitting, "step_s": pace.step_s, "judge_s": pace.judge_s}
        write_json(path, plan)
        context.workspace.watcher.note(
            f"student: {fitting} epochs of {steps} steps, {describe_duration(pace.seconds(fitting, steps))} a training"
        )
    return int(plan["epochs"])


def distillation_photos(context: RunContext) -> int:
    """How many photos the student is distilled from: the pool's and those of further stores."""
    return len(context.pool.samples) + sum(store["photos"] for store in extra_stores(context.path))


def distillation_batches(
    context: RunContext, student: Any, batch_size: int, seed: int | None = None, features: Sequence[StoredLogits] = ()
) -> BatchStream:
    """What the student is distilled from: the pool's photos, and after them those of further stores.

    Its training in int8 takes batches of logits alone.
    """
    recipe, count = context.recipe, len(context.pool.samples)
    views: ViewSource = context.views(student)
    logits: StoredLogits = SoftTargets(context.path / "soft_targets")
    labels: Numbers = context.pool.labels
    if recipe.data.soft_labelled:
        extra = StoredPhotos(
            context.path / "extra_targets", recipe.data.views, recipe.seed, context.preprocessing(student)
        )
        views, logits = JoinedViews(views, count, extra), JoinedLogits(logits, count, extra)
        labels = ExtendedLabels(context.pool.labels, len(extra))
    return BatchStream(
        views, context.pool.distillation_order(recipe.distill.labelled_share, len(labels) - count), labels, logits,
        batch_size=batch_size, seed=recipe.seed if seed is None else seed, features=features,
    )  # fmt: skip


def student_validation(context: RunContext, student: Any) -> Validation:
    """The validation photos; without labels, with the teacher's predictions in their place."""
    validation = context.validation(student)
    if not context.label_free:
        return validation
    answers = read_answers(read_json(context.path / "teacher" / "summary.json"), context.recipe.data.task)
    if answers.ndim == 2:
        return Validation(validation.images, decide_tags(answers).astype(np.int8), validation.metric)
    return Validation(validation.images, answers)
