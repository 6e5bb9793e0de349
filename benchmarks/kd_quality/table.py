"""The runs as a table: test accuracy and paired differences with intervals, and the share of the gap recovered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from common import machine
from fashion import load
from student_training import run_name
from teacher import train_teacher
from variants import BATCH, EPOCHS, LEARNING_RATE, LONG, TUNING_EPOCHS, TUNING_SEED, VIEWS, Setting, Variant

from edgekd.report.seeds import half_width
from edgekd.storage import read_json, write_json, write_text

NOTE = """\
The teacher ({teacher:,} parameters, test accuracy {accuracy:.2f} %) **was trained on the labels of all 60,000 \
training images**, so its predictions on the 57,000 are those of a network that has seen their labels, as a \
teacher bought or trained elsewhere may have. It was trained for {phases} passes, with milder crops after the \
first phase, until it reached 93 % on the test images, and its output is the mean of its logits for an image and \
the mirrored one ({alone:.2f} % without that); only these choices, all of them the teacher's, were made with the \
test images in view. The student has {student:,} parameters and multiplies \
{macs:.2f} million times an image. It sees the labels of 3,000 images (others for each seed); the other \
57,000 take part without theirs, unless a row says otherwise.

Every row has the steps of {epochs} passes over 60,000 images (batches of {batch}), those marked so of {long}, \
and the weights of its last step: accuracy neither stops nor chooses a run. V, the number of views of each image \
that have soft targets, met in turn, is {views} unless a row says otherwise, for scratch too. Learning rate {rate:g} \
(AdamW, warm-up, cosine) in every row. A feature objective is a term beside KD (Hinton).

Choices were made on 5,000 of the training images, held out from a student of {tuning_epochs} passes (seed \
{tuning_seed}, one run each; the teacher had seen their labels): the settings of each objective below, two each; \
by the same figures, which logit objective and which feature term make the best combination. The student's shape \
was chosen among three of at most 10,000 parameters, from scratch with all the labels but those 5,000 and 3 \
passes (89.24 % on them, against 88.96 without the residual part on the 14 x 14 grid and 22 channels instead of \
20, and 88.28 with two residual parts of 18 channels on the last grid); the learning rate was not searched. One \
such run is good to about half a percent. The test images were looked at once, after each final run.

The intervals are Student's t over the seeds (95 %), of the differences by seed: the same 3,000 labels, start \
and order of images on both sides; "over scratch (60,000)" and "over KD" (Hinton, with the 57,000) are over \
those rows with as many passes, and "over scratch (3,000)" is over the one row there is. A row with one seed has \
no interval yet, and one whose interval holds 0 shows no difference. "Gap recovered" is (row - scratch) / \
(teacher - scratch), with scratch on 3,000 labels."""
MACHINE = "{cpu_model}, {cores} cores shared with other work; CPU s is of the process, mean of the seeds."


def write_results(
    work: Path, out: Path, plan: list[tuple[Variant, Setting]], seeds: int, tuning: dict[str, Any]
) -> None:
    """Write ``kd_quality.json`` and ``kd_quality.md`` of what has been run so far."""
    teacher = train_teacher(work)
    rows = [row for variant, setting in plan if (row := _row(work, variant, setting, seeds))]
    at = {row["name"]: row for row in rows}
    scratch = at.get("scratch_3k")
    for row in rows:
        # As many passes on both sides, but for scratch on few labels: there is one such row.
        end = "_long" if row["epochs"] == LONG else ""
        row["over_scratch"] = _difference(row, scratch)
        row["over_all_labels"] = _difference(row, at.get(f"scratch_60k{end}"))
        row["over_kd"] = _difference(row, at.get(f"hinton{end}"))
        if scratch:
            row["gap_recovered"] = (row["mean"] - scratch["mean"]) / (teacher["test_accuracy"] - scratch["mean"])
    facts = machine()
    summary = {key: value for key, value in teacher.items() if key != "answers"} | {
        "trained_on_labels": len(load("train").labels)
    }
    results = {"schema": 2, "teacher": summary, "rows": rows, "tuning": tuning, "machine": facts}
    write_json(out / "kd_quality.json", results)
    if rows:
        write_text(out / "kd_quality.md", _markdown(results))


def _labels() -> int:
    return len(load("train").labels)


