"""Stage ``teacher``: a network that knows the user's classes, and how well it does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from edgekd.errors import ModelError
from edgekd.models import efficientnet_lite
from edgekd.models.load import load_model
from edgekd.models.logits import TWO_CLASSES
from edgekd.models.named import build_named
from edgekd.models.rebuild import PhotosAt, check_rebuilt
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.encoder_training import train_encoder_heads
from edgekd.pipeline.fixed_teacher import fixed_teacher_stage, some_photos
from edgekd.pipeline.teacher_training import Training, describe_score, train_teacher
from edgekd.pipeline.validation_answers import answers_of, record_of
from edgekd.recipe import Recipe
from edgekd.storage import replacing, write_json
from edgekd.students.spec import parse_student
from edgekd.task import Task
from edgekd.teacher.keras_teacher import adopt, load_bare_network
from edgekd.teacher.opening import fingerprint
from edgekd.teacher.settings import TeacherFile, TeacherSection, kind_of
from edgekd.teacher.words import read_words
from edgekd.training.loop import logits_of, make_deterministic
from edgekd.training.replicas import on_every_gpu
from edgekd.training.scores import mean_loss


def check(recipe: Recipe) -> None:
    """Find missing weights and unreadable class words before the photos are read.

    Raises MissingExtraError, ModelError.
    """
    section = recipe.teacher
    if section.words is not None:
        read_words(Path(section.words))
    names = {section.model} if isinstance(section.model, str) else {one.model for one in section.trained_members}
    names = names if section.weights != "none" else set()
    if parse_student(recipe.student.model).kind == "slice" and recipe.cut_network is not None:
        names.add(recipe.cut_network)
    for name in sorted(names & efficientnet_lite.VARIANTS.keys()):
        efficientnet_lite.weights_path(name)


def run(context: RunContext) -> None:
    """Build and train the teacher; writes ``teacher/teacher.keras`` and ``teacher/summary.json``.

    A fixed teacher that is not a single .keras file is left in its own format.
    """
    recipe, dataset = context.recipe, context.dataset
    section = recipe.teacher
    if section.is_fixed:
        fixed_teacher_stage(context, train_encoder_heads if section.encodes else None)
        return
    depends = {
        "teacher": section.training_facts(),
        "files": fingerprint(section),
        **context.view_facts(plain=True),
        **(context.epoch_choice() if section.train else {}),
    }

    @on_every_gpu(section.fine_tune.batch_size)
    def work(directory: Path, key: str) -> None:
        started = time.monotonic()
        make_deterministic(recipe.seed)
        photos = some_photos(recipe, dataset)
        model = build_teacher(section, dataset.classes, photos, recipe.data.task)
        training = train_teacher(context, model, directory, key) if section.train else Training()
        preprocessing, validation = context.preprocessing(model), context.validation(model)
        with replacing(directory / "teacher.keras") as temporary:
            model.save(temporary)
        # The stages to come load the file, so it is the file's model that is evaluated.
        saved = load_model(directory / "teacher.keras")
        check_rebuilt(
            model, saved, photos((preprocessing.height, preprocessing.width)), f"{section.name}, saved and loaded,"
        )
        logits = logits_of(saved, validation.images)
        answers = answers_of(logits, recipe.data.task)
        summary = {
            "schema": 1,
            "name": section.name,
            "classes": list(dataset.classes),
            "input": [preprocessing.height, preprocessing.width],
            "parameters": model.count_params(),
            "val_score": context.validation_score(answers),
            "val_loss": mean_loss(logits, validation.labels) if len(answers) else None,
            **record_of(answers),
            "seconds": round(time.monotonic() - started, 3),
            **training.facts(),
        }
        write_json(directory / "summary.json", summary)
        context.workspace.watcher.note(describe_score(summary["val_score"], training.stages))

    context.workspace.stage("teacher", depends, ("teacher.keras", "summary.json"), work)


def build_teacher(
    section: TeacherSection, classes: tuple[str, ...], photos: PhotosAt, task: Task = "single-label"
) -> Any:
    """The Keras model that ``[teacher]`` names, with logits in the order of ``classes``; a new head starts at zero.

    ``photos`` are a few real ones, by which the answers of a file that is used as it is are understood.
    """
    assert isinstance(section.model, str)
    kind = kind_of(section.model)
    if kind == "keras":
        (file,) = section.members()
        return _with_new_head(file, classes, photos, task) if section.train else adopt(file, classes, photos, task)
    assert section.input_size is not None
    return build_named(section.model, section.input_size, len(classes), section.weights)


def _with_new_head(file: TeacherFile, classes: tuple[str, ...], photos: PhotosAt, task: Task) -> Any:
    """The user's network with its last layer replaced, to be trained for ``classes``."""
    import keras

    # What it ends in is replaced: for tags, whatever that is.
    whole = load_bare_network(file, photos, None if task == "multi-label" else task)
    last = whole.layers[-1]
    if last.name == TWO_CLASSES:
        last = whole.layers[-2]
    if not isinstance(last, keras.layers.Dense):
        raise ModelError(
            f"{file.model} must end in a dense layer to be trained; with train = false it is used as it is"
        )
    logits = keras.layers.Dense(len(classes), kernel_initializer="zeros", name="logits")(last.input)
    return keras.Model(whole.inputs, logits, name="teacher")
