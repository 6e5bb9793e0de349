"""What busy programs do to a ratio of latencies: a teacher and an int8 student beside 0, 2, 4 and 6 busy loops.

    python benchmarks/load/run.py --work DIR

Both are untrained: MobileNetV2 at 224 x 224 in float32 and ``cnn:16@96`` in int8. Run it on an otherwise idle machine:
what else runs there adds to the loops, and its load is in the result. Measurements that --work already has are not
repeated, so that a killed run can be continued.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results

from edgekd.bench import BenchPlan, BenchResult, BenchTarget, Measurement, measure
from edgekd.bench.cpu_share import cpu_share
from edgekd.bench.ratio import paired_ratio
from edgekd.bench.samples import values_of
from edgekd.devices.table import open_device
from edgekd.report.headline import headline
from edgekd.report.rows import rows_of

NAMES = ("teacher", "int8_tflite")
# In a process of its own: this one does not load TensorFlow, whose threads would be among the busy programs.
EXPORT = """
import sys
import numpy as np
from pathlib import Path
from edgekd.quiet import import_keras
import_keras()
import keras
from edgekd.export.exporter import export
from edgekd.preprocess import Preprocessing
from edgekd.students import cnn
out, teacher_size, width, student_size = Path(sys.argv[1]), *map(int, sys.argv[2:])
keras.utils.set_random_seed(0)
image = keras.Input((teacher_size, teacher_size, 3))
base = keras.applications.MobileNetV2(weights=None, classes=10, input_shape=(teacher_size, teacher_size, 3),
                                      classifier_activation=None)
for layer in base.layers:
    # Statistics of one batch, so that no layer of random weights gives the same for every photo.
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.momentum = 0.0
teacher = keras.Model(image, base(keras.layers.Rescaling(1 / 127.5, -1)(image)))
for model, size, stem, precision in ((teacher, teacher_size, "teacher", "float32"),
                                     (cnn.build(width, student_size, 10), student_size, "student", "int8")):
    photos = np.random.default_rng(0).integers(0, 256, (32, size, size, 3), dtype=np.uint8)
    model(photos[:16].astype("float32"), training=True)
    export(model, out, stem, labels=tuple("abcdefghij"), precisions=(precision,), formats=("tflite",),
           preprocessing=Preprocessing(height=size, width=size), calibration=photos)
