"""From the trained student to files that are checked, measured and reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekd.data.dataset import Dataset
from edgekd.formats.artifact import Artifact
from edgekd.pipeline.context import Pool, preprocessing_for
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stages.quantize import calibration_of, quantized_of
from edgekd.quantize.settings import QuantizeSection
from edgekd.recipe import Recipe
from edgekd.storage import write_json

# Row of the float file, the Keras file of the run that it is made of, and the stem of its name.
_MODELS = (
    ("teacher", "teacher/teacher.keras", "teacher"),
    ("labels_only", "scratch/student.keras", "labels-only"),
    ("distilled", "distill/student.keras", "student"),
)


def export_stage(work: Workspace, recipe: Recipe, dataset: Dataset, pool: Pool) -> Path:
    """Convert the three models; writes ``export/`` and ``export/index.json``, row name to file and parameters."""
    depends: dict[str, Any] = {
        "models": [work.hashes[n] for n in ("teacher", "scratch", "distill", "quantize") if n in work.hashes],
        "export": recipe.export.model_dump(mode="json"),
        "photos": dataset.digest(),
        "seed": recipe.seed,
    }
    if recipe.quantize != QuantizeSection():
        depends["quantize"] = recipe.quantize.model_dump(mode="json")

    def do(directory: Path, _key: str) -> None:
        from edgekd.models.load import load_model

        index: dict[str, Any] = {}
        # A teacher that is used as it is keeps its own format.
        models = [made for made in _MODELS if made[0] != "teacher" or not recipe.teacher.given]
        # Without labels there is no student from scratch.
        models = [made for made in models if made[0] != "labels_only" or recipe.distill.labels == "all"]
        for number, (row, file, stem) in enumerate(models):
            model = load_model(work.path / file)
            for artifact in _convert(work, recipe, dataset, pool, model, directory / stem, row):
                plain = (artifact.precision, artifact.format) == ("float32", "tflite")
                # Some ops in float or none: it is the row of the int8 file.
                precision = artifact.precision.removesuffix("-mixed")
                index[row if plain else f"{precision}_{artifact.format}"] = {
                    "file": artifact.path.name,
                    "precision": artifact.precision,
                    "parameters": model.count_params(),
                    "sha256": artifact.sha256,
                }
            work.watcher.progress(number + 1, len(models))
        write_json(directory / "index.json", index)

    return work.stage("export", depends, ("index.json",), do)


def _convert(
    work: Workspace, recipe: Recipe, dataset: Dataset, pool: Pool, model: Any, target: Path, row: str
) -> list[Artifact]:
    """The student in every format and precision asked for; the other two as float32 .tflite to be held against."""
    from edgekd.export.exporter import export

    preprocessing = preprocessing_for(recipe, model)
    full = row == "distilled"
    return export(
        model, target.parent, target.name, labels=dataset.classes, preprocessing=preprocessing,
        precisions=("float32", "int8", *recipe.quantize.precisions) if full else ("float32",),
        formats=tuple(dict.fromkeys(("tflite", *recipe.export.formats))) if full else ("tflite",),
        calibration=calibration_of(recipe, dataset, pool, preprocessing), output=recipe.export.output,
        quantize=quantized_of(work, recipe), options=recipe.export,
        provenance={
            "run": recipe.name, "recipe": recipe.digest(), "photos": dataset.digest(), "model": row,
            "calibration_seed": str(recipe.seed),
        },
    )  # fmt: skip
