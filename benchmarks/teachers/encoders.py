"""How good a teacher is an encoder in a file, of which only the features are known?

    python benchmarks/teachers/encoders.py --photos DIR --work DIR

DIR of photos has a folder a class; 5, 20 and 40 labels a class are kept, and the other photos that are not of the test
split are the pool without labels. Lite0, Lite1 and Lite2 are cut before their heads and saved as .onnx; Lite0's
features, projected onto 256 random directions, are saved as .onnx, .tflite and SavedModel. Each is a teacher with
`train = true` and judged on the test photos beside the Keras teacher of the same network and labels. Beside three of
them, at 20 labels, a student is trained. --short takes few traffic lights, one count of labels and one file, and trains
no student.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from common import Parser, machine, run_script, write_results
from encoder_files import cut, projected, save_onnx
from saved_networks import save_saved_model, save_tflite
from small_inputs import HEAD_ALONE, labelled_folder

import edgekd
from edgekd.data.dataset import Dataset
from edgekd.data.images import images_of
from edgekd.metrics import accuracy
from edgekd.models.load import load_model
from edgekd.pipeline.fixed_teacher import logits_over
from edgekd.pipeline.soft_target_views import load_finished_teacher
from edgekd.preprocess import Preprocessing
from edgekd.recipe import parse_recipe
from edgekd.storage import read_json
from edgekd.training.loop import logits_of

NOTE = """\
One split of the photos a count of labels, one seed. "as Keras" counts the test photos for which a teacher answers what
the Keras teacher answers; only lite0.onnx with a linear head is the same network. "auto" is what a recipe without
`head` does: it chooses between a linear head and an MLP."""
KERAS = "efficientnet-lite0"


@dataclass(frozen=True)
class Setting:
    """The sizes of one form."""

    networks: tuple[str, ...]
    formats: tuple[str, ...]
    labels: tuple[int, ...]
    heads: tuple[str, ...]
    input_size: int
    views: int
    epochs: int
    student: str | None
    student_labels: int


FULL = Setting(
    ("lite0", "lite1", "lite2"), ("onnx", "tflite", "savedmodel"), (5, 20, 40), ("linear", "auto"), 96, 2, 8,
    "cnn:16@48", 20,
)  # fmt: skip
SHORT = Setting((), ("tflite",), (3,), ("linear",), 32, 1, 1, None, 0)
_SAVE = {"onnx": save_onnx, "tflite": save_tflite, "savedmodel": save_saved_model}
_SUFFIX = {"onnx": ".onnx", "tflite": ".tflite", "savedmodel": ""}


def make_files(folder: Path, setting: Setting) -> dict[str, Path]:
    """The encoders by their names in the table."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name in setting.networks:
        network = cut(f"efficientnet-{name}", setting.input_size)
        files[f"{name}.onnx"] = _saved(folder / f"{name}.onnx", "onnx", network)
    network = projected(cut(KERAS, setting.input_size), 256)
    for kind in setting.formats:
        files[f"lite0 projected, {kind}"] = _saved(folder / f"projected{_SUFFIX[kind]}", kind, network)
    return files


def _saved(path: Path, kind: str, model: Any) -> Path:
    return path if path.exists() else _SAVE[kind](path, model)


@dataclass(frozen=True)
class Trained:
    """A teacher: its answers for the test photos, class numbers [N], and what its run wrote of it."""

    test: npt.NDArray[np.int64]
    summary: dict[str, Any]
    recipe: edgekd.Recipe
    run: Path


def train(arguments: argparse.Namespace, setting: Setting, labels: int, name: str, teacher: dict[str, Any]) -> Trained:
    """A run up to its teacher, which answers for the test photos."""
    table = {
        "name": name,
        "data": {
            "source": str(arguments.photos),
            "split": {"labelled_per_class": labels},
            "views": {"views": setting.views},
        },
        "teacher": {"accept_weak": True, **HEAD_ALONE, **teacher},
        "student": {"model": setting.student or "cnn:4@32"},
        "distill": {"schedule": {"epochs": setting.epochs}},
    }
    recipe = parse_recipe(table, arguments.work / "recipe")
    run = arguments.work / f"{labels}-{name}"
    edgekd.run(recipe, run, until="teacher")
    dataset = Dataset.load(run / "data" / "dataset.json")
    logits = logits_over(load_finished_teacher(recipe, run, dataset), dataset, dataset.split("test"), "whole")
    return Trained(logits.argmax(axis=1), read_json(run / "teacher" / "summary.json"), recipe, run)