"""


@dataclass(frozen=True)
class Sizes:
    """How many busy loops, how often each, how each measurement is made, and the sizes of the two models."""

    loops: tuple[int, ...]
    times: int
    plan: BenchPlan
    teacher_size: int
    width: int
    student_size: int


FULL = Sizes((0, 2, 4, 6), 5, BenchPlan(launches=7, seconds_per_launch=0.3, warmup_max_s=0.3), 224, 16, 96)
SHORT = Sizes((0, 2), 1, BenchPlan(launches=1, seconds_per_launch=0.03, warmup_max_s=0.03), 32, 4, 32)


def main() -> None:
    """Export both files, measure them under every load by turns, and write the table."""
    arguments = Parser(__file__, __doc__, work="the exported files and each measurement").parse()
    sizes = SHORT if arguments.short else FULL
    targets = export_targets(arguments.work, sizes)
    rows = []
    for number in range(sizes.times):
        for loops in sizes.loops:
            path = arguments.work / f"{loops}-loops-{number}.json"
            if not path.is_file():
                with busy_loops(loops):
                    measure(targets, "teacher", sizes.plan, open_device("host")).save(path)
            rows.append(conclusions(loops, BenchResult.load(path)))
            print(f"{loops} busy loops, {number + 1}: {rows[-1]['headline']}", file=sys.stderr)
    facts = machine()
    results = {"schema": 1, "machine": facts, "plan": sizes.plan.model_dump(), "rows": rows}
    write_results(arguments.out, "load", results, report(rows, facts, sizes))


def export_targets(work: Path, sizes: Sizes) -> list[BenchTarget]:
    """The teacher and the student, exported once, each on eight random images of its size."""
    files = {"teacher": work / "teacher.float32.tflite", "int8_tflite": work / "student.int8.tflite"}
    if not all(path.is_file() for path in files.values()):
        numbers = [str(number) for number in (sizes.teacher_size, sizes.width, sizes.student_size)]
        subprocess.run([sys.executable, "-c", EXPORT, str(work), *numbers], check=True, stdout=subprocess.DEVNULL)
    targets = []
    for (name, path), size in zip(files.items(), (sizes.teacher_size, sizes.student_size), strict=True):
        images = np.random.default_rng(0).integers(0, 256, (8, size, size, 3), dtype=np.uint8)
        targets.append(BenchTarget(name, path, "tflite", images))
    return targets


def conclusions(loops: int, result: BenchResult) -> dict[str, Any]:
    """What edgekd says of a measurement beside ``loops`` busy loops, and what it would say of all inferences."""
    comparison = result.ratio("int8_tflite")
    rows, _ = rows_of(Path(), None, result)
    return {
        "loops": loops,
        "load_before": result.facts_before.get("load_1min"),
        "ratio": comparison.value,
        "interval": None if comparison.ratio is None else [comparison.ratio.low, comparison.ratio.high],
        "standing": comparison.standing,
        "verdict": comparison.verdict,
        "reasons": list(comparison.reasons),
        "headline": headline(rows, "accuracy", ()).text,
        "of_all_inferences": ratio_of_all(*(result.measurement(name) for name in NAMES)),
        "cpu_share": cpu_shares(result),
    }


def ratio_of_all(teacher: Measurement, student: Measurement) -> list[float] | None:
    """[ratio, low, high] by medians over all inferences, those that lost the CPU among them."""
    medians = [np.array([np.median(values_of(each)) for each in side.launches]) for side in (student, teacher)]
    ratio = paired_ratio(*medians)
    return None if ratio is None else [ratio.value, ratio.low, ratio.high]


def cpu_shares(result: BenchResult) -> dict[str, float | None]:
    """Each file's median share of the CPU over its launches."""
    shares = {}
    for measurement in result.measurements:
        values = [share for each in measurement.launches if (share := cpu_share(each, "back-to-back")) is not None]
        shares[measurement.name] = float(np.median(values)) if values else None
    return shares


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """``count`` programs that never rest, on any CPU."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def report(rows: list[dict[str, Any]], facts: dict[str, Any], sizes: Sizes) -> str:
    """The results as tables, a measurement a row."""
    loads = [row["load_before"] for row in rows if row["load_before"] is not None]
    before = f"{min(loads):.1f} to {max(loads):.1f}" if loads else "unknown"
    lines = [
        f"On {facts['cpu_model']}, {facts['cores']} cores, {facts['os']}. Load (1 minute) before each measurement, the "
        f"loops of the one before it among them: {before}.",
        "",
        summary(rows),
        "",
        "| busy loops | ratio (95 %) | standing | by all inferences | CPU share of teacher, student |",
        "|---|---|---|---|---|",
    ]
    for loops in sizes.loops:
        for row in (row for row in rows if row["loops"] == loops):
            of_all = row["of_all_inferences"]
            shares = ", ".join("?" if share is None else f"{share:.0%}" for share in row["cpu_share"].values())
            whole = "–" if of_all is None else f"{of_all[0]:.4f} ({of_all[1]:.4f}-{of_all[2]:.4f})"
            interval = "" if row["interval"] is None else f" ({row['interval'][0]:.4f}-{row['interval'][1]:.4f})"
            ratio = "–" if row["standing"] == "invalid" else f"{row['ratio']:.4f}{interval}"
            lines.append(f"| {loops} | {ratio} | {row['standing']} | {whole} | {shares} |")
    lines += ["", "What the headline of a run says, once for each load:", ""]
    lines += [f"- {loops}: {next(row['headline'] for row in rows if row['loops'] == loops)}" for loops in sizes.loops]
    return "\n".join(lines) + "\n"


def summary(rows: list[dict[str, Any]]) -> str:
    """How many measurements are not invalid, and how far these lie apart."""
    ratios = [row["ratio"] for row in rows if row["standing"] != "invalid"]
    invalid = f"{len(rows) - len(ratios)} of {len(rows)} measurements are invalid"
    if not ratios:
        whole = [row["of_all_inferences"][0] for row in rows if row["of_all_inferences"]]
        spread = f" By all inferences the ratios are {min(whole):.4f} to {max(whole):.4f}." if whole else ""
        return f"{invalid}: other programs ran all the time.{spread}"
    middle = float(np.median(ratios))
    apart = max(abs(ratio / middle - 1) for ratio in ratios)
    return f"{invalid}; the others lie within {apart:.1%} of their median, {middle:.4f} (aim: 3 %)."


if __name__ == "__main__":
    run_script(main)
