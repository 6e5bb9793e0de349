"""Soft targets of any list of photos, at any address: labels for millions that no run could hold."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgekd._version import __version__
from edgekd.data.dataset import Dataset
from edgekd.errors import UsageError
from edgekd.pipeline.context import mirror_facts, teacher_identity, view_settings
from edgekd.pipeline.soft_target_views import load_finished_teacher, photos_per_batch
from edgekd.preprocess import Preprocessing
from edgekd.progress import Progress
from edgekd.recipe import Recipe, load_recipe
from edgekd.scale.place import LocalPlace, Place, is_uri, open_place
from edgekd.scale.workers import PieceRecord, Work, Workers
from edgekd.soft_targets.compute import RenderedShard, fill_soft_targets, shard_logits
from edgekd.soft_targets.photo_list import ListFacts, shard_names, shard_starts, store_list
from edgekd.soft_targets.photo_reader import Readers, Rendering, processes_wanted
from edgekd.soft_targets.store import SHARD, as_file, shard_name
from edgekd.storage import digest, locked, read_json
from edgekd.teacher.protocol import Teacher

FAILED = "failed.txt"


@dataclass(frozen=True)
class LabelSummary:
    """Soft targets of ``photos`` at ``place``; ``failed`` photos could not be read and are listed in ``failed.txt``.

    ``computed`` photos were done by this call, in which the workers took ``seconds`` in all, ``teacher_s`` of them in
    the teacher. ``classes`` counts those photos by the class that the teacher predicts, over all views; where photos
    have tags, a photo counts for each one that the teacher gives it.
    """

    place: str
    photos: int
    failed: int
    computed: int
    seconds: float
    teacher_s: float
    classes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ListJob:
    """What computes the shards of a list: ``run`` holds the finished teacher, ``place`` the stored list."""

    recipe: Recipe
    run: Path
    source: str
    place: str
    photos: int

    def __call__(self) -> Work:
        """Load the teacher, and where the names of every shard stand."""
        dataset = Dataset.load(self.run / "data" / "dataset.json")
        teacher = load_finished_teacher(self.recipe, self.run, dataset)
        return ShardOfList(self, teacher, processes_wanted())


def label_photos(
    recipe: Recipe | str | os.PathLike[str], run: str | os.PathLike[str], source: str, where: str, *,
    workers: Workers | None = None, progress: Progress | None = None,
) -> LabelSummary:  # fmt: skip
    """Store the soft targets of the photos that the list ``source`` names, in the recipe's views, at ``where``.

    ``run`` is a run directory of the recipe that has come past its teacher. Killed and called again, it computes what
    is missing. Photos that are gone or don't decode have NaN for logits and are listed. A folder of this machine is
    locked for one process; at a URI nothing keeps two from doing the same work.

    Raises: UsageError, DataError, StorageError; RunError where another process fills ``where``.
    """
    recipe, run = recipe if isinstance(recipe, Recipe) else load_recipe(Path(recipe)), Path(run)
    policy = recipe.data.views
    if policy.mix.on:
        raise UsageError("mixed views need all photos at once: remove [data.views.mix] to label a list")
    place = open_place(where)
    source = source if is_uri(source) else str(Path(source).absolute())
    with locked(place.folder) if isinstance(place, LocalPlace) else nullcontext():
        facts = store_list(place, source, SHARD)
        job = ListJob(recipe, run.absolute(), source, str(place), facts.photos)
        about = {"list": source, "names": facts.sha256, **view_settings(recipe), **teacher_identity(recipe, run)}
        reports = fill_soft_targets(
            place, job, photos=facts.photos, views=policy.views, key=_key(recipe, run, facts),
            workers=workers, progress=progress, finish=lambda: {**_failures(place), "about": about},
        )  # fmt: skip
    return LabelSummary(
        place=str(place),
        photos=facts.photos,
        failed=json.loads(place.read("manifest.json"))["failed"],
        computed=sum(report["photos"] for report in reports),
        seconds=sum(report["seconds"] for report in reports),
        teacher_s=sum(report["teacher_s"] for report in reports),
        classes=_count_classes(run, reports),
    )


def _count_classes(run: Path, reports: Sequence[PieceRecord]) -> dict[str, int]:
    names = read_json(run / "teacher" / "summary.json")["classes"]
    counts = [report["classes"] for report in reports if "classes" in report]
    return {name: sum(count[number] for count in counts) for number, name in enumerate(names)} if counts else {}


class ShardOfList:
    """The work on one shard, whose photos are read ahead of the teacher."""

    def __init__(self, job: ListJob, teacher: Teacher, processes: int = 0) -> None:
        self._job, self._teacher, self._place = job, teacher, open_place(job.place)
        self._starts, self._readers = shard_starts(self._place), Readers(processes)

    def __call__(self, number: int) -> PieceRecord:
        """Compute a shard and write it, after the list of its photos that failed."""
        started = time.perf_counter()
        if self._place.has(shard_name(number)):
            return {"photos": 0, "seconds": 0.0, "teacher_s": 0.0}
        names, failed = shard_names(self._place, self._starts, number), dict[int, str]()
        logits, teacher_s = shard_logits(
            self._teacher, lambda size: self._render(names, size, failed), (0, len(names)), self._views
        )
        if failed:
            logits[list(failed)] = np.nan
            lines = [f"{number * SHARD + row}\t{names[row]}\t{error}\n" for row, error in sorted(failed.items())]
            self._place.write(f"failed-{number:05d}.txt", "".join(lines).encode())
        self._place.write(shard_name(number), as_file(logits))
        answers = logits[~np.isnan(logits).any(axis=(1, 2))].astype(np.float32).mean(axis=1)
        if self._job.recipe.data.task == "multi-label":
            counts = (answers > 0).sum(axis=0)
        else:
            counts = np.bincount(answers.argmax(axis=1), minlength=logits.shape[2])
        return {
            "photos": len(names), "seconds": time.perf_counter() - started, "teacher_s": teacher_s,
            "classes": counts.tolist(),
        }  # fmt: skip

    @property
    def _views(self) -> int:
        return self._job.recipe.data.views.views

    def _render(self, names: list[str], size: tuple[int, int], failed: dict[int, str]) -> RenderedShard:
        recipe = self._job.recipe
        preprocessing = Preprocessing(height=size[0], width=size[1], crop=recipe.data.crop)
        rendering = Rendering(recipe.data.views, recipe.seed, self._job.source, preprocessing)
        return lambda start, stop: self._readers.batches(
            rendering, names[start:stop], photos_per_batch(self._views), failed
        )


def _failures(place: Place) -> dict[str, Any]:
    """Write the list of all photos that failed, if any did; returns what the manifest records of it."""
    parts = sorted(name for name in place.names() if name.startswith("failed-"))
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for part in parts:
            content = place.read(part)
            count += content.count(b"\n")
            yield content

    if parts:
        place.stream(FAILED, lines())
    return {"failed": count}


def _key(recipe: Recipe, run: Path, facts: ListFacts) -> str:
    """Hash of all that decides the soft targets: teacher, views, and the names in their order."""
    teacher = read_json(run / "teacher" / "stage.json")["outputs"]
    settings = {**view_settings(recipe), **mirror_facts(recipe)}
    return digest({"edgekd": __version__, "teacher": teacher, **settings, "photos": facts.sha256})
