"""Damage 200 copies of our files and 200 of foreign ones, and put each through every command that takes a file.

    python benchmarks/damaged_files/run.py

Counts crashes, tracebacks, clear errors (exit code 1, one line that names the file) and results equal to the
undamaged file's. ``other result`` can only be of foreign files, which carry no seal: a flipped bit in a scale is
another scale. Writes results/damaged_files.json and .md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from mutations import KINDS, mutate
from PIL import Image
from trial import HERE, OUTCOMES, Trial, commands, judge, run_all

from edgekd.devices.table import open_device
from edgekd.storage import write_json, write_text

FOREIGN = HERE.parents[1] / "tests" / "golden" / "foreign"
FOREIGN_NAMES = (
    "float_keras.tflite", "dynamic_range.tflite", "int8_keras.tflite", "static_qdq.onnx", "tf2onnx_float.onnx",
)  # fmt: skip
SEED = 6
COMMANDS = ("inspect", "check", "predict", "bench", "golden")


def ours(folder: Path) -> list[Path]:
    """Four files of a small student."""
    from edgekd.quiet import import_keras

    import_keras()
    import keras
    from keras import layers

    from edgekd.export.exporter import export
    from edgekd.preprocess import Preprocessing

    keras.utils.set_random_seed(3)
    image = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    x = layers.ReLU(6.0)(layers.Conv2D(8, 3, strides=2, padding="same")(x))
    x = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, padding="same")(x))
    x = layers.ReLU(6.0)(layers.Conv2D(24, 3, strides=2, padding="same")(x))
    model = keras.Model(image, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 32, 3), dtype=np.uint8)
    exported = export(
        model, folder, "small", labels=tuple("abcde"), preprocessing=Preprocessing(height=32, width=32),
        calibration=pixels, provenance={},
    )  # fmt: skip
    return [artifact.path for artifact in exported]


def trials(files: list[Path], count: int, work: Path, photos: Path) -> list[Trial]:
    """``count`` damaged copies of the files in turn, each through every command."""
    jobs: list[dict[str, Any]] = []
    planned: list[tuple[str, str, str, str, Path]] = []
    for file in files:
        copy = work / "whole" / file.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(file.read_bytes())
        jobs += [{"id": f"{file.name} {name}", "argv": argv} for name, argv in commands(copy, photos).items()]
    for index in range(count):
        file = files[index % len(files)]
        kind, content = mutate(file.read_bytes(), index // len(files), SEED + index % len(files))
        damaged = work / f"{index:03d}.{file.name}"
        damaged.write_bytes(content)
        for name, argv in commands(damaged, photos).items():
            jobs.append({"id": f"{index} {name}", "argv": argv})
            planned.append((f"{index} {name}", file.name, kind, name, damaged))
    started = time.monotonic()

    def progress(done: int, total: int) -> None:
        print(f"\r{time.monotonic() - started:6.0f} s  {done} of {total} commands", end="", flush=True)

    answers = run_all(jobs, work, progress)
    print()
    found = []
    for key, file_name, kind, name, damaged in planned:
        outcome, detail = judge(answers[key], answers[f"{file_name} {name}"], damaged)
        found.append(Trial(file_name, kind, name, outcome, detail, answers[key]["seconds"]))
    return found


def table(found: dict[str, list[Trial]]) -> str:
    """Outcomes by origin and command, and by kind of damage, as Markdown."""
    lines = ["| files | command | " + " | ".join(OUTCOMES) + " |", "|" + "---|" * (len(OUTCOMES) + 2)]
    for origin, rows in found.items():
        for command in COMMANDS:
            counts = Counter(row.outcome for row in rows if row.command == command)
            lines.append(f"| {origin} | {command} | " + " | ".join(str(counts[o]) for o in OUTCOMES) + " |")
    lines += ["", "`inspect` on foreign files, by damage:", "", "| damage | " + " | ".join(OUTCOMES) + " |"]
    lines.append("|" + "---|" * (len(OUTCOMES) + 1))
    for kind, _ in KINDS:
        counts = Counter(r.outcome for r in found["foreign"] if r.command == "inspect" and r.mutation == kind)
        lines.append(f"| {kind} | " + " | ".join(str(counts[o]) for o in OUTCOMES) + " |")
    return "\n".join(lines)


def _counts(found: dict[str, list[Trial]]) -> dict[str, Any]:
    # A row for every file, damage, command and outcome; the message for what was not a plain refusal.
    counts = Counter(
        (origin, row.file, row.mutation, row.command, row.outcome) for origin, rows in found.items() for row in rows
    )
    names = ("origin", "file", "mutation", "command", "outcome")
    return {
        "counts": [{**dict(zip(names, key, strict=True)), "count": count} for key, count in sorted(counts.items())],
        "inspect_on_foreign": [
            {"file": row.file, "mutation": row.mutation, "outcome": row.outcome, "detail": row.detail[:300]}
            for row in found["foreign"]
            if row.command == "inspect"
        ],
    }


def _versions(runtimes: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in runtimes.items())


def main() -> None:
    """Run it all and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="Damaged copies of ours, and of foreign ones [200].")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    arguments = parser.parse_args()
    started = time.time()
    found: dict[str, list[Trial]] = {}
    with tempfile.TemporaryDirectory(prefix="damaged-") as scratch:
        work = Path(scratch)
        photos = work / "photos"
        photos.mkdir()
        pixels = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / "photo.png")
        sources = {"ours": ours(work / "ours"), "foreign": [FOREIGN / name for name in FOREIGN_NAMES]}
        for origin, files in sources.items():
            (work / origin).mkdir(exist_ok=True)
            place = work / f"{origin}-damaged"
            place.mkdir()
            found[origin] = trials(files, arguments.count, place, photos)
    facts = {"seconds": round(time.time() - started), "machine": open_device("host").facts()}
    write_json(arguments.out / "damaged_files.json", {"schema": 1, "seed": SEED, **facts, **_counts(found)})
    killed = [row for row in found["foreign"] if row.command == "inspect" and "ended its process by" in row.detail]
    machine = facts["machine"]
    text = (
        f"# Damaged files\n\n{arguments.count} damaged copies of our files and {arguments.count} of foreign ones, seed "
        f"{SEED}.\n\n{table(found)}\n\nForeign files that killed the runtime in `inspect`'s process for it: "
        f"{len(killed)}; each is among the clear errors.\n\nIt took {facts['seconds']} s on {machine['cpu_model']}, "
        f"{machine['os']}, Python {machine['python']}, {_versions(machine['runtimes'])}.\n"
    )
    write_text(arguments.out / "damaged_files.md", text)
    print(text)


if __name__ == "__main__":
    main()
