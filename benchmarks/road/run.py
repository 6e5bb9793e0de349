"""The first user's task: 234 photos of clean and littered roads, five folds, duplicates kept on one side.

    python benchmarks/road/run.py --photos DIR --unlabelled DIR --work DIR

DIR of photos holds ``metadata.csv`` (filename, label) and ``Images/``. Every fold is an ordinary run of edgekd; a kill
loses at most one stage. Accuracies are of the shipped int8 .tflite, run by LiteRT over photos that no training saw.
--short takes one fold of few traffic lights, and one small student.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results
from folds import write_folds
from small_inputs import HEAD_ALONE, road_folder, unlabelled_folder

import edgekd
from edgekd.data.images import images_of
from edgekd.metrics import accuracy
from edgekd.models.load import load_model
from edgekd.preprocess import Preprocessing
from edgekd.recipe import parse_recipe
from edgekd.storage import read_json

# Twelve blocks without the 8th and the 11th, of the others a share of the hidden channels. The unlabelled photos are of
# other roads and six times as many: half of a pass is kept for those that have labels.
STUDENTS: dict[str, dict[str, Any]] = {
    "slice:12-8-11x0.09@128": {
        "student": {"model": "slice:12-8-11x0.09@128", "freeze_blocks": 3},
        "distill": {"labelled_share": 0.5, "schedule": {"epochs": 12, "learning_rate": 5e-4}},
    },
    "slice:12-8-11x0.48@160": {
        "student": {"model": "slice:12-8-11x0.48@160", "freeze_blocks": 3},
        "distill": {"labelled_share": 0.5, "schedule": {"epochs": 8, "learning_rate": 3e-4}},
    },
}
SHORT: dict[str, dict[str, Any]] = {
    "slice:3@32": {
        "student": {"model": "slice:3@32", "freeze_blocks": 1},
        "distill": {"labelled_share": 0.5, "schedule": {"epochs": 1, "batch_size": 8}},
    },
}
NOTE = """\
A photo is in one fold's test split; each fold's own validation photos chose the head's penalty and the epoch. Which
blocks and what share of channels to keep, and that half of a pass is labelled, was chosen in earlier runs over these
same folds, so that a new collection of photos may do a little worse. One seed; the rows differ by a few photos."""
# Run directory stage: what the student in it was trained on.
VARIANTS = {"start": "linear probe", "scratch": "labels alone", "distill": "distilled"}


def recipe(fold: Path, student: dict[str, Any], arguments: argparse.Namespace) -> edgekd.Recipe:
    """The recipe of one fold and student."""
    table = {
        "name": fold.stem,
        "data": {
            "source": str(fold),
            "images": str(arguments.photos / "Images"),
            "unlabelled": str(arguments.unlabelled),
            "views": {"views": 1 if arguments.short else 4},
        },
        "teacher": {
            "model": "efficientnet-lite0",
            "input_size": 32 if arguments.short else 160,
            **HEAD_ALONE,
        },
        # The accuracy is the result here, whatever it is: no gate may end the benchmark.
        "gates": {"min_agreement": 0.0},
        **student,
    }
    return parse_recipe(table, fold)


def main() -> None:
    """Run every fold and student, and write the table."""
    parser = Parser(__file__, __doc__, work="the folds' runs")
    parser.input("--photos", help="the folder of metadata.csv and Images/ [--short: few traffic lights]")
    parser.input("--unlabelled", help="a folder of photos without labels [--short: synthetic ones]")
    arguments = parser.parse()
    if arguments.short:
        arguments.photos = arguments.photos or road_folder(arguments.work / "photos")
        arguments.unlabelled = arguments.unlabelled or unlabelled_folder(arguments.work / "unlabelled")
    started = time.time()
    folds = write_folds(arguments.photos / "metadata.csv", arguments.photos / "Images", arguments.work / "folds")
    rows: list[dict[str, Any]] = []
    for fold in folds[:1] if arguments.short else folds:
        for name, student in (SHORT if arguments.short else STUDENTS).items():
            rows += measure(fold, name, student, arguments)
            print(f"{time.time() - started:7.0f} s  {fold.stem}  {name}", flush=True)
    results = {"schema": 2, "machine": machine(), "rows": rows}
    write_results(arguments.out, "road", results, f"{summarize(rows)}\n\n{NOTE}\n")


def measure(fold: Path, name: str, student: dict[str, Any], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One fold with one student: predictions of every variant's int8 file on the fold's test photos."""
    directory = arguments.work / fold.stem
    edgekd.run(recipe(fold, student, arguments), directory, until="check", accept_weak_teacher=True)
    dataset = edgekd.Dataset.load(directory / "data" / "dataset.json")
    check = read_json(directory / "check" / "check.json")
    truth = check["labels"]
    rows = [
        {
            "fold": fold.stem,
            "student": "teacher",
            "variant": "float32",
            "truth": truth,
            **table_values(check["rows"][0]),
        }
    ]
    for stage, variant in VARIANTS.items():
        if stage == "start" and not name.startswith("slice"):
            continue
        artifact = int8(directory, stage, dataset)
        scored = edgekd.score(artifact, dataset).to_json()
        rows.append({"fold": fold.stem, "student": name, "variant": variant, "truth": truth, **table_values(scored)})
    return rows


