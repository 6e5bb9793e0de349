"""Score every exported file over the test photos, and judge the gates."""

from __future__ import annotations

import gzip
from pathlib import Path

from edgekd.data.dataset import Dataset
from edgekd.evaluation.score import score
from edgekd.formats.artifact import Artifact
from edgekd.pipeline.run_files import TITLES, artifacts_of
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stages.fixed_teacher import fixed_teacher_row
from edgekd.recipe import Recipe
from edgekd.storage import digest, read_json, write_json

_FLOATS = ("teacher", "labels_only", "distilled")


def title_of(row: str, artifact: Artifact) -> str:
    """What a row is called: an int8 file some of whose ops are float says so."""
    return TITLES[row].replace("int8", "int8, some ops float,") if artifact.precision == "int8-mixed" else TITLES[row]


def _compressed(artifact: Artifact) -> dict[str, int]:
    """Of a pruned or clustered file, what it comes to in an app's package or a download."""
    if "sparsity" not in artifact.provenance:
        return {}
    return {"gzip_bytes": len(gzip.compress(artifact.content(), mtime=0))}


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
            rows.append({**fixed_teacher_row(work, recipe, dataset), "row": "teacher", "title": TITLES["teacher"]})
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