def student_row(trained: Trained) -> dict[str, Any]:
    """How good the students with the teacher and without it are on the test photos."""
    edgekd.run(trained.recipe, trained.run, until="distill")
    dataset = Dataset.load(trained.run / "data" / "dataset.json")
    row = {}
    for name, stage in (("distilled", "distill"), ("labels", "scratch")):
        model = load_model(trained.run / stage / "student.keras")
        height, width = (int(side) for side in model.input_shape[1:3])
        images = images_of(dataset, dataset.split("test"), Preprocessing(height=height, width=width))
        row[name] = accuracy(dataset.labels("test"), logits_of(model, images).argmax(axis=1)).as_json()
    return row


def rows_of(
    arguments: argparse.Namespace, setting: Setting, files: dict[str, Path], labels: int
) -> list[dict[str, Any]]:
    """Every teacher of one count of labels."""
    keras = train(arguments, setting, labels, "keras", {"model": KERAS, "input_size": setting.input_size})
    truth = Dataset.load(keras.run / "data" / "dataset.json").labels("test")
    with_student = ("lite0.onnx", f"lite0 projected, {setting.formats[0]}")

    def row(title: str, head: str, trained: Trained, *, student: bool) -> dict[str, Any]:
        kept = [entry["head"] for entry in trained.summary.get("heads", []) if entry["kept"]]
        return {
            "labels": labels, "teacher": title, "head": f"auto: {kept[0]}" if kept else head,
            "test": accuracy(truth, trained.test).as_json(),
            "as_keras": int((trained.test == keras.test).sum()), "photos": len(truth),
            "student": student_row(trained) if student and labels == setting.student_labels else None,
        }  # fmt: skip

    rows = [row("Keras, lite0", "linear", keras, student=True)]
    for title, path in files.items():
        for head in setting.heads[:1] if "projected" in title else setting.heads:
            # In one folder: another head is fitted on the features that are stored there.
            name = title.replace(", ", "-").replace(" ", "-")
            pixels = {"pixel_range": [0, 255], "train": True, "head": head}
            trained = train(arguments, setting, labels, name, {"model": str(path), **pixels})
            rows.append(row(title, head, trained, student=head == "linear" and title in with_student))
    return rows


def as_text(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = []
    for row in results["rows"]:
        test, student = row["test"], row["student"]
        cells = [f"{student[name]['value']:.1%}" for name in ("distilled", "labels")] if student else ["", ""]
        lines.append(
            f"| {row['labels']} | {row['teacher']} | {row['head']} | {test['value']:.2%} ({test['low']:.1%} to "
            f"{test['high']:.1%}) | {row['as_keras']} of {row['photos']} | {' | '.join(cells)} |"
        )
    return "\n".join([
        "# Encoders as teachers", "", f"{results['setting']}.", "",
        "| labels a class | teacher | head | test (95 %) | as Keras | student | student, labels alone |",
        "|---|---|---|---|---|---|---|", *lines, "", NOTE, "",
    ])  # fmt: skip


def main() -> None:
    parser = Parser(__file__, __doc__, work="the runs")
    parser.input("--photos", help="folder of class folders")
    arguments = parser.parse()
    setting, started = SHORT if arguments.short else FULL, time.monotonic()
    if arguments.photos is None:
        arguments.photos = labelled_folder(arguments.work / "photos", 8)
    files = make_files(arguments.work / "encoders", setting)
    rows = [row for labels in setting.labels for row in rows_of(arguments, setting, files, labels)]
    views = f"{setting.views} view{'' if setting.views == 1 else 's'}"
    student = f"; the student is {setting.student}, {setting.epochs} epochs" if setting.student else ""
    results = {
        "schema": 1,
        "setting": f"Input of {setting.input_size} px, {views}{student}",
        "rows": rows,
        "machine": machine(),
        "seconds": round(time.monotonic() - started, 1),
    }
    write_results(arguments.out, "encoders", results, as_text(results))


if __name__ == "__main__":
    run_script(main)
