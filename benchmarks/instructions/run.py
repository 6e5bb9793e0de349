"""Executed instructions per inference on a Cortex-A72 and a Cortex-A76, counted twice: teacher, students, references.

    edgekd devices setup emulated:cortex-a76
    python benchmarks/instructions/run.py --run RUN --work DIR [--student slice:block08_depthwise_relu@128]

RUN is a finished run directory: its teacher and its student are exported in float32 and int8, as .tflite and .onnx.
A ``--student`` is cut or built as a run would, but not trained: the weights do not change which instructions run.
MobileNetV2 at 224 x 224, untrained, is measured too because published numbers exist for it. --short sets the core up
itself and counts one file of a small student.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results
from small_inputs import small_run

import edgekd
from edgekd.bench.plan import BenchPlan
from edgekd.data.images import images_of
from edgekd.devices import emulated
from edgekd.devices.table import open_device
from edgekd.export.exporter import export
from edgekd.models.load import load_model
from edgekd.preprocess import Preprocessing
from edgekd.quiet import import_keras
from edgekd.students.build import build_student
from edgekd.students.spec import parse_student

CALIBRATION = 100


@dataclass(frozen=True)
class Sizes:
    """Which cores count, how often, how many inferences of a file, and which precisions and formats."""

    cores: tuple[str, ...]
    times: int
    plan: BenchPlan
    files: tuple[str, ...]


def _plan(inferences: int) -> BenchPlan:
    return BenchPlan(
        launches=1, min_iterations=inferences, max_iterations=inferences, warmup_min_iterations=inferences,
        launch_timeout_s=900,
    )  # fmt: skip


FULL = Sizes(
    ("emulated:cortex-a72", "emulated:cortex-a76"), 2, _plan(8),
    ("float32.tflite", "float32.onnx", "int8.tflite", "int8.onnx"),
)  # fmt: skip
SHORT = Sizes(FULL.cores, 1, _plan(2), ("int8.tflite",))


def main() -> None:
    """Export, count on both cores as often as asked for, and write the table."""
    parser = Parser(__file__, __doc__, work="exported files; those that are there are used again")
    parser.input("--run", help="a run directory [--short: a small run]")
    parser.add_argument("--student", action="append", default=[])
    arguments = parser.parse()
    sizes = SHORT if arguments.short else FULL
    if arguments.short:
        arguments.run = arguments.run or small_run(arguments.work)
        for core in sizes.cores:
            emulated.setup(core)
    started = time.monotonic()
    wanted = models(arguments)[1:2] if arguments.short else models(arguments)
    targets = [target for model in wanted for target in targets_of(*model, arguments, sizes)]
    rows: dict[str, dict[str, Any]] = {
        target.name: {"size_bytes": target.path.stat().st_size, "input_size": target.inputs.shape[1], "counts": {}}
        for target in targets
    }
    for turn in range(sizes.times):
        for core in sizes.cores:
            result = edgekd.measure(targets, targets[0].name, sizes.plan, open_device(core))
            for one in result.measurements:
                counts = rows[one.name]["counts"].setdefault(core, [])
                counts.append([int(count) for count in one.launches[0].instructions or ()])
            print(f"{time.monotonic() - started:6.0f} s  {core}, time {turn + 1}", flush=True)
    results = {
        "schema": 1,
        "seconds": round(time.monotonic() - started),
        "devices": [open_device(core).facts() for core in sizes.cores],
        "machine": machine(),
        "rows": rows,
    }
    write_results(arguments.out, "instructions", results, render(results, sizes))


def models(arguments: argparse.Namespace) -> list[tuple[str, Any]]:
    """Names, and a function that builds or loads each Keras model: only those not exported yet are loaded."""
    run = arguments.run

    def build(name: str) -> Any:
        return build_student(parse_student(name), load_model(run / "teacher" / "teacher.keras"), classes=labels(run))

    return [
        ("teacher", lambda: load_model(run / "teacher" / "teacher.keras")),
        ("student", lambda: load_model(run / "distill" / "student.keras")),
        *((name, lambda name=name: build(name)) for name in arguments.student),
        ("MobileNetV2@224", mobilenet),
    ]


def mobilenet() -> Any:
    """MobileNetV2 1.0 of 1000 classes on pixels 0..255, with random weights."""
    import_keras()
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((224, 224, 3))
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    return keras.Model(inputs, keras.applications.MobileNetV2(weights=None)(scaled))


def labels(run: Path) -> int:
    """How many classes the run's photos have."""
    return len(edgekd.Dataset.load(run / "data" / "dataset.json").classes)


def targets_of(name: str, make: Any, arguments: argparse.Namespace, sizes: Sizes) -> list[edgekd.BenchTarget]:
    """The files of a model, exported if they are not there, with two of the run's test photos."""
    dataset = edgekd.Dataset.load(arguments.run / "data" / "dataset.json")
    stem = name.replace(":", "-").replace("@", "-")
    paths = [arguments.work / f"{stem}.{ending}" for ending in sizes.files]
    if not all(path.is_file() for path in paths):
        model = make()
        height, width, classes = *model.input_shape[1:3], model.output_shape[-1]
        preprocessing = Preprocessing(height=height, width=width)
        export(
            model, arguments.work, stem, preprocessing=preprocessing,
            labels=dataset.classes if classes == len(dataset.classes) else tuple(f"class {k}" for k in range(classes)),
            calibration=images_of(dataset, dataset.split("train")[:CALIBRATION], preprocessing),
        )  # fmt: skip
    opened = [edgekd.Artifact.open(path) for path in paths]
    inputs = images_of(dataset, dataset.split("test")[:2], opened[0].preprocessing)
    return [edgekd.BenchTarget(f"{name} {one.precision} {one.format}", one.path, one.format, inputs) for one in opened]


def render(results: dict[str, Any], sizes: Sizes) -> str:
    """A Markdown table in millions of instructions; the last column is the largest change from time to time."""
    lines = [
        "| file | input | bytes | A72, millions | A76, millions | A76 / A72 | largest change, second time |",
        "|---|---|---|---|---|---|---|",
    ]
    changes = []
    for name, row in results["rows"].items():
        a72, a76 = ([float(np.median(counts)) for counts in row["counts"][core]] for core in sizes.cores)
        change = max(max(counts) / min(counts) - 1 for counts in (a72, a76))
        changes.append(change)
        lines.append(
            f"| {name} | {row['input_size']} | {row['size_bytes']:,} | {a72[0] / 1e6:.3f} | {a76[0] / 1e6:.3f} "
            f"| {a76[0] / a72[0]:.2f} | {change:.4%} |"
        )
    device = results["devices"][0]
    runtimes = ", ".join(f"{name} {version}" for name, version in device["runtimes"].items())
    return "\n".join(
        [
            "Executed instructions of one inference, one thread, the median of 8 after 8 to warm up. Not time: a core",
            "executes some instructions several times faster than others.",
            "",
            *lines,
            "",
            f"Counted {sizes.times} times in fresh processes; the largest change is {max(changes):.4%}. "
            f"{device['emulator']}, {runtimes}, {device['os']}; all of it took {results['seconds'] / 60:.0f} minutes "
            f"on {results['machine']['cpu_model']} with a load of {results['machine']['load_1min']:.0f} at its end.",
            "",
        ]
    )


if __name__ == "__main__":
    run_script(main)
