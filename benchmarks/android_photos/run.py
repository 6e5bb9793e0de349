"""How many photos give Python's input tensor and Python's class in the Android demo, by kind of photo.

    python benchmarks/android_photos/run.py RUN [--road DIR] [--out DIR]

RUN is a finished run directory, such as the quickstart's: its teacher and its two students predict. The photos are
those of tests/integration/photo_kinds.py (crops of traffic lights, whole streets of --road, synthetic ones; a hundred
of ten kinds), and the golden ones. They go through Android's own decoders and TensorFlow Lite's own Android library in
the demo's byte-for-byte test, and through `edgekd predict`. Needs Maven and what android_demo/build.py asks for.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/integration"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from android_build import Row, build_demo, goals_of_tests, rows_by_kind
from common import Parser, machine, run_script, temporary_folder, write_results
from photo_kinds import KINDS, ROAD, write_photos
from small_inputs import small_run

MODELS = ("teacher.float32", "student.float32", "student.int8")


def main() -> None:
    """Build, run the one test, count, and write the tables."""
    parser = Parser(__file__, __doc__)
    parser.input("run", help="a run directory [--short: a small run]")
    parser.add_argument("--road", type=Path, default=ROAD, help="a folder of larger photos, used if it exists")
    parser.add_argument("--compiled", type=Path, help="a build directory with the compiled app: compile nothing")
    arguments = parser.parse()
    started, scratch = time.monotonic(), temporary_folder()
    directory = arguments.run or small_run(scratch)
    photos = write_photos(scratch / "photos", arguments.road)
    if arguments.short:
        # One photo of each kind.
        photos = [photo for photo in photos if photo.stem.endswith("-03") or photo.unlink()]
    models = [directory / f"export/{name}.tflite" for name in MODELS]
    goals = [*goals_of_tests(arguments.compiled is not None), "-Dtest=ByteForByteTest"]
    if arguments.compiled:
        shutil.copytree(arguments.compiled, scratch / "app/build")
    built = build_demo(scratch / "app", models, photos, goals, {})
    rows = rows_by_kind(built)
    rounding = {model["model"]: model["tolerance"] for model in built.read("byte_for_byte.json")}
    roads = len(list(arguments.road.rglob("*.jp*g")))
    facts = {
        "seconds": round(time.monotonic() - started),
        "machine": machine()["cpu_model"],
        "versions": {name: importlib.metadata.version(name) for name in ("ai-edge-litert", "numpy", "pillow")},
        "python": platform.python_version(),
        "road_photos_to_choose_from": roads,
        "rounding": rounding,
    }
    results = {"schema": 1, **facts, "rows": [asdict(row) for row in rows]}
    write_results(arguments.out, "android_photos", results, report(rows, facts))


def report(rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """The counts by kind, and every photo of another class."""
    kinds = list(dict.fromkeys(row.kind for row in rows))
    by_model = [[row for row in rows if row.model == f"{name}.tflite"] for name in MODELS]
    lines = [
        "Photos whose input tensor in the Android demo is Python's, byte for byte, and whose class is that of "
        "`edgekd predict` (of golden photos: that of the export).",
        "",
        f"| kind | photos | tensors equal | largest difference | {' | '.join(f'class of {name}' for name in MODELS)} |",
        f"|---|---|---|---|{'---|' * len(MODELS)}",
    ]
    lines += [_line(kind, [[row for row in each if row.kind == kind] for each in by_model]) for kind in kinds]
    lines += [_line("**the hundred**", [[row for row in each if row.kind in KINDS] for each in by_model]), ""]
    lines += [
        f"{row.model}: another class for {photo}, where Python's led by {lead:.4f}."
        for row in rows
        for photo, lead in row.otherwise.items()
    ] or ["No photo is of another class."]
    lines += [
        "",
        "TensorFlow Lite 2.16.1 runs here without XNNPACK, whose int8 kernels round differently; by the golden vectors "
        f"a probability of student.int8.tflite may therefore be off by {facts['rounding']['student.int8.tflite']:.4f}. "
        f"{facts['seconds']} s on {facts['machine']}.",
    ]
    return "\n".join(lines) + "\n"


def _line(title: str, by_model: Sequence[Sequence[Row]]) -> str:
    """Counts of the same photos through every model."""
    photos = sum(row.n for row in by_model[0])
    if sum(row.unread for row in by_model[0]) == photos:
        return f"| {title} | {photos} | not read by Android |{' – |' * (1 + len(by_model))}"
    equal = min(sum(row.tensors_equal for row in each) for each in by_model)
    furthest = max(row.largest_difference for each in by_model for row in each)
    tops = " | ".join(f"{sum(row.top_equal for row in each)}/{photos}" for each in by_model)
    return f"| {title} | {photos} | {equal} | {furthest} | {tops} |"


if __name__ == "__main__":
    run_script(main)
