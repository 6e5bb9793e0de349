"""The later seeds' students, as float files over the test photos: how much of a result is the luck of one draw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekd.data.dataset import Dataset
from edgekd.evaluation.score import score
from edgekd.formats.artifact import Artifact
from edgekd.pipeline.context import preprocessing_for
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stages.student import stage_of
from edgekd.recipe import Recipe
from edgekd.storage import write_json

# Row of the report, and the stage that its student is from.
_STUDENTS = (("labels_only", "scratch"), ("distilled", "distill"))


def seeds_stage(work: Workspace, recipe: Recipe, dataset: Dataset) -> Path:
    """Convert and score every later seed's students; writes ``seeds/seeds.json`` with their answers.

    The first seed's are in ``check/check.json``: it ships, whatever the others come to.
    """
    students = [
        (repeat, row, stage_of(stage, recipe, repeat))
        for repeat in range(1, recipe.seeds)
        for row, stage in _STUDENTS
        if recipe.distill.labels == "all" or row == "distilled"
    ]
    depends = {
        "models": {stage: work.hashes[stage] for _, _, stage in students},
        "photos": dataset.digest(),
        "crop": recipe.data.crop,
    }

    def do(directory: Path, _key: str) -> None:
        told: dict[int, dict[str, Any]] = {}
        for number, (repeat, row, stage) in enumerate(students):
            seed = recipe.seed + repeat
            artifact = _converted(work, recipe, dataset, stage, directory / f"seed-{seed}-{row}")
            answers = score(artifact, dataset, "test").predictions
            told.setdefault(seed, {"seed": seed})[row] = list(answers)
            work.watcher.progress(number + 1, len(students))
        write_json(directory / "seeds.json", {"schema": 1, "seeds": list(told.values())})

    return work.stage("seeds", depends, ("seeds.json",), do)


def _converted(work: Workspace, recipe: Recipe, dataset: Dataset, stage: str, target: Path) -> Artifact:
    """A student as a float32 .tflite: what is reported is measured on a file here too."""
    from edgekd.export.exporter import export
    from edgekd.models.load import load_model

    model = load_model(work.path / stage / "student.keras")
    (artifact,) = export(
        model, target.parent, target.name, labels=dataset.classes, preprocessing=preprocessing_for(recipe, model),
        precisions=("float32",), formats=("tflite",), options=recipe.export,
        provenance={"run": recipe.name, "recipe": recipe.digest(), "photos": dataset.digest(), "model": stage},
    )  # fmt: skip
    return artifact
