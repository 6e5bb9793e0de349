"""Damage 200 copies of our files and 200 of foreign ones, and put each through every command that takes a file.

    python benchmarks/damaged_files/run.py

Counts crashes, tracebacks, clear errors (exit code 1, one line that names the file) and results equal to the
undamaged file's. ``other result`` is possible for foreign files only, which have no checksum: a flipped bit in a scale
is another scale. Writes results/damaged_files.json and .md.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import TESTS, Parser, machine, run_script, temporary_folder, write_results
from mutations import KINDS, mutate
from small_inputs import small_files
from trial import OUTCOMES, Trial, commands, judge, run_all

FOREIGN = TESTS / "golden" / "foreign"
FOREIGN_NAMES = (
    "float_keras.tflite", "dynamic_range.tflite", "int8_keras.tflite", "static_qdq.onnx", "tf2onnx_float.onnx",
)  # fmt: skip
SEED = 6
COMMANDS = ("inspect", "check", "predict", "bench", "golden")


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

    replies = run_all(jobs, work, progress)
    print()
    rows = []
    for key, file_name, kind, name, damaged in planned:
        outcome, detail = judge(replies[key], replies[f"{file_name} {name}"], damaged)
        rows.append(Trial(file_name, kind, name, outcome, detail, replies[key]["seconds"]))
    return rows


def table(by_origin: dict[str, list[Trial]]) -> str:
    """Outcomes by origin and command, and by kind of damage, as Markdown."""
    lines = ["| files | command | " + " | ".join(OUTCOMES) + " |", "|" + "---|" * (len(OUTCOMES) + 2)]
    for origin, rows in by_origin.items():
        for command in COMMANDS:
            counts = Counter(row.outcome for row in rows if row.command == command)
            lines.append(f"| {origin} | {command} | " + " | ".join(str(counts[o]) for o in OUTCOMES) + " |")
    lines += ["", "`inspect` on foreign files, by damage:", "", "| damage | " + " | ".join(OUTCOMES) + " |"]
    lines.append("|" + "---|" * (len(OUTCOMES) + 1))
    for kind, _ in KINDS:
        counts = Counter(r.outcome for r in by_origin["foreign"] if r.command == "inspect" and r.mutation == kind)
        lines.append(f"| {kind} | " + " | ".join(str(counts[o]) for o in OUTCOMES) + " |")
    return "\n".join(lines)


def _counts(by_origin: dict[str, list[Trial]]) -> dict[str, Any]:
    # A row for every file, damage, command and outcome; the message for what was not a plain refusal.
    counts = Counter(
        (origin, row.file, row.mutation, row.command, row.outcome) for origin, rows in by_origin.items() for row in rows
    )
    names = ("origin", "file", "mutation", "command", "outcome")
    return {
        "counts": [{**dict(zip(names, key, strict=True)), "count": count} for key, count in sorted(counts.items())],
        "inspect_on_foreign": [
            {"file": row.file, "mutation": row.mutation, "outcome": row.outcome, "detail": row.detail[:300]}
            for row in by_origin["foreign"]
            if row.command == "inspect"
        ],
    }


def _versions(runtimes: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in runtimes.items())


def main() -> None:
    """Damage the files, run every command on them, and write the results."""
    parser = Parser(__file__, __doc__)
    parser.add_argument("--count", type=int, help="damaged copies of ours, and of foreign files [200; --short: 2]")
    arguments = parser.parse()
    count = arguments.count or (2 if arguments.short else 200)
    started = time.time()
    by_origin: dict[str, list[Trial]] = {}
    work = temporary_folder()
    photos = work / "photos"
    photos.mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(photos / "photo.png")
    sources = {
        "ours": list(small_files(work / "ours").values()),
        "foreign": [FOREIGN / name for name in FOREIGN_NAMES],
    }
    for origin, files in sources.items():
        place = work / f"{origin}-damaged"
        place.mkdir()
        by_origin[origin] = trials(files, count, place, photos)
    facts = {"seconds": round(time.time() - started), "machine": machine()}
    results = {"schema": 1, "seed": SEED, **facts, **_counts(by_origin)}
    write_results(arguments.out, "damaged_files", results, _report(by_origin, count, facts))


def _report(by_origin: dict[str, list[Trial]], count: int, facts: dict[str, Any]) -> str:
    killed = [row for row in by_origin["foreign"] if row.command == "inspect" and "ended its process by" in row.detail]
    host = facts["machine"]
    return (
        f"# Damaged files\n\n{count} damaged copies of our files and {count} of foreign ones, seed {SEED}.\n\n"
        f"{table(by_origin)}\n\nForeign files that killed the runtime in `inspect`'s process for it: {len(killed)}; "
        f"each is among the clear errors.\n\nIt took {facts['seconds']} s on {host['cpu_model']}, {host['os']}, Python "
        f"{host['python']}, {_versions(host['runtimes'])}.\n"
    )


if __name__ == "__main__":
    run_script(main)
