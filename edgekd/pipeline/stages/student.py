"""The student's stages: its start, its training on labels alone, the teacher's column, the distillation."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Dataset
from edgekd.data.images import images_of, some_of
from edgekd.data.views_live import TrainingViews, open_views
from edgekd.distill.bind import bind
from edgekd.models.load import load_model
from edgekd.pipeline.context import Pool, chosen_by, preprocessing_for, student_views, validation_of, view_facts
from edgekd.pipeline.stage import EpochWatcher, Workspace
from edgekd.pipeline.stages.extra_targets import extra_stores
from edgekd.pipeline.stages.features import features_stage, open_features
from edgekd.pipeline.stages.soft_targets import soft_targets_stage, views_at
from edgekd.preprocess import Preprocessing
from edgekd.recipe import Recipe
from edgekd.soft_targets.joined import JoinedLogits, JoinedViews, StoredPhotos
from edgekd.soft_targets.store import SoftTargets
from edgekd.storage import read_json, replacing, sha256_file, write_json
from edgekd.students.build import FixedTeacher, build_student
from edgekd.students.spec import parse_student
from edgekd.teacher.transfer import LabelledViews, probe
from edgekd.training.batches import BatchStream, StoredLogits, ViewSource
from edgekd.training.joined_order import ExtendedLabels
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import Validation, deterministic, logits_of, train
from edgekd.training.order import Numbers
from edgekd.training.replicas import on_every_gpu

# What a narrowed slice's channels are chosen by: pixels are many more than photos.
_NARROW_PHOTOS = 400


def stage_of(name: str, recipe: Recipe, repeat: int) -> str:
    """The stage of a seed's student; the first seed's, which ships, is not under a folder of its own."""
    return f"seed-{recipe.seed + repeat}/{name}" if repeat else name


class Lesson:
    """What every stage of the student shares; opened once a run, cheap to make."""

    def __init__(self, work: Workspace, recipe: Recipe, dataset: Dataset, pool: Pool) -> None:
        self.work, self.recipe, self.dataset, self.pool = work, recipe, dataset, pool
        self.photos = view_facts(recipe, dataset)
        self.label_free = recipe.distill.labels == "none"

    def start_stage(self, repeat: int = 0) -> Path:
        """The student before any training: both of its trainings begin here. Writes ``start/student.keras``.

        A slice gets a linear head first, fitted to the labels (if any are used): both trainings start from that.
        """
        section = self.recipe.student
        spec = parse_student(section.model)
        depends = {
            "student": section.model_dump(mode="json"),
            "file": sha256_file(Path(spec.argument)) if spec.kind == "keras" else None,
            "teacher": self.work.hashes["teacher"],
            **self.photos,
            **self._varied(repeat),
        }

        def do(directory: Path, _key: str) -> None:
            deterministic(self.recipe.seed + repeat)
            student = build_student(
                spec, self._cut_from(), len(self.dataset.classes),
                freeze_blocks=section.freeze_blocks, allow_larger=section.allow_larger, photos=self._some_photos,
            )  # fmt: skip
            if spec.kind == "slice" and not self.label_free:
                self._probe(student)
            with replacing(directory / "student.keras") as temporary:
                student.save(temporary)

        return self.work.stage(stage_of("start", self.recipe, repeat), depends, ("student.keras",), do)

    def scratch_stage(self, repeat: int = 0) -> Path:
        """The same student, trained on the labels alone for as many steps. Writes ``scratch/``."""
        return self._train("scratch", repeat, {})

    def soft_targets_stage(self) -> Path:
        """The teacher's logits for every view of every training photo. Writes ``column/``."""
        return soft_targets_stage(self.work, self.recipe, self.dataset, self.pool)

    def distill_stage(self, repeat: int = 0) -> Path:
        """The student taught by the column, and by stored ones if the recipe names any. Writes ``distill/``."""
        section = self.recipe.distill
        depends: dict[str, Any] = {
            "objective": section.objective.model_dump(mode="json"), "column": self.work.hashes["column"],
        }  # fmt: skip
        if section.confidence:
            depends["confidence"] = section.confidence.model_dump(mode="json")
        if section.labelled_share is not None:
            depends["labelled_share"] = section.labelled_share
        if features_stage(self.work, self.recipe, self.pool, views_at(self.recipe, self.dataset, self.pool)):
            depends["features"] = self.work.hashes["features"]
        if self.recipe.data.taught:
            depends["taught"] = [column["key"] for column in extra_stores(self.work.path)]
        return self._train("distill", repeat, depends)

    def _train(self, name: Literal["scratch", "distill"], repeat: int, depends: Any) -> Path:
        schedule, start = self.recipe.distill.schedule, stage_of("start", self.recipe, repeat)
        depends = {
            "start": self.work.hashes[start], "schedule": schedule.model_dump(mode="json"), **self.photos, **depends,
            **chosen_by(self.recipe), **self._varied(repeat),
        }  # fmt: skip

        @on_every_gpu(schedule.batch_size)
        def do(directory: Path, key: str) -> None:
            deterministic(self.recipe.seed + repeat)
            student = load_model(self.work.path / start / "student.keras")
            section, features = self.recipe.distill, None
            if "features" in depends:
                features = open_features(self.work, self.recipe, self.dataset, self.pool)
            loss = (
                bind(LabelsOnly(), student) if name == "scratch"
                else bind(section.objective, student, features and features.teacher, section.confidence)
            )  # fmt: skip
            seed, photos = self.recipe.seed + repeat, len(self.pool.samples)
            if name == "scratch":
                stream = BatchStream(
                    self._views(student), self.pool.labelled, self.pool.labels, None,
                    batch_size=schedule.batch_size, seed=seed,
                )  # fmt: skip
            else:
                sources = features.sources if features else ()
                stream = self.distillation_batches(student, schedule.batch_size, seed, sources)
                photos = self.distillation_photos
            validation = self.validation(student)
            history = train(
                student, loss, stream, validation, schedule,
                # The budget is that of the whole pool, so that both trainings get as many steps; stored columns, which
                # the labels know nothing of, add to the distillation's alone.
                steps_per_epoch=schedule.steps_per_epoch(photos),
                checkpoint=directory / "checkpoint.npz", key=key, tapped=loss.tapped,
                progress=self.work.watcher.progress, epoch_done=self._epoch_done(stage_of(name, self.recipe, repeat)),
            )  # fmt: skip
            told = {**history.to_json(), "metric": validation.metric}
            if features:
                told["features"] = features.told
            told["val_predictions"] = logits_of(student, validation.images).argmax(axis=1).tolist()
            write_json(directory / "history.json", told)
            with replacing(directory / "student.keras") as temporary:
                student.save(temporary)
            (directory / "checkpoint.npz").unlink(missing_ok=True)

        outputs = ("student.keras", "history.json")
        return self.work.stage(stage_of(name, self.recipe, repeat), depends, outputs, do)

    def _epoch_done(self, stage: str) -> Callable[[dict[str, float]], None] | None:
        watcher = self.work.watcher
        return functools.partial(watcher.epoch, stage) if isinstance(watcher, EpochWatcher) else None

    @property
    def distillation_photos(self) -> int:
        """How many photos the student is distilled from: the pool's and those of stored columns."""
        return len(self.pool.samples) + sum(int(column["photos"]) for column in extra_stores(self.work.path))

    def distillation_batches(
        self, student: Any, batch_size: int, seed: int | None = None, features: Sequence[StoredLogits] = ()
    ) -> BatchStream:
        """What the student is distilled from: the pool's photos, and after them those of stored columns.

        Its training in int8 takes batches of logits alone.
        """
        own, count = self._views(student), len(self.pool.samples)
        views: ViewSource = own
        logits: StoredLogits = SoftTargets(self.work.path / "column")
        labels: Numbers = self.pool.labels
        if self.recipe.data.taught:
            more = StoredPhotos(self.work.path / "taught", self.recipe, preprocessing_for(self.recipe, student))
            views, logits = JoinedViews(own, count, more), JoinedLogits(logits, count, more)
            labels = ExtendedLabels(self.pool.labels, len(more))
        return BatchStream(
            views, self.pool.shown(self.recipe.distill.labelled_share, len(labels) - count), labels, logits,
            batch_size=batch_size, seed=self.recipe.seed if seed is None else seed, features=features,
        )  # fmt: skip

    def _varied(self, repeat: int) -> dict[str, Any]:
        """What sets the later seeds' keys apart; the first one's are those of a run of one seed."""
        return {"draw": self.recipe.seed + repeat} if repeat else {}

    def validation(self, student: Any) -> Validation:
        """The validation photos; without labels, with the teacher's answers in their place."""
        validation = validation_of(self.dataset, preprocessing_for(self.recipe, student), self.recipe)
        if not self.label_free:
            return validation
        answers = read_json(self.work.path / "teacher" / "summary.json")["val_predictions"]
        return Validation(validation.images, np.asarray(answers, np.int64))

    def _cut_from(self) -> Any:
        """The teacher as its student's builder takes it."""
        if not self.recipe.teacher.given:
            return load_model(self.work.path / "teacher" / "teacher.keras")
        told = read_json(self.work.path / "teacher" / "summary.json")
        return FixedTeacher(told["name"], int(told["input"][0]), int(told["parameters"]))

    def _some_photos(self, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
        """Training photos, with labels and without, as they are."""
        preprocessing = Preprocessing(height=size[0], width=size[1], crop=self.recipe.data.crop)
        return images_of(self.dataset, some_of(self.pool.samples, _NARROW_PHOTOS, self.recipe.seed), preprocessing)

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
        probe(student, views, validation_of(self.dataset, preprocessing, self.recipe))
        shutil.rmtree(own, ignore_errors=True)
