"""Members of an average that are trained on a run's labels, each in a folder of its own, before they are averaged."""

from __future__ import annotations

import time
from pathlib import Path

from edgekd.data.dataset import Dataset
from edgekd.models.named import build_named
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.teacher_training import describe_score, train_teacher
from edgekd.pipeline.validation_answers import answers_of
from edgekd.recipe import Recipe
from edgekd.storage import replacing, write_json
from edgekd.teacher.settings import TeacherFile, TeacherSection
from edgekd.training.loop import logits_of, make_deterministic
from edgekd.training.replicas import on_every_gpu

_PIXELS = (0.0, 255.0)


def train_members(context: RunContext) -> list[str]:
    """Train what of ``[teacher]`` is trained here; writes ``teacher/member-N/`` and gives hashes of what is there."""
    section = context.recipe.teacher
    return [_train_member(context, member, number) for number, member in _numbered(section)]


def with_trained_files(recipe: Recipe, dataset: Dataset, run: Path) -> TeacherSection:
    """``[teacher]`` with the files of a run in the place of the networks that it trained."""
    section = recipe.teacher
    if not isinstance(section.model, tuple):
        return section
    files = {
        number: TeacherFile(
            model=str(_folder(run, number) / _file_name(member)), classes=dataset.classes, pixel_range=_PIXELS,
            input_size=member.input_size,
        )
        for number, member in _numbered(section)
    }  # fmt: skip
    members = tuple(files.get(number, member) for number, member in enumerate(section.model))
    # What was trained is a file of these classes: train = true would make an encoder of it.
    return section.model_copy(update={"model": members, **({"train": False} if files else {})})


def first_trained_file(section: TeacherSection, run: Path) -> tuple[str, Path] | None:
    """The name of the first network of an average that was trained here, and its file; None where none was."""
    number, member = next(iter(_numbered(section)), (0, None))
    return None if member is None else (member.model, _folder(run, number) / _file_name(member))


def _numbered(section: TeacherSection) -> list[tuple[int, TeacherFile]]:
    members = section.model if isinstance(section.model, tuple) else ()
    return [(number, member) for number, member in enumerate(members) if member.is_trained]


def _folder(run: Path, number: int) -> Path:
    return run / "teacher" / f"member-{number + 1}"


def _file_name(member: TeacherFile) -> str:
    return f"{member.model.removeprefix('keras:')}.keras"


def _train_member(context: RunContext, member: TeacherFile, number: int) -> str:
    recipe, section = context.recipe, context.recipe.teacher
    assert member.input_size is not None
    size, name = member.input_size, _file_name(member)
    depends = {
        "teacher": {**section.training_facts(), "model": member.model, "input_size": size, "average": None},
        **context.view_facts(plain=True), **context.epoch_choice(),
    }  # fmt: skip

    @on_every_gpu(section.fine_tune.batch_size)
    def work(directory: Path, key: str) -> None:
        started = time.monotonic()
        make_deterministic(recipe.seed)
        model = build_named(member.model, size, len(context.dataset.classes), section.weights)
        training, validation = train_teacher(context, model, directory, key), context.validation(model)
        answers = answers_of(logits_of(model, validation.images), recipe.data.task)
        score = context.validation_score(answers)
        with replacing(directory / name) as temporary:
            model.save(temporary)
        write_json(directory / "summary.json", {
            "schema": 1, "name": member.model, "val_score": score, **training.facts(),
            "seconds": round(time.monotonic() - started, 3),
        })  # fmt: skip
        context.workspace.watcher.note(f"{member.model}, a member of the {describe_score(score, training.stages)}")

    stage = f"teacher/member-{number + 1}"
    context.workspace.stage(stage, depends, (name, "summary.json"), work)
    return context.workspace.hashes[stage]
