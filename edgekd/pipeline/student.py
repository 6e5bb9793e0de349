"""The student's stages: its start, its training on labels alone, the teacher's column, the distillation."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Dataset
from edgekd.data.views_live import TrainingViews, open_views
from edgekd.data.views_render import rendered_batches
from edgekd.pipeline.photos import Pool, preprocessing_for, student_views, validation_of, view_facts
from edgekd.pipeline.stage import Workspace
from edgekd.recipe import Recipe
from edgekd.storage import replacing, sha256_file, write_json
from edgekd.students.build import build_student
from edgekd.students.spec import parse_student
from edgekd.teach.column import TeacherColumn, compute_column
from edgekd.teach.keras_teacher import load_model, open_teacher
from edgekd.teach.transfer import LabelledViews, probe
from edgekd.training.batches import BatchStream
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import Loss, deterministic, logits_of, train

_COLUMN_IMAGES = 256


class Lesson:
    """What every stage of the student shares; opened once a run, cheap to make."""

    def __init__(self, work: Workspace, recipe: Recipe, dataset: Dataset, pool: Pool) -> None:
        self.work, self.recipe, self.dataset, self.pool = work, recipe, dataset, pool
        self.photos = view_facts(recipe, dataset)

    def start_stage(self) -> Path:
        """The student before any training: both of its trainings begin here. Writes ``start/student.keras``.

        A slice gets a linear head first, fitted to the labels: both trainings start from that.
        """
        section = self.recipe.student
        spec = parse_student(section.model)
        depends = {
            "student": section.model_dump(mode="json"),
            "file": sha256_file(Path(spec.argument)) if spec.kind == "keras" else None,
            "teacher": self.work.hashes["teacher"],
            **self.photos,
        }

        def do(directory: Path, _key: str) -> None:
            deterministic(self.recipe.seed)
            teacher = load_model(self.work.path / "teacher" / "teacher.keras")
            student = build_student(
                spec, teacher, len(self.dataset.classes),
                freeze_blocks=section.freeze_blocks, allow_larger=section.allow_larger,
            )  # fmt: skip
            if spec.kind == "slice":
                self._probe(student)
            with replacing(directory / "student.keras") as temporary:
                student.save(temporary)

        return self.work.stage("start", depends, ("student.keras",), do)

    def scratch_stage(self) -> Path:
        """The same student, trained on the labels alone for as many steps. Writes ``scratch/``."""
        return self._train("scratch", LabelsOnly(), self.pool.labelled, None, {})

    def column_stage(self) -> Path:
        """The teacher's logits for every view of every training photo. Writes ``column/``."""
        depends = {"teacher": self.work.hashes["teacher"], **self.photos}

        def do(directory: Path, key: str) -> None:
            teacher = open_teacher(self.work.path / "teacher" / "teacher.keras")
            preprocessing = preprocessing_for(self.recipe, teacher.model)
            policy, seed = self.recipe.data.views, self.recipe.seed

            def rendered(start: int, stop: int) -> Iterator[npt.NDArray[np.uint8]]:
                return rendered_batches(
                    self.dataset, self.pool.samples, preprocessing, policy, seed, start=start, stop=stop,
                    # As many images a batch, however many views a photo has.
                    batch_samples=max(1, min(16, _COLUMN_IMAGES // policy.views)),
                )  # fmt: skip

            compute_column(
                directory, teacher, rendered,
                photos=len(self.pool.samples), views=policy.views, key=key, progress=self.work.watcher.progress,
            )  # fmt: skip

        return self.work.stage("column", depends, ("manifest.json",), do)

    def distill_stage(self) -> Path:
        """The student taught by the column. Writes ``distill/``."""
        column = TeacherColumn(self.work.path / "column")
        objective = self.recipe.distill.objective
        depends = {"objective": objective.model_dump(mode="json"), "column": self.work.hashes["column"]}
        return self._train("distill", objective, np.arange(len(self.pool.samples)), column, depends)

    def _train(
        self, stage: str, loss: Loss, photos: npt.NDArray[np.int64], column: TeacherColumn | None, depends: Any
    ) -> Path:
        schedule = self.recipe.distill.schedule
        depends = {
            "start": self.work.hashes["start"], "schedule": schedule.model_dump(mode="json"), **self.photos, **depends,
        }  # fmt: skip

        def do(directory: Path, key: str) -> None:
            deterministic(self.recipe.seed)
            student = load_model(self.work.path / "start" / "student.keras")
            stream = BatchStream(
                self._views(student), photos, self.pool.labels, column,
                batch_size=schedule.batch_size, seed=self.recipe.seed,
            )  # fmt: skip
            validation = validation_of(self.dataset, preprocessing_for(self.recipe, student))
            history = train(
                student, loss, stream, validation, schedule,
                # The budget is that of the whole pool, so that both trainings get as many steps.
                steps_per_epoch=schedule.steps_per_epoch(len(self.pool.samples)),
                checkpoint=directory / "checkpoint.npz", key=key, progress=self.work.watcher.progress,
            )  # fmt: skip
            told = history.to_json()
            told["val_predictions"] = logits_of(student, validation.images).argmax(axis=1).tolist()
            write_json(directory / "history.json", told)
            with replacing(directory / "student.keras") as temporary:
                student.save(temporary)
            (directory / "checkpoint.npz").unlink(missing_ok=True)

        return self.work.stage(stage, depends, ("student.keras", "history.json"), do)

    def _views(self, student: Any) -> TrainingViews:
        """Every view of every training photo at the student's size, in ``views/`` where that is not too large."""
        return student_views(
            self.work.path / "views", self.dataset, self.pool, self.recipe, preprocessing_for(self.recipe, student),
            self.work.watcher.progress,
        )  # fmt: skip

    def _probe(self, student: Any) -> None:
        labelled, policy = self.pool.labelled, self.recipe.data.views.plain()
        preprocessing = preprocessing_for(self.recipe, student)
        source, own = self._views(student), self.work.path / "start" / "views"
        if policy != self.recipe.data.views:
            samples = tuple(self.pool.samples[i] for i in labelled)
            source = open_views(own, self.dataset, samples, preprocessing, policy, self.recipe.seed)
        # Labelled photos come first in the pool, so that their numbers are also their places among its views.
        views = LabelledViews(source, self.pool.labels[labelled])
        probe(student, views, validation_of(self.dataset, preprocessing))
        shutil.rmtree(own, ignore_errors=True)
