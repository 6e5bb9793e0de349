"""From the trained student to files that are checked, measured and reported."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from edgekd.bench.harness import BenchTarget, measure
from edgekd.data.dataset import Dataset
from edgekd.devices.table import open_device
from edgekd.errors import RunError
from edgekd.evaluation.score import score
from edgekd.formats.artifact import Artifact
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stages.data import Pool, images_of, preprocessing_for
from edgekd.pipeline.stages.fixed_teacher import given_row, given_target
from edgekd.pipeline.stages.quantize import calibration_of, quantized_of
from edgekd.quantize.precisions import PRECISIONS
from edgekd.quantize.settings import QuantizeSection
from edgekd.recipe import Recipe
from edgekd.storage import digest, read_json, write_json

TITLES = {
    "teacher": "teacher",
    "labels_only": "student, labels alone",
    "distilled": "student, distilled",
    "int8_tflite": "int8 TFLite",
    "int8_onnx": "int8 ONNX",
    **{f"{name}_tflite": f"{PRECISIONS[name].title} TFLite" for name in ("float16", "dynamic", "int16x8")},
}
_BENCH_PHOTOS = 16
_FLOATS = ("teacher", "labels_only", "distilled")
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
        from edgekd.teacher.keras_teacher import load_model

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


def title_of(row: str, artifact: Artifact) -> str:
    """What a row is called: an int8 file some of whose ops are float says so."""
    return TITLES[row].replace("int8", "int8, some ops float,") if artifact.precision == "int8-mixed" else TITLES[row]


def _compressed(artifact: Artifact) -> dict[str, int]:
    """Of a pruned or clustered file, what it comes to in an app's package or a download."""
    if "sparsity" not in artifact.provenance:
        return {}
    return {"gzip_bytes": len(gzip.compress(artifact.content(), mtime=0))}


def artifacts_of(work: Workspace) -> dict[str, Artifact]:
    """Every exported file by its row name, opened and so checked to be unchanged."""
    return artifacts_in(work.path)


def artifacts_in(run_dir: Path) -> dict[str, Artifact]:
    """The exported files of a run directory by row name. Raises: RunError if it has none; ArtifactError."""
    index = run_dir / "export" / "index.json"
    if not index.is_file():
        raise RunError(f"{run_dir} has no exported files (no export/index.json). Make them: edgekd run RECIPE")
    return {row: Artifact.open(run_dir / "export" / told["file"]) for row, told in read_json(index).items()}


def check_stage(work: Workspace, recipe: Recipe, dataset: Dataset) -> Path:
    """Run every file of the table over the test split; writes ``check/check.json`` with rows and gates."""
    depends = {
        "export": work.hashes["export"],
        "gates": recipe.gates.model_dump(mode="json"),
        "metric": recipe.metric,
        "photos": dataset.digest(),
        "teacher": digest(read_json(work.path / "teacher" / "gates.json")),
    }

    def do(directory: Path, _key: str) -> None:
        index, files = read_json(work.path / "export" / "index.json"), artifacts_of(work)
        samples = dataset.split("test")
        rows, gates = [], []
        if recipe.teacher.given:
            rows.append({**given_row(work, recipe, dataset), "row": "teacher", "title": TITLES["teacher"]})
        shown = [row for row in TITLES if row in files]
        for number, row in enumerate(shown):
            reference = None if row in _FLOATS else files["distilled"]
            result = score(files[row], dataset, "test", reference=reference, gates=recipe.gates, row=row,
                           parameters=index[row]["parameters"])  # fmt: skip
            rows.append(
                {**result.to_json(), "row": row, "title": title_of(row, files[row]),
                 "precision": files[row].precision, **_compressed(files[row]),
                 "artifact": f"export/{files[row].path.name}"}
            )  # fmt: skip
            gates += [gate.to_json() for gate in result.gates]
            work.watcher.progress(number + 1, len(shown))
        write_json(
            directory / "check.json",
            {
                "schema": 1,
                "split": "test",
                "n": len(samples),
                "classes": list(dataset.classes),
                "ids": [sample.id for sample in samples],
                "labels": [int(label) for label in dataset.labels("test")],
                "metric": recipe.metric,
                "rows": rows,
                "gates": read_json(work.path / "teacher" / "gates.json") + gates,
            },
        )

    return work.stage("check", depends, ("check.json",), do)


def bench_stage(work: Workspace, recipe: Recipe, dataset: Dataset) -> Path:
    """Time the table's files side by side on this machine; writes ``bench/bench.json``."""
    depends = {
        "export": work.hashes["export"],
        "bench": recipe.bench.model_dump(mode="json"),
        "teacher": work.hashes["teacher"] if recipe.teacher.given else None,
    }

    def do(directory: Path, _key: str) -> None:
        samples = dataset.split("test")[:_BENCH_PHOTOS]
        files = artifacts_of(work)
        targets = [
            BenchTarget(row, files[row].path, files[row].format, images_of(dataset, samples, files[row].preprocessing))
            for row in TITLES
            # The student without the teacher has the same graph as the distilled one.
            if row in files and row != "labels_only"
        ]
        if recipe.teacher.given and (teacher := given_target(work, recipe, dataset, samples)) is not None:
            targets.insert(0, teacher)
        measure(
            # A teacher that can't be timed leaves the float student to be held against.
            targets, targets[0].name, recipe.bench, open_device("host"),
            progress=work.watcher.progress, save_to=directory / "bench.json",
        )  # fmt: skip

    return work.stage("bench", depends, ("bench.json",), do)