def _row(work: Path, variant: Variant, setting: Setting, seeds: int) -> dict[str, Any] | None:
    names = [run_name(variant, setting, seed, held_out=False, epochs=variant.epochs) for seed in range(seeds)]
    runs = {
        seed: read_json(path) for seed, name in enumerate(names) if (path := work / "runs" / f"{name}.json").is_file()
    }
    if not runs:
        return None
    one = next(iter(runs.values()))
    return {
        "name": variant.name, "shown": variant.title, "setting": setting.name, "epochs": variant.epochs,
        "settings": {key: value for key, value in one["settings"].items() if key not in ("seed", "student")},
        "accuracies": {str(seed): run["accuracy"] for seed, run in runs.items()},
        **_interval([run["accuracy"] for run in runs.values()]),
        "agreement": float(np.mean([run["teacher_agreement"] for run in runs.values()])),
        "cpu_s": float(np.mean([run["cpu_s"] for run in runs.values()])),
        "wait_share": float(np.mean([run["wait_share"] for run in runs.values()])),
        "parameters": one["parameters"], "multiplications": one["multiplications"],
    }  # fmt: skip


def _interval(values: list[float]) -> dict[str, Any]:
    half = half_width(np.array(values)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "half_width": half}


def _difference(row: dict[str, Any], base: dict[str, Any] | None) -> dict[str, Any] | None:
    """Of the seeds that both have; None of a row from itself."""
    if base is None or row is base:
        return None
    both = [seed for seed in row["accuracies"] if seed in base["accuracies"]]
    return _interval([row["accuracies"][seed] - base["accuracies"][seed] for seed in both]) if both else None


def _percent(value: dict[str, Any] | None, sign: str = "+") -> str:
    if value is None:
        return ""
    half = "" if value["half_width"] is None else f" ± {100 * value['half_width']:.2f}"
    return f"{100 * value['mean']:{sign}.2f}{half}"


def _setting(row: dict[str, Any]) -> str:
    """The setting; for the best combination, its terms."""
    if row["setting"] != "best":
        return str(row["setting"])
    terms = row["settings"]["objective"]["terms"]
    return " + ".join(f"{term['weight']:g} x {term['objective']['name']}" for term in terms)


def _markdown(results: dict[str, Any]) -> str:
    rows, teacher, facts = results["rows"], results["teacher"], results["machine"]
    spent = sum(phase["cpu_s"] for phase in teacher["phases"])
    heads = ("student", "setting", "test accuracy, %", "by seed", "over scratch (3,000)", "over scratch (60,000)",
             "over KD", "gap recovered", "agrees with the teacher", "CPU s")  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines.append(f"| *the teacher* | | {100 * teacher['test_accuracy']:.2f} | | | | | | | {spent} |")
    for row in rows:
        seeds = " / ".join(f"{100 * accuracy:.2f}" for accuracy in row["accuracies"].values())
        gap = f"{100 * row['gap_recovered']:.0f} %" if "gap_recovered" in row else ""
        lines.append(
            f"| {row['shown']} | {_setting(row)} | **{_percent(row, '')}** | {seeds} | {_percent(row['over_scratch'])} "
            f"| {_percent(row['over_all_labels'])} | {_percent(row['over_kd'])} | {gap} "
            f"| {100 * row['agreement']:.1f} % | {row['cpu_s']:.0f} |"
        )
    tuning = ["| tried | on the 5,000 held-out images, % |", "|---|---|"]
    tuning += [f"| {name} | {100 * accuracy:.2f} |" for name, accuracy in results["tuning"].items()]
    note = NOTE.format(
        teacher=teacher["parameters"], accuracy=100 * teacher["test_accuracy"],
        phases=" + ".join(str(one["epochs"]) for one in teacher["phases"]),
        alone=100 * teacher["phases"][-1]["test_accuracy"],
        student=rows[0]["parameters"], macs=rows[0]["multiplications"] / 1e6, epochs=EPOCHS, long=LONG, batch=BATCH,
        views=VIEWS, rate=LEARNING_RATE, tuning_epochs=TUNING_EPOCHS, tuning_seed=TUNING_SEED,
    )  # fmt: skip
    parts = ("# Fashion-MNIST with 3,000 labels", "\n".join(lines), note, "\n".join(tuning), MACHINE.format(**facts))
    return "\n\n".join(parts) + "\n"