def int8(directory: Path, stage: str, dataset: edgekd.Dataset) -> edgekd.Artifact:
    """The int8 .tflite of a stage's student: the run's own where it is the distilled one."""
    if stage == "distill":
        return edgekd.Artifact.open(directory / "export" / "student.int8.tflite")
    model = load_model(directory / stage / "student.keras")
    preprocessing = Preprocessing(height=model.input_shape[1], width=model.input_shape[2])
    photos = (*dataset.split("train"), *dataset.split("unlabelled"))
    chosen = np.random.default_rng(0).choice(len(photos), min(200, len(photos)), replace=False)
    calibration = images_of(dataset, tuple(photos[i] for i in sorted(chosen)), preprocessing)
    (exported,) = edgekd.export_model(
        model, directory / "variants", stage, labels=dataset.classes, preprocessing=preprocessing,
        precisions=("int8",), formats=("tflite",), calibration=calibration,
    )  # fmt: skip
    return exported


def table_values(row: dict[str, Any]) -> dict[str, Any]:
    """What the table needs of a scored file."""
    return {key: row[key] for key in ("predictions", "size_bytes", "parameters")}


def summarize(rows: list[dict[str, Any]]) -> str:
    """A Markdown table: the mean over folds and its range, and the interval of all photos pooled."""
    lines = [
        "| student | trained on | file | parameters | bytes | accuracy: mean (range) of folds | all photos, 95 % |",
        "|---|---|---|---|---|---|---|",
    ]
    kinds = dict.fromkeys((row["student"], row["variant"]) for row in rows)
    for student, variant in kinds:
        # The teacher is the same in both students' runs of a fold.
        of_fold = {row["fold"]: row for row in rows if (row["student"], row["variant"]) == (student, variant)}
        chosen = list(of_fold.values())
        means = [float(np.mean(np.equal(row["predictions"], row["truth"]))) for row in chosen]
        pooled = accuracy(
            np.concatenate([row["truth"] for row in chosen]), np.concatenate([row["predictions"] for row in chosen])
        )
        size = max(row["size_bytes"] for row in chosen)
        trained_on, file = (
            ("ImageNet, then labels", "float32 TFLite") if student == "teacher" else (variant, "int8 TFLite")
        )
        lines.append(
            f"| {student} | {trained_on} | {file} | {chosen[0]['parameters']:,} | {size:,} | {np.mean(means):.1%} "
            f"({min(means):.1%}–{max(means):.1%}) | {pooled.value:.1%} ({pooled.low:.1%}–{pooled.high:.1%}) |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    run_script(main)
