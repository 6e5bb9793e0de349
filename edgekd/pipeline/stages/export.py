"""Stage ``export``: the student in every format and precision asked for, and the models that it is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekd.formats.artifact import Artifact
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.shipped import shipped_student
from edgekd.pipeline.stages.decide import fitted_decisions
from edgekd.pipeline.stages.quantize import calibration_images, quantized_student
from edgekd.pipeline.teacher_int8 import NETWORK, export_teacher_int8
from edgekd.pipeline.teacher_int8 import ROW as TEACHER_INT8
from edgekd.pipeline.trained_members import first_trained_file
from edgekd.quantize.per_tensor import COST
from edgekd.quantize.ptq import Conversion
from edgekd.storage import write_json

# Row of the float file, the Keras file of the run that it is made of, and the stem of its name; the student that ships
# is called "student".
_MODELS = (
    ("teacher", "teacher/teacher.keras", "teacher"),
    ("labels_only", "scratch/student.keras", "labels-only"),
    ("distilled", "distill/student.keras", "distilled"),
)


def run(context: RunContext) -> None:
    """Convert the models; writes ``export/`` and ``export/index.json``, row name to file and parameters."""
    recipe, hashes = context.recipe, context.workspace.hashes
    depends: dict[str, Any] = {
        "models": [hashes[n] for n in ("teacher", "scratch", "distill", "quantize") if n in hashes],
        "ships": shipped_student(context).row,
        "export": recipe.export.stage_facts(),
        "photos": context.dataset.digest(),
        "seed": recipe.seed,
        "quantize": recipe.quantize.model_dump(mode="json"),
        **({"decide": hashes["decide"]} if "decide" in hashes else {}),
    }

    def work(directory: Path, _key: str) -> None:
        from edgekd.models.load import load_model

        index: dict[str, Any] = {}
        costs: list[str] = []
        shipped = shipped_student(context)
        # A fixed teacher keeps its own format.
        models = [entry for entry in _MODELS if entry[0] != "teacher" or not recipe.teacher.is_fixed]
        # Without labels there is no student from scratch.
        models = [entry for entry in models if entry[0] != "labels_only" or not context.label_free]
        for number, (row, file, stem) in enumerate(models):
            model = load_model(context.path / file)
            full = row == shipped.row
            for artifact in _convert(context, model, directory / ("student" if full else stem), row, full=full):
                if artifact.format == "mlpackage":
                    # Checked by its export; no runtime here times it.
                    continue
                if cost := artifact.provenance.get(COST):
                    costs.append(str(cost))
                plain = (artifact.precision, artifact.format) == ("float32", "tflite")
                # Some ops in float or none: it is the row of the int8 file.
                precision = artifact.precision.removesuffix("-mixed")
                index[row if plain else f"{precision}_{artifact.format}"] = _entry(artifact, model)
            if row == "teacher" and recipe.export.teacher_int8:
                int8 = export_teacher_int8(context, model, directory, _provenance(context))
                if int8 is not None:
                    index[TEACHER_INT8] = _entry(int8, model)
            context.workspace.watcher.progress(number + 1, len(models))
        if recipe.export.teacher_int8 and (trained := first_trained_file(recipe.teacher, context.path)):
            # An average is no file: one of its networks is what a user has without distilling anything.
            model = load_model(trained[1])
            int8 = export_teacher_int8(context, model, directory, {**_provenance(context), NETWORK: trained[0]})
            if int8 is not None:
                index[TEACHER_INT8] = _entry(int8, model)
        for cost in dict.fromkeys(costs):
            context.workspace.watcher.note(f"weight scales: {cost}")
        write_json(directory / "index.json", index)

    context.workspace.stage("export", depends, ("index.json",), work)
    for note in shipped_student(context).notes:
        context.workspace.watcher.note(note)


def _entry(artifact: Artifact, model: Any) -> dict[str, Any]:
    return {
        "file": artifact.path.name,
        "precision": artifact.precision,
        "parameters": model.count_params(),
        "sha256": artifact.sha256,
    }


def _provenance(context: RunContext) -> dict[str, str]:
    recipe = context.recipe
    return {
        "run": recipe.name, "recipe": recipe.digest(), "photos": context.dataset.digest(),
        "calibration_seed": str(recipe.seed),
    }  # fmt: skip


def _convert(context: RunContext, model: Any, target: Path, row: str, *, full: bool) -> list[Artifact]:
    """The student that ships in every format and precision; the other models as float32 .tflite to compare with."""
    from edgekd.export.exporter import export

    recipe, photos = context.recipe, context.dataset
    preprocessing = context.preprocessing(model)
    quantize = quantized_student(context)
    # Only where ranges are chosen here are further photos needed.
    validation = context.validation(model).images if full and not isinstance(quantize, Conversion) else None
    return export(
        model, target.parent, target.name, labels=photos.classes, preprocessing=preprocessing,
        precisions=("float32", "int8", *recipe.quantize.precisions) if full else ("float32",),
        formats=tuple(dict.fromkeys(("tflite", *recipe.export.formats))) if full else ("tflite",),
        calibration=calibration_images(context, preprocessing),
        validation=validation, output=recipe.export.output,
        quantize=quantize, options=recipe.export, task=photos.task,
        provenance={**_provenance(context), "model": row}, decisions=fitted_decisions(context) if full else None,
        none_label=photos.none_class,
    )  # fmt: skip
