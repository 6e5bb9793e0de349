"""The runs as a table: test accuracy with intervals, agreement with the teacher, share of its gap recovered."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from variants import Setting, Variant

from edgekd.devices.table import open_device
from edgekd.storage import read_json, write_json, write_text

NOTE = """The student has {parameters:,} parameters. {teacher} The student is shown the labels of 3,000 images \
(others for each seed); the other 57,000 take part without theirs, except in the rows that say otherwise. Every row \
has {epochs} passes over 60,000 images as its budget of steps, unless it says otherwise, and the weights of its last \
step. V is the number of views of each image in the column, met in turn; 4 unless said otherwise, for scratch too. \
Settings with a choice were chosen on 5,000 training images kept apart from a student of {tuning} passes (seed 100, \
one run each: differences under a percent are noise there); the test images were looked at after training alone.

The intervals are Student's t over the seeds (95 %). "Gap recovered" is (row - scratch) / (teacher - scratch), with \
scratch on 3,000 labels."""


def write_results(work: Path, out: Path, plan: list[tuple[Variant, Setting]]) -> None:
    """Write ``kd_quality.json`` and ``kd_quality.md`` of what has been run so far."""
    teacher = read_json(work / "teacher.json")
    rows = [found for variant, setting in plan if (found := _row(work, variant, setting))]
    base = next((row["mean"] for row in rows if row["name"] == "scratch_3k"), None)
    for row in rows:
        row["gap_recovered"] = None if base is None else (row["mean"] - base) / (teacher["test_accuracy"] - base)
    facts = open_device("host").facts()
    tuning = {path.stem: read_json(path)["accuracy"] for path in sorted((work / "runs").glob("tune-*.json"))}
    told = {key: value for key, value in teacher.items() if key != "answers"}
    write_json(
        out / "kd_quality.json", {"schema": 1, "teacher": told, "rows": rows, "tuning": tuning, "machine": facts}
    )
    write_text(out / "kd_quality.md", _markdown(teacher, rows, facts))


def _row(work: Path, variant: Variant, setting: Setting) -> dict[str, Any] | None:
    runs = [read_json(path) for path in sorted((work / "runs").glob(f"run-{variant.name}-[0-9].json"))]
    if not runs:
        return None
    found = np.array([run["accuracy"] for run in runs])
    half = (
        float(stats.t.ppf(0.975, len(found) - 1) * found.std(ddof=1) / math.sqrt(len(found)))
        if len(found) > 1
        else None
    )
    return {
        "name": variant.name, "shown": variant.shown, "setting": setting.name, "views": variant.views,
        "epochs": variant.epochs, "accuracies": found.tolist(), "mean": float(found.mean()), "half_width": half,
        "objective": setting.objective.model_dump(mode="json"),
        "learning_rate": setting.learning_rate,
        "agreement": float(np.mean([run["teacher_agreement"] for run in runs])),
        "cpu_s": float(np.mean([run["cpu_s"] for run in runs])),
        "wait_share": float(np.mean([run["wait_share"] for run in runs])),
        "parameters": runs[0]["parameters"],
    }  # fmt: skip


def _markdown(teacher: dict[str, Any], rows: list[dict[str, Any]], facts: dict[str, Any]) -> str:
    lines = ["| student | setting | seeds | test accuracy | agrees with the teacher | gap recovered | CPU s |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for row in rows:
        interval = "" if row["half_width"] is None else f" ± {100 * row['half_width']:.2f}"
        gap = "" if row["gap_recovered"] is None else f"{100 * row['gap_recovered']:.0f} %"
        lines.append(
            f"| {row['shown']} | {row['setting']} | {len(row['accuracies'])} | {100 * row['mean']:.2f}{interval} % "
            f"| {100 * row['agreement']:.1f} % | {gap} | {row['cpu_s']:.0f} |"
        )
    said = (
        f"The teacher ({teacher['parameters']:,} parameters, test accuracy {100 * teacher['test_accuracy']:.2f} %) "
        "was trained on the labels of all 60,000 training images, so its answers on the 57,000 are those of a network "
        "that has seen their labels: what a teacher bought or trained elsewhere would know."
    )
    parameters = rows[0]["parameters"] if rows else 0
    note = NOTE.format(parameters=parameters, teacher=said, epochs=10, tuning=3)
    machine = f"{facts['cpu_model']}, {facts['cores']} cores shared with other work; CPU s is of the process."
    return "# Fashion-MNIST with 3,000 labels\n\n" + "\n".join(lines) + f"\n\n{note}\n\n{machine}\n"
