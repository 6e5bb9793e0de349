"""Stage ``start``: the student before any training; both of its trainings begin here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.images import images_of, some_of
from edgekd.data.settings import facts_of
from edgekd.data.views_live import open_views
from edgekd.export.convertible import check_convertible
from edgekd.models import efficientnet_lite
from edgekd.models.load import load_model
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.student_training import draw_facts, seed_folder
from edgekd.recipe import Recipe
from edgekd.storage import read_json, replacing, sha256_file
from edgekd.students.build import FixedTeacher, build_student
from edgekd.students.spec import StudentSpec, parse_student
from edgekd.teacher.labelled_views import LabelledViews
from edgekd.teacher.transfer import probe
from edgekd.training.loop import make_deterministic

# What a narrowed slice's channels are chosen by: pixels are many more than photos.
_NARROW_PHOTOS = 400
# Side of the network that a slice is cut from; the slice has its own.
_CUT_SIZE = 224


def run(context: RunContext, repeat: int = 0) -> None:
    """Writes ``start/student.keras``; ``repeat`` counts the later seeds' students.

    A slice gets a linear head first, fitted to the labels (if any are used): both trainings start from that.
    """
    recipe = context.recipe
    section = recipe.student
    spec = parse_student(section.model)
    depends = {
        "student": facts_of(section),
        "file": sha256_file(Path(spec.argument)) if spec.kind == "keras" else None,
        "teacher": context.workspace.hashes["teacher"],
        **context.view_facts(),
        **draw_facts(context, repeat),
    }

    def work(directory: Path, _key: str) -> None:
        make_deterministic(recipe.seed + repeat)
        student = build_student(
            spec, teacher_of(context), len(context.dataset.classes), cut_from=network_to_cut(recipe, spec),
            freeze_blocks=section.freeze_blocks, allow_larger=section.allow_larger,
            photos=lambda size: narrowing_photos(context, size), pixels=section, task=recipe.data.task,
        )  # fmt: skip
        if repeat == 0 and _may_not_convert(context, spec):
            # Now, not after both trainings.
            check_convertible(
                student, tuple(dict.fromkeys(("tflite", *recipe.export.formats))),
                ("float32", "int8", *recipe.quantize.precisions), quantize=recipe.quantize, task=recipe.data.task,
            )  # fmt: skip
        if spec.kind == "slice" and not context.label_free:
            _fit_head(context, student)
        with replacing(directory / "student.keras") as temporary:
            student.save(temporary)

    context.workspace.stage(seed_folder("start", recipe.seed, repeat), depends, ("student.keras",), work)


def _may_not_convert(context: RunContext, spec: StudentSpec) -> bool:
    """Whether a student is of ops that were not tried before: the user's own, or a slice of another teacher."""
    if spec.kind == "cnn":
        return False
    name = context.recipe.cut_network or context.recipe.teacher.model
    return spec.kind != "slice" or name not in efficientnet_lite.VARIANTS


def network_to_cut(recipe: Recipe, spec: StudentSpec) -> Any | None:
    """The built-in pretrained network where the recipe cuts its slice from that; None where it is the teacher."""
    name = recipe.cut_network
    if spec.kind != "slice" or name is None:
        return None
    return efficientnet_lite.build(spec.input_size or recipe.teacher.input_size or _CUT_SIZE, name=name)


def teacher_of(context: RunContext) -> Any:
    """The teacher as its student's builder takes it."""
    if not context.recipe.teacher.is_fixed:
        return load_model(context.path / "teacher" / "teacher.keras")
    summary = read_json(context.path / "teacher" / "summary.json")
    return FixedTeacher(summary["name"], int(summary["input"][0]), int(summary["parameters"]))


def narrowing_photos(context: RunContext, size: tuple[int, int], count: int = _NARROW_PHOTOS) -> npt.NDArray[np.uint8]:
    """Training photos uint8 [N, H, W, 3], with labels and without, not augmented, at most ``count``."""
    samples = some_of(context.pool.samples, count, context.recipe.seed)
    return images_of(context.dataset, samples, context.preprocessing_at(size))


def _fit_head(context: RunContext, student: Any) -> None:
    """Fit the student's linear head to the labelled photos' views."""
    recipe, pool = context.recipe, context.pool
    labelled, policy = pool.labelled, recipe.data.views.plain()
    source, folder = context.views(student), context.path / "start" / "views"
    if policy != recipe.data.views:
        samples = tuple(pool.samples[i] for i in labelled)
        source = open_views(folder, context.dataset, samples, context.preprocessing(student), policy, recipe.seed)
    # Labelled photos come first in the pool, so that their numbers are also their places among its views.
    probe(student, LabelledViews(source, pool.labels[labelled]), context.validation(student))
    shutil.rmtree(folder, ignore_errors=True)
