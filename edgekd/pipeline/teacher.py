"""The teacher stage: a network that knows the user's classes, and how well it does."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from edgekd.data.dataset import Dataset
from edgekd.data.views_live import open_views
from edgekd.errors import ModelError
from edgekd.metrics import accuracy
from edgekd.pipeline.photos import Pool, preprocessing_for, validation_of, view_facts
from edgekd.pipeline.stage import Workspace
from edgekd.recipe import Recipe
from edgekd.storage import replacing, sha256_file, write_json
from edgekd.teach import applications, efficientnet_lite
from edgekd.teach.keras_teacher import adopt
from edgekd.teach.settings import TeacherSection
from edgekd.teach.transfer import LabelledViews, fine_tune, probe
from edgekd.training.loop import deterministic, evaluate, logits_of


def teacher_stage(work: Workspace, recipe: Recipe, dataset: Dataset, pool: Pool) -> Path:
    """Build and train the teacher; writes ``teacher/teacher.keras`` and ``teacher/summary.json``."""
    section = recipe.teacher
    assert isinstance(section.model, str)
    depends = {
        "teacher": section.model_dump(mode="json", exclude={"accept_weak"}),
        "file": sha256_file(Path(section.model)) if section.model.endswith(".keras") else None,
        **view_facts(recipe, dataset, plain=True),
    }

    def do(directory: Path, key: str) -> None:
        started = time.monotonic()
        deterministic(recipe.seed)
        model = build_teacher(section, dataset.classes)
        history = _learn(work, recipe, dataset, pool, model, directory, key) if section.train else []
        preprocessing = preprocessing_for(recipe, model)
        validation = validation_of(dataset, preprocessing)
        logits = logits_of(model, validation.images)
        predictions = logits.argmax(axis=1)
        right = accuracy(validation.labels, predictions)
        with replacing(directory / "teacher.keras") as temporary:
            model.save(temporary)
        summary = {
            "schema": 1,
            "name": section.model,
            "classes": list(dataset.classes),
            "input": [preprocessing.height, preprocessing.width],
            "parameters": model.count_params(),
            "val_accuracy": {"value": right.value, "low": right.low, "high": right.high, "n": len(predictions)},
            "val_loss": evaluate(logits, validation.labels)[1],
            "val_predictions": predictions.tolist(),
            "seconds": round(time.monotonic() - started, 3),
            "history": history,
        }
        write_json(directory / "summary.json", summary)

    return work.stage("teacher", depends, ("teacher.keras", "summary.json"), do)


def build_teacher(section: TeacherSection, classes: tuple[str, ...]) -> Any:
    """The Keras model that ``[teacher]`` names, with logits in the order of ``classes``; a new head starts at zero."""
    assert isinstance(section.model, str)
    if section.model.endswith(".keras"):
        if section.train:
            return _with_new_head(section, classes)
        return adopt(
            Path(section.model),
            section.classes,
            classes,
            section.pixel_range or (0.0, 255.0),
            section.input_size or 224,
        )
    assert section.input_size is not None
    if section.model == "efficientnet-lite0":
        return efficientnet_lite.build(section.input_size, len(classes), pretrained=section.weights != "none")
    if section.model.startswith("keras:"):
        name = section.model.removeprefix("keras:")
        return applications.build(name, section.input_size, len(classes), section.weights)
    raise ModelError(
        f"teacher.model = {section.model!r} is none of efficientnet-lite0, keras:NAME (of keras.applications) "
        "and the path of a .keras file"
    )


def _with_new_head(section: TeacherSection, classes: tuple[str, ...]) -> Any:
    """The user's network with its last layer replaced, to be trained for ``classes``."""
    import keras

    whole = adopt(Path(str(section.model)), (), (), section.pixel_range or (0.0, 255.0), section.input_size or 224)
    last = whole.layers[-1]
    if not isinstance(last, keras.layers.Dense):
        raise ModelError(
            f"{section.model} must end in a dense layer to be trained; with train = false it is used as it is"
        )
    logits = keras.layers.Dense(len(classes), kernel_initializer="zeros", name="logits")(last.input)
    return keras.Model(whole.inputs, logits, name="teacher")


def _learn(
    work: Workspace, recipe: Recipe, dataset: Dataset, pool: Pool, model: Any, directory: Path, key: str
) -> list[dict[str, float]]:
    preprocessing = preprocessing_for(recipe, model)
    labelled = pool.labelled
    samples = tuple(pool.samples[i] for i in labelled)
    rendered = directory / "views"
    policy = recipe.data.views.plain()
    store = open_views(rendered, dataset, samples, preprocessing, policy, recipe.seed, progress=work.watcher.progress)
    views = LabelledViews(store, pool.labels[labelled])
    validation = validation_of(dataset, preprocessing)
    probe(model, views, validation, work.watcher.progress)
    history: list[dict[str, float]] = []
    section = recipe.teacher
    if section.fine_tune_blocks:
        history = fine_tune(
            model, views, validation, section.fine_tune, last_blocks=section.fine_tune_blocks, seed=recipe.seed,
            checkpoint=directory / "checkpoint.npz", key=key, progress=work.watcher.progress,
        ).epochs  # fmt: skip
        (directory / "checkpoint.npz").unlink(missing_ok=True)
    shutil.rmtree(rendered, ignore_errors=True)
    return history
