"""What do report and bench say of a teacher that is the user's own file?

    python benchmarks/teacher_files/run.py --work DIR

For each kind of file (a .keras with an adapted `Normalization`, with one sigmoid; a .tflite in float, with int8 input,
with 1,001 outputs; an .onnx) a small classifier of traffic lights is trained in Keras and saved, a run of 60 photos
learns from it, and `edgekd bench` measures the run. A row is right where the report's and bench's first row is that
teacher, where it is timed, and where its accuracy and its probabilities are those that Keras has. The students are a
`module:function` with `preprocess_input` inside. `--device` measures on other devices too. At last `keras:NAME` is
held against `keras.applications`, for EfficientNetB0 to B7.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from applications import NAMES, compare_application
from common import Parser, machine, run_script, write_results
from small_inputs import COLOURS, HEAD_ALONE, labelled_folder, light_photos
from teachers import MANY, SIZE, Images, Teacher, save_onnx, save_tflite, train, with_more_outputs

import edgekd
from edgekd._version import __version__
from edgekd.pipeline.fixed_teacher import logits_over, open_teacher_of
from edgekd.preprocess import Preprocessing, preprocess
from edgekd.recipe import parse_recipe
from edgekd.report.collect import collect
from edgekd.report.table import main_cells

_PREPROCESSING = Preprocessing(height=SIZE, width=SIZE)
_TWO = ("green", "red")
# A quantized file's probabilities are multiples of 1/256, of a network whose weights are rounded too.
_TOLERANCE = {"float": 1e-3, "int8": 0.1}
_OWN_STUDENT = '''import keras
from keras import layers


def caffe(input_size, classes):
    """A network of pixels as ResNet50 takes them, with that in its graph."""
    image = keras.Input((input_size, input_size, 3))
    x = keras.applications.resnet.preprocess_input(image)
    for filters in (8, 16):
        x = layers.BatchNormalization(momentum=0.9)(layers.Conv2D(filters, 3, strides=2, use_bias=False)(x))
        x = layers.ReLU(6.0)(x)
    return keras.Model(image, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)))
'''


@dataclass(frozen=True)
class Sizes:
    """How much is trained and measured; ``kinds`` of teachers by name, None for all."""

    photos: int
    teacher_photos: int
    teacher_epochs: int
    epochs: int
    launches: int
    seconds: float
    kinds: tuple[str, ...] | None


FULL = Sizes(60, 44, 120, 60, 7, 0.5, None)
SHORT = Sizes(60, 24, 30, 1, 1, 0.02, ("int8-input .tflite",))
# At most, as a share of the largest feature.
_SAME_NETWORK = 1e-5


def read_lights(colours: tuple[str, ...], each: int) -> tuple[Images, Any]:
    """Photos [N, 32, 32, 3] that the runs do not get, and their classes."""
    paths = [(path, label) for label, colour in enumerate(colours) for path in light_photos(colour)[-each:]]
    images = np.stack([preprocess(path, str(path), _PREPROCESSING) for path, _ in paths])
    return images, np.array([label for _, label in paths])


def make_teachers(work: Path, sizes: Sizes) -> list[Teacher]:
    """The files, each with what Keras says to photos."""
    work.mkdir(parents=True, exist_ok=True)
    images, labels = read_lights(COLOURS, sizes.teacher_photos)

    def wanted(name: str) -> bool:
        return sizes.kinds is None or name in sizes.kinds

    def of_unit(model: Any) -> Any:
        return lambda photos: np.asarray(model(photos.astype(np.float32) / 255), np.float64)

    teachers = []
    unit = train(images, labels, 3, sizes.teacher_epochs, adapted=False)
    names = {"classes": list(COLOURS), "pixel_range": [0, 1]}
    if wanted("Normalization .keras"):
        adapted = train(images, labels, 3, sizes.teacher_epochs, adapted=True)
        adapted.save(work / "adapted.keras")
        teachers.append(
            Teacher(
                "Normalization .keras", "adapted to pixels 0..255, softmax",
                {"model": str(work / "adapted.keras"), "train": False, "classes": list(COLOURS)}, COLOURS,
                lambda photos: np.asarray(adapted(photos.astype(np.float32)), np.float64),
            )
        )  # fmt: skip
    if wanted("float .tflite"):
        table = {"model": str(save_tflite(work / "float.tflite", unit)), **names}
        teachers.append(Teacher("float .tflite", "pixels 0..1, softmax", table, COLOURS, of_unit(unit)))
    if wanted("int8-input .tflite"):
        table = {"model": str(save_tflite(work / "int8.tflite", unit, images)), **names}
        teachers.append(Teacher("int8-input .tflite", "int8 in and out, softmax", table, COLOURS, of_unit(unit)))
    if wanted("many-class .tflite"):
        many = with_more_outputs(unit)
        others = [f"other {number}" for number in range(MANY - 3)]
        table = {"model": str(save_tflite(work / "many.tflite", many, images)), **names}
        table["classes"] = [*COLOURS, *others]
        what = f"int8 in and out, softmax of {MANY:,}"
        teachers.append(Teacher("many-class .tflite", what, table, COLOURS, of_unit(many)))
    if wanted(".onnx"):
        table = {"model": str(save_onnx(work / "own.onnx", unit)), **names}
        teachers.append(Teacher(".onnx", "channels first, pixels 0..1, softmax", table, COLOURS, of_unit(unit)))
    if wanted("one-sigmoid .keras"):
        two, labels_of_two = read_lights(_TWO, sizes.teacher_photos)
        sigmoid = train(two, labels_of_two, 2, sizes.teacher_epochs, adapted=False)
        sigmoid.save(work / "sigmoid.keras")

        def of_sigmoid(photos: Images) -> Any:
            red = np.asarray(sigmoid(photos.astype(np.float32) / 255), np.float64)
            return np.concatenate([1 - red, red], axis=1)

        table = {"model": str(work / "sigmoid.keras"), "train": False, "classes": list(_TWO), "pixel_range": [0, 1]}
        teachers.append(Teacher("one-sigmoid .keras", "two classes, pixels 0..1", table, _TWO, of_sigmoid))
    return teachers


def photos_of(work: Path, classes: tuple[str, ...], count: int) -> Path:
    """``count`` photos, as many of each class."""
    folder = labelled_folder(work / f"photos-{len(classes)}", count // len(classes))
    for colour in set(COLOURS) - set(classes):
        for path in (folder / colour).glob("*"):
            path.unlink()
        (folder / colour).rmdir()
    return folder


def run_teacher(teacher: Teacher, number: int, work: Path, sizes: Sizes, devices: list[str]) -> dict[str, Any]:
    """A whole run that learns from it, and what report and bench say of it."""
    (work / "own_students.py").write_text(_OWN_STUDENT, encoding="utf-8")
    table = {
        "name": f"teacher-{number}",
        "data": {
            "source": str(photos_of(work, teacher.classes, sizes.photos)), "split": {"val": 0.25, "test": 0.25},
            "views": {"views": 1 if sizes.kinds else 4},
        },
        "teacher": {**HEAD_ALONE, **teacher.table},
        "student": {"model": "own_students:caffe@32", "allow_larger": True},
        "distill": {"schedule": {"epochs": sizes.epochs, "batch_size": 16}},
        "gates": {"min_agreement": 0.8},
        "export": {"calibration": 40, "formats": ["tflite"] if sizes.kinds else ["tflite", "onnx"]},
        "bench": {"launches": sizes.launches, "seconds_per_launch": sizes.seconds, "warmup_max_s": sizes.seconds},
    }  # fmt: skip
    recipe, directory = parse_recipe(table, work / "recipe.toml"), work / f"teacher-{number}"
    sys.path.insert(0, str(work))
    outcome = edgekd.run(recipe, directory, accept_weak_teacher=bool(sizes.kinds))
    sys.path.remove(str(work))
    report = collect(directory)
    cells = main_cells(report)
    fidelity = compare_probabilities(teacher, recipe, directory)
    first = dict(zip(cells.header, cells.rows[0], strict=True))
    row = {
        "teacher": teacher.name, "what": teacher.what, "student": recipe.student.model,
        "failed_gates": [gate["name"] for gate in outcome.failed_gates], "headline": str(report.headline),
        "report": {str(key): str(cell) for key, cell in first.items()}, **fidelity,
        "bench": [bench(directory, device, sizes) for device in devices],
    }  # fmt: skip
    limit = _TOLERANCE["int8" if "int8" in teacher.what else "float"]
    row["right"] = (
        cells.rows[0][0] == "teacher"
        and all(each["baseline"] == "teacher" and each["first"] == "teacher" for each in row["bench"])
        and all(each["timed"] for each in row["bench"])
        and fidelity["largest_difference"] <= limit
        and fidelity["accuracy"] == fidelity["accuracy_keras"]
    )
    return row


def compare_probabilities(teacher: Teacher, recipe: Any, directory: Path) -> dict[str, Any]:
    """The teacher as the run has it against Keras, on the test photos."""
    from edgekd.data.dataset import Dataset
    from edgekd.data.images import images_of

    dataset = Dataset.load(directory / "data" / "dataset.json")
    samples = dataset.split("test")
    logits = logits_over(open_teacher_of(recipe, dataset, directory), dataset, samples, recipe.data.crop).astype(
        np.float64
    )
    ours = np.exp(logits - logits.max(axis=1, keepdims=True))
    ours /= ours.sum(axis=1, keepdims=True)
    theirs = teacher.probabilities(images_of(dataset, samples, _PREPROCESSING))[:, : len(teacher.classes)]
    labels = dataset.labels("test")
    check = json.loads((directory / "check" / "check.json").read_text(encoding="utf-8"))["rows"][0]
    return {
        "test_photos": len(samples),
        "accuracy": check["accuracy"]["value"],
        "accuracy_keras": float(np.mean(theirs.argmax(axis=1) == labels)),
        "largest_difference": float(np.abs(ours - theirs).max()),
        "mean_top": float(ours.max(axis=1).mean()),
        "mean_top_keras": float(theirs.max(axis=1).mean()),
    }


def bench(directory: Path, device: str, sizes: Sizes) -> dict[str, Any]:
    """The first row of `edgekd bench` on a device."""
    argv = [sys.executable, "-m", "edgekd", "bench", str(directory), "--device", device, "--json", "--photos", "8"]
    argv += ["--check", "8", "--launches", str(sizes.launches), "--seconds", str(sizes.seconds)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=1800)
    if done.returncode:
        return {"device": device, "baseline": "", "first": "", "timed": False, "message": done.stderr[-400:]}
    (measured,) = json.loads(done.stdout)["devices"]
    first = measured["baseline"]
    summary = measured["files"][first]["summary"]
    per = summary["p50_ms"] if summary["p50_ms"] is not None else summary["instructions"]
    standing = measured["files"][first]["validity"]["standing"]
    # --json sorts by name; the table begins with the baseline.
    return {
        "device": device, "baseline": measured["baseline"], "first": first, "timed": per is not None,
        "unit": measured["unit"], "value": per, "standing": standing, "files": sorted(measured["files"]),
    }  # fmt: skip


def describe_bench(row: dict[str, Any]) -> str:
    """The first row of bench in words."""
    if not row["timed"]:
        return f"{row['device']}: {row.get('message', 'not timed')}"
    value = f"{row['value']:.3g} ms" if row["unit"] == "ns" else f"{row['value']:,} instructions"
    return f"{row['device']}: {row['first']}, {value} ({row['standing']})"


def report(rows: list[dict[str, Any]], networks: list[dict[str, Any]], facts: dict[str, Any]) -> str:
    """The tables as Markdown."""
    right = sum(row["right"] for row in rows)
    lines = [
        "# A teacher's file is a row", "",
        f"{right} of {len(rows)} teachers right: the first row of report and bench, timed, and with Keras' own "
        f"accuracy and probabilities. Runs of {rows[0]['test_photos'] * 4} photos, {rows[0]['test_photos']} of them "
        "test photos.", "",
        "| teacher | what it is | student | report's first row | bench's first row | accuracy (Keras) | "
        "probability of the likeliest class (Keras) | largest difference | failed gates | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        first = "; ".join(f"{key} {cell}" for key, cell in list(row["report"].items())[1:5])
        lines.append(
            f"| {row['teacher']} | {row['what']} | {row['student']} | {row['report'][next(iter(row['report']))]}: "
            f"{first} | {'<br>'.join(describe_bench(each) for each in row['bench'])} | {row['accuracy']:.1%} "
            f"({row['accuracy_keras']:.1%}) | {row['mean_top']:.3f} ({row['mean_top_keras']:.3f}) | "
            f"{row['largest_difference']:.2g} | {', '.join(row['failed_gates']) or 'none'} | "
            f"{'right' if row['right'] else '**wrong**'} |"
        )
    if networks:
        same = sum(each["difference"] <= _SAME_NETWORK for each in networks)
        lines += [
            "", f"{same} of {len(networks)} networks of keras:NAME have the features of keras.applications within "
            f"{_SAME_NETWORK:g} of the largest one:", "",
            "| network | parameters | largest difference |", "|---|---|---|",
            *(f"| {each['name']} | {each['parameters']:,} | {each['difference']:.2g} |" for each in networks),
        ]  # fmt: skip
    host = facts["machine"]
    lines += ["", f"With edgekd {facts['edgekd']} on {host['cpu_model']}, {host['cores']} cores."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """A run for each teacher, and the table."""
    parser = Parser(__file__, __doc__, work="an empty folder for the files and the runs")
    parser.add_argument("--device", action="append", default=[], help="measure on this device too; repeatable")
    arguments = parser.parse()
    sizes = SHORT if arguments.short else FULL
    rows = []
    for number, teacher in enumerate(make_teachers(arguments.work / "teachers", sizes)):
        rows.append(run_teacher(teacher, number, arguments.work, sizes, ["host", *arguments.device]))
        print(f"{'right' if rows[-1]['right'] else 'WRONG'}  {teacher.name}: {rows[-1]['headline']}", flush=True)
    photos, _ = read_lights(COLOURS, 4)
    networks = [compare_application(name, photos, arguments.work) for name in (() if arguments.short else NAMES)]
    facts = {"edgekd": __version__, "machine": machine()}
    results = {"schema": 1, **facts, "rows": rows, "networks": networks}
    write_results(arguments.out, "teacher_files", results, report(rows, networks, facts))


if __name__ == "__main__":
    run_script(main)
