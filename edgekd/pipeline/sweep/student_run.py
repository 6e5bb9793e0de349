"""One student of a sweep: a whole run of its own, with the stages that all share taken over."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekd.errors import GateFailed
from edgekd.pipeline.run import run
from edgekd.pipeline.stage_table import SHARED
from edgekd.progress import Silent, Watcher
from edgekd.recipe import Recipe
from edgekd.scale.workers import Report, Workers
from edgekd.storage import digest


@dataclass(frozen=True)
class StudentJob:
    """The runs of ``students`` (name, and how many of its blocks are frozen) under ``directory``, by their numbers.

    Called, it trains and checks one; that is what workers that see the same folders are given.
    """

    recipe: Recipe
    students: tuple[tuple[str, int], ...]
    directory: Path
    accept_weak_teacher: bool

    def __call__(self, number: int, report: Report) -> None:
        """Train and check a student; ``report`` is called after each epoch of its distillation."""
        self.run(number, "seeds", _Reporting(self.recipe, report))

    def run(self, number: int, until: str, watcher: Watcher, workers: Workers | None = None) -> None:
        """A student's run up to a stage. A failed gate is in the check's record, where the run got that far."""
        spec, freeze_blocks = self.students[number]
        folder = self.directory / slug(spec)
        section = self.recipe.student.model_copy(update={"model": spec, "freeze_blocks": freeze_blocks})
        # All have one teacher, so its int8 file is made and timed once.
        export = self.recipe.export.model_copy(update={"teacher_int8": self.recipe.export.teacher_int8 and not number})
        recipe = self.recipe.model_copy(update={"student": section, "name": slug(spec), "export": export})
        try:
            run(
                recipe, folder, until=until, accept_weak_teacher=self.accept_weak_teacher, watcher=watcher,
                workers=workers,
            )  # fmt: skip
        except GateFailed:
            if not (folder / "check" / "check.json").is_file():
                raise

    def take_over(self, number: int) -> None:
        """Give a student the stages that were done for all of them."""
        first, folder = (self.directory / slug(self.students[n][0]) for n in (0, number))
        _link_stages(self.directory, folder, SHARED[:1])
        _link_stages(first, folder, SHARED)


class _Reporting(Silent):
    """Passes on how good the distillation of the first seed, which ships, is after each epoch."""

    def __init__(self, recipe: Recipe, report: Report) -> None:
        self._metric, self._report = f"val_{recipe.metric}", report

    def epoch(self, stage: str, entry: dict[str, float]) -> None:
        """A training has done an epoch; without validation photos the loss has to do."""
        if stage == "distill":
            self._report(int(entry["epoch"]) + 1, entry.get(self._metric, -entry["loss"]))


def slug(spec: str) -> str:
    """A directory's name for a student; two specs that would share one are told apart by their hash."""
    plain = re.sub(r"[^A-Za-z0-9._@-]", "-", spec).lstrip("-._@")
    return plain if plain == spec.replace(":", "-") else f"{plain[-60:]}-{digest(spec)[:8]}"


def _link_stages(done: Path, folder: Path, stages: Sequence[str]) -> None:
    """Link stages that were done in ``done`` already; files are replaced, never changed, so links hold."""
    for stage in stages:
        source, target = done / stage, folder / stage
        if done == folder or not source.is_dir() or (target / "stage.json").is_file():
            continue
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without links.
        shutil.copy2(source, target)
