"""Stage ``seeds``: later seeds' students, trained and scored: how much of a result is the luck of one draw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekd.evaluation.score import score
from edgekd.formats.artifact import Artifact
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.stages import distill, scratch, start
from edgekd.pipeline.student_training import seed_folder
from edgekd.pipeline.tag_thresholds import comparable_thresholds
from edgekd.storage import write_json

# Row of the report, and the stage that its student is from.
_STUDENTS = (("labels_only", "scratch"), ("distilled", "distill"))


def run(context: RunContext) -> None:
    """Train, convert and score every later seed's students; writes ``seeds/seeds.json`` with their predictions.

    The first seed's are in ``check/check.json``: it ships, whatever the others give.
    """
    recipe, workspace = context.recipe, context.workspace
    for repeat in range(1, recipe.seeds):
        start.run(context, repeat)
        if not context.label_free:
            scratch.run(context, repeat)
        distill.run(context, repeat)
    students = [
        (repeat, row, seed_folder(stage, recipe.seed, repeat))
        for repeat in range(1, recipe.seeds)
        for row, stage in _STUDENTS
        if not context.label_free or row == "distilled"
    ]
    depends: dict[str, Any] = {
        "models": {stage: workspace.hashes[stage] for _, _, stage in students},
        "photos": context.dataset.digest(),
        "crop": recipe.data.crop,
    }
    if context.dataset.task == "multi-label":
        # Predictions of labels serve every metric; of tags, one takes probabilities and another what is given.
        depends["metric"] = recipe.metric

    def work(directory: Path, _key: str) -> None:
        records: dict[int, dict[str, Any]] = {}
        for number, (repeat, row, stage) in enumerate(students):
            seed = recipe.seed + repeat
            artifact = _convert(context, stage, directory / f"seed-{seed}-{row}")
            thresholds = comparable_thresholds(context, f"{stage}/history.json")
            answers = score(artifact, context.dataset, "test", thresholds=thresholds).answers(recipe.metric)
            records.setdefault(seed, {"seed": seed})[row] = answers.tolist()
            workspace.watcher.progress(number + 1, len(students))
        write_json(directory / "seeds.json", {"schema": 1, "seeds": list(records.values())})

    workspace.stage("seeds", depends, ("seeds.json",), work)


def _convert(context: RunContext, stage: str, target: Path) -> Artifact:
    """A student as a float32 .tflite: what is reported is measured on a file here too."""
    from edgekd.export.exporter import export
    from edgekd.models.load import load_model

    recipe, dataset = context.recipe, context.dataset
    model = load_model(context.path / stage / "student.keras")
    (artifact,) = export(
        model, target.parent, target.name, labels=dataset.classes, preprocessing=context.preprocessing(model),
        precisions=("float32",), formats=("tflite",), options=recipe.export, task=dataset.task,
        provenance={"run": recipe.name, "recipe": recipe.digest(), "photos": dataset.digest(), "model": stage},
    )  # fmt: skip
    return artifact
