"""Stage ``check``: score every exported file over the test photos, and judge the gates."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from edgekd.data.dataset import Dataset
from edgekd.evaluation.rows import CheckRow, GateRecord
from edgekd.evaluation.score import score
from edgekd.formats.artifact import Artifact
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.fixed_teacher import fixed_teacher_row
from edgekd.pipeline.label_gates import student_advice, teacher_label_gate
from edgekd.pipeline.run_files import TITLES, artifacts_in
from edgekd.pipeline.search.measure import budget_gates
from edgekd.pipeline.shipped import describe_weak_teacher, shipped_student
from edgekd.pipeline.tag_thresholds import comparable_thresholds
from edgekd.pipeline.teacher_int8 import NETWORK, missing_row
from edgekd.pipeline.teacher_int8 import ROW as TEACHER_INT8
from edgekd.storage import digest, read_json, write_json
from edgekd.task import METRICS

_FLOATS = ("teacher", "labels_only", "distilled")


def title_of(row: str, artifact: Artifact) -> str:
    """What a row is called: an int8 file some of whose ops are float says so, a network of an average its name."""
    title, network = TITLES[row], artifact.provenance.get(NETWORK)
    title = title if network is None else f"{network} of the {title}"
    return title.replace("int8", "int8, some ops float,") if artifact.precision == "int8-mixed" else title


def _gzip_size(artifact: Artifact) -> dict[str, int]:
    """Gzipped size of a pruned or clustered file: what it takes in an app's package or a download."""
    if "sparsity" not in artifact.provenance:
        return {}
    return {"gzip_bytes": len(gzip.compress(artifact.content(), mtime=0))}


def _teacher_gate(context: RunContext, row: CheckRow) -> list[GateRecord]:
    """The gate on the order of the teacher's labels, on the test photos."""
    gate = teacher_label_gate(context, "test", row.answers(METRICS[row.task][0]))
    return [] if gate is None else [gate]


def _labels(dataset: Dataset) -> dict[str, Any]:
    """What is known of the test photos: the number of each one's class, or the numbers of its tags."""
    if dataset.task == "multi-label":
        return {"task": dataset.task, "labels": [list(sample.tags or ()) for sample in dataset.split("test")]}
    return {"labels": [int(label) for label in dataset.labels("test")]}


# Where the answers for the validation photos are, of the models that do not ship.
_RECORDS = {
    "teacher": "teacher/summary.json", TEACHER_INT8: "teacher/summary.json", "labels_only": "scratch/history.json",
    "distilled": "distill/history.json",
}  # fmt: skip


def _thresholds(context: RunContext, row: str) -> tuple[float, ...] | None:
    """Thresholds of tags for a model that does not ship; those that ship have their own in their files."""
    return comparable_thresholds(context, _RECORDS[row]) if row in _RECORDS else None


def _teacher_file(context: RunContext) -> dict[str, str | None]:
    """The copy of a fixed teacher's file, where there is one."""
    file = read_json(context.path / "teacher" / "summary.json")["file"]
    return {"artifact": None if file is None else f"teacher/{file}"}


def run(context: RunContext) -> None:
    """Run every file of the table over the test split; writes ``check/check.json`` with rows and gates."""
    recipe, dataset, workspace = context.recipe, context.dataset, context.workspace
    shipped = shipped_student(context)
    ships = {
        "row": shipped.row, "reason": shipped.reason,
        "notes": [note for note in (shipped.doubt, describe_weak_teacher(context)) if note],
    }  # fmt: skip
    depends = {
        "export": workspace.hashes["export"],
        "gates": recipe.gates.facts(),
        "metric": recipe.metric,
        "photos": dataset.digest(),
        "ships": ships,
        "teacher": digest(read_json(context.path / "teacher" / "gates.json")),
    }
    if recipe.student.budget is not None:
        depends["budget"] = recipe.student.budget.limits() | {"device": recipe.student.budget.where}

    def work(directory: Path, _key: str) -> None:
        index, files = read_json(context.path / "export" / "index.json"), artifacts_in(context.path)
        samples = dataset.split("test")
        rows, gates = [], []
        if recipe.teacher.is_fixed:
            teacher = fixed_teacher_row(context)
            rows.append({**teacher.to_json(), **_teacher_file(context), "row": "teacher", "title": TITLES["teacher"]})
            gates += _teacher_gate(context, teacher)
        present = [row for row in TITLES if row in files]
        for number, row in enumerate(present):
            workspace.watcher.progress(number, len(present))
            reference = None if row in _FLOATS else files.get("teacher" if row == TEACHER_INT8 else shipped.row)
            result = score(files[row], dataset, "test", reference=reference, gates=recipe.gates, row=row,
                           parameters=index[row]["parameters"],
                           # Of what ships; the teacher's gate has a message of its own.
                           judge_labels=row == shipped.row or row not in (*_FLOATS, TEACHER_INT8),
                           label_advice=student_advice(recipe.teacher), metric=recipe.metric,
                           thresholds=_thresholds(context, row) if row != shipped.row else None)  # fmt: skip
            rows.append(
                {**result.to_json(), "row": row, "title": title_of(row, files[row]),
                 "precision": files[row].precision, "network": files[row].provenance.get(NETWORK),
                 **_gzip_size(files[row]),
                 "artifact": f"export/{files[row].path.name}"}
            )  # fmt: skip
            if row == TEACHER_INT8:
                # It is there to compare with, and does not ship.
                continue
            gates += [gate.to_json() for gate in result.gates]
            if row == "teacher":
                gates += _teacher_gate(context, result)
                rows += [missing] if (missing := missing_row(context.path)) else []
        workspace.watcher.progress(len(present), len(present))
        gates += budget_gates(context, files["int8_tflite"], index["int8_tflite"]["parameters"], directory)
        write_json(
            directory / "check.json",
            {
                "schema": 1,
                "split": "test",
                "n": len(samples),
                "classes": list(dataset.classes),
                "ids": [sample.id for sample in samples],
                **_labels(dataset),
                "metric": recipe.metric,
                "rows": rows,
                "shipped": ships,
                "gates": read_json(context.path / "teacher" / "gates.json") + gates,
            },
        )

    workspace.stage("check", depends, ("check.json",), work)
