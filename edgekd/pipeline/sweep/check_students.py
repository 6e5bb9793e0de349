"""A sweep's students, checked before anything is trained: one error names all that can't be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekd.data.dataset import Dataset
from edgekd.data.settings import facts_of
from edgekd.errors import EdgekdError, ModelError, UsageError
from edgekd.models.blocks import blocks_of
from edgekd.models.named import build_named
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.fixed_teacher import some_photos
from edgekd.pipeline.stages.start import network_to_cut
from edgekd.pipeline.stages.teacher import build_teacher
from edgekd.recipe import Recipe
from edgekd.storage import read_json, sha256_file, write_json
from edgekd.students.build import FixedTeacher, build_student
from edgekd.students.narrow import narrowable_blocks, widths
from edgekd.students.spec import parse_student
from edgekd.teacher.encoder_teacher import open_encoders
from edgekd.teacher.opening import describe_encoder, describe_teacher, fingerprint, open_fixed_teacher


def check_students(context: RunContext, texts: Sequence[str]) -> dict[str, int]:
    """Build every student once, untrained, from a teacher without its weights; writes ``students/students.json``.

    Returns each student's name and how many of its blocks are frozen: as many as the recipe says, or all but one where
    it has fewer, or none where it is not a slice of the teacher.

    Raises: UsageError naming every student that can't be trained, and why.
    """
    recipe, dataset, watcher = context.recipe, context.dataset, context.workspace.watcher
    section = recipe.student
    depends = {
        "students": {text: _file_hash(text) for text in texts},
        "section": {key: value for key, value in facts_of(section).items() if key != "model"},
        "teacher": recipe.teacher.model_dump(mode="json", exclude={"accept_weak", "weights"}),
        "files": fingerprint(recipe.teacher),
        "classes": list(dataset.classes),
    }

    def work(directory: Path, _key: str) -> None:
        teacher, frozen, problems = _untrained_teacher(recipe, dataset), {}, []
        for text in texts:
            try:
                name, blocks = _try_student(text, teacher, len(dataset.classes), recipe)
            except EdgekdError as error:
                problems.append(f"{text}: {error}")
                continue
            frozen[name] = min(section.freeze_blocks, max(0, blocks - 1))
        if problems:
            some = f"{len(problems)} of {len(texts)} students"
            raise UsageError(f"{some} can't be trained; nothing has been trained yet:\n  " + "\n  ".join(problems))
        write_json(directory / "students.json", list(frozen.items()))

    directory = context.workspace.stage("students", depends, ("students.json",), work)
    frozen = {str(name): int(count) for name, count in read_json(directory / "students.json")}
    for name, count in frozen.items():
        if count < section.freeze_blocks:
            why = "all its blocks of the teacher but one" if count else "it has no block of the teacher to freeze"
            watcher.note(f"student {name}: freeze_blocks is {count}, not {section.freeze_blocks}: {why}")
    return frozen


def _try_student(text: str, teacher: Any, classes: int, recipe: Recipe) -> tuple[str, int]:
    """A student's name and the number of blocks that it has of the teacher. Raises UsageError, ModelError."""
    spec, section = parse_student(text), recipe.student
    if spec.kind == "auto":
        if section.budget is None or not section.budget.limits():
            raise UsageError('it needs a limit in the recipe\'s [student.budget], such as max_size = "150KB"')
        return text, 0
    if spec.kind == "keras" and not Path(spec.argument).is_file():
        raise ModelError("the file does not exist")
    narrow = bool(spec.keep)
    # Channels are chosen on photos, later; a narrowed slice is smaller than this one.
    student = build_student(
        replace(spec, keep=()), teacher, classes, cut_from=network_to_cut(recipe, spec),
        allow_larger=section.allow_larger or narrow, pixels=section, task=recipe.data.task,
    )  # fmt: skip
    if narrow:
        widths(narrowable_blocks(student), student, spec.keep)
    # As a recipe names it, so that a run of its own has the same keys.
    named = replace(spec, argument=str(Path(spec.argument).resolve())) if spec.kind == "keras" else spec
    return str(named), len(blocks_of(student)) if spec.kind == "slice" else 0


def _file_hash(text: str) -> str | None:
    """The hash of a student's own file."""
    try:
        spec = parse_student(text)
        return sha256_file(Path(spec.argument)) if spec.kind == "keras" else None
    except (EdgekdError, OSError):
        return None


def _untrained_teacher(recipe: Recipe, dataset: Dataset) -> Any:
    """The teacher's layers, or the facts of one that can't be sliced."""
    section = recipe.teacher
    if section.is_fixed:
        return _untrained_average(recipe, dataset)
    layers = section if section.members() else section.model_copy(update={"weights": "none"})
    return build_teacher(layers, dataset.classes, some_photos(recipe, dataset), recipe.data.task)


def _untrained_average(recipe: Recipe, dataset: Dataset) -> FixedTeacher:
    """The facts of a teacher of files, and of networks that are yet to be trained."""
    section, classes = recipe.teacher, dataset.classes
    if section.encodes:
        encoders = open_encoders(section, some_photos(recipe, dataset), recipe.data.crop)
        size = max(int(encoder.input_size[0]) for encoder in encoders)
        return FixedTeacher(section.name, size, sum(describe_encoder(encoder)["parameters"] for encoder in encoders))
    files = tuple(member for member in section.members() if not member.is_trained)
    sizes, parameters = list[int](), 0
    if files:
        model = files if isinstance(section.model, tuple) else section.model
        teacher = open_fixed_teacher(
            section.model_copy(update={"model": model}), classes, some_photos(recipe, dataset), recipe.data.crop,
            recipe.data.task,
        )  # fmt: skip
        sizes.append(int(teacher.input_size[0]))
        parameters = sum(int(member["parameters"]) for member in describe_teacher(teacher))
    for member in section.trained_members:
        assert member.input_size is not None
        sizes.append(member.input_size)
        parameters += build_named(member.model, member.input_size, len(classes), "none").count_params()
    return FixedTeacher(section.name, max(sizes), parameters)
