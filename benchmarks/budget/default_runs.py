"""How runs of the README's recipe end: exit codes, and which student ships, over several data sets and seeds.

    python benchmarks/budget/default_runs.py --work DIR --task flowers=PHOTOS,POOL --task road=PHOTOS.csv

Each task is a folder of labelled photos (or a CSV) and, after a comma, a folder of photos without labels; photos of a
CSV are looked for in the folder of --images NAME=FOLDER. A run is ``edgekd run`` of the recipe in README.md with these
photos, the seed being that of the split too, up to its check. ``--task lights`` are the traffic lights of
edgekd[quickstart]; they are the default. A kill loses at most one stage. --short takes one small task and one epoch.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import ROOT, Parser, machine, run_script, write_results
from small_inputs import HEAD_ALONE, labelled_folder

from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.storage import read_json, write_text

# Few labels a class, as most users have; the other photos are a pool.
LIGHTS: dict[str, Any] = {"split": {"val": 0.2, "test": 0.25, "labelled_per_class": 20}}
SHORT: dict[str, Any] = {
    "data": {"split": {"val": 0.2, "test": 0.3}, "views": {"views": 1}},
    "teacher": {"model": "efficientnet-lite0", "input_size": 64, "accept_weak": True, **HEAD_ALONE},
    "student": {"model": "cnn:4@32"},
    "distill": {"schedule": {"epochs": 1, "batch_size": 16}},
    "export": {"formats": ["tflite"], "calibration": 16, "teacher_int8": False},
    "quantize": {"ranges": "min-max"},
}
SHIPS = {"labels_only": "labels alone", "distilled": "distilled"}


@dataclass(frozen=True)
class Task:
    """A data set: its ``name``, and ``[data]`` of the recipe."""

    name: str
    data: dict[str, Any]


def readme_recipe() -> dict[str, Any]:
    """The recipe that README.md shows."""
    text = (ROOT / "README.md").read_text()
    start = text.index("```toml\n") + len("```toml\n")
    return tomllib.loads(text[start : text.index("```", start)])


def lights() -> Task:
    """The traffic lights of edgekd[quickstart]: 20 labels a class, the rest without."""
    return Task("lights", {"source": [str(folder) for folder in traffic_light_folders()], **LIGHTS})


def task_of(text: str, images: dict[str, str]) -> Task:
    """NAME=PHOTOS[,POOL], or ``lights``."""
    if text == "lights":
        return lights()
    name, _, places = text.partition("=")
    photos, _, pool = places.partition(",")
    data: dict[str, Any] = {"source": str(Path(photos).resolve())}
    data |= {"unlabelled": str(Path(pool).resolve())} if pool else {}
    data |= {"images": str(Path(images[name]).resolve())} if name in images else {}
    return Task(name, data)


def recipe_of(task: Task, seed: int, *, short: bool) -> dict[str, Any]:
    """The README's recipe with the photos of the task and the seed."""
    table = readme_recipe()
    table |= {"name": f"{task.name}-{seed}", "seed": seed, "data": dict(task.data)}
    if short:
        for key, value in SHORT.items():
            table[key] = {**table.get(key, {}), **value}
    table["data"]["split"] = {**table["data"].get("split", {}), "seed": seed}
    return table


def run_one(task: Task, seed: int, work: Path, *, short: bool) -> dict[str, Any]:
    """``edgekd run`` in a process of its own; its exit code, the gates that failed and its figures."""
    import tomli_w

    folder = work / "runs" / f"{task.name}-{seed}"
    recipe = work / f"{task.name}-{seed}.toml"
    write_text(recipe, tomli_w.dumps(recipe_of(task, seed, short=short)))
    command = [sys.executable, "-m", "edgekd", "run", str(recipe), "--out", str(work / "runs"), "--until", "check"]
    ended = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False, cwd=work)
    row: dict[str, Any] = {"task": task.name, "seed": seed, "exit": ended.returncode}
    check = folder / "check" / "check.json"
    if ended.returncode not in (0, 3) or not check.is_file():
        return {**row, "message": ended.stderr.strip().splitlines()[-1:]}
    facts = read_json(check)
    rows, metric = {one["row"]: one for one in facts["rows"]}, facts["metric"]
    failed = [gate["name"] for gate in facts["gates"] if not gate["passed"] and not gate.get("accepted")]
    names = [name for name in ("teacher", "labels_only", "distilled", "int8_tflite", "int8_onnx") if name in rows]
    scores = {name: rows[name][metric]["value"] for name in names}
    size, ships = rows["int8_tflite"]["size_bytes"], facts["shipped"]
    return {
        **row, "failed_gates": failed, "metric": metric, "n": facts["n"], "size_bytes": size, **scores,
        "ships": ships["row"], "reason": ships["reason"], "notes": ships["notes"],
    }  # fmt: skip


def percent(value: float | None) -> str:
    """A share in percent."""
    return "–" if value is None else f"{100 * value:.1f}"


def markdown(results: dict[str, Any]) -> str:
    """The page of the results."""
    rows: Sequence[dict[str, Any]] = results["rows"]
    failed = sum(row["exit"] == 3 for row in rows)
    other = sum(row["exit"] not in (0, 3) for row in rows)
    judged = [row for row in rows if "ships" in row]
    better = [row[row["ships"]] - row["labels_only" if row["ships"] == "distilled" else "distilled"] for row in judged]
    lines = [
        "# How runs of the README's recipe end", "",
        f"Of {len(rows)} runs {failed} ended with exit code 3 (a gate failed) and {other} with another code than 0. "
        "Scores in percent, of test photos that decided nothing. Validation photos decided which student ships: it is "
        f"the better one on test in {sum(value > 0 for value in better)} runs, as good in "
        f"{sum(value == 0 for value in better)} and the worse one in {sum(value < 0 for value in better)}.", "",
        "| task | seed | exit | gates that failed | teacher | labels alone | distilled | ships | its .tflite | .onnx "
        "| bytes |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        floats, files = ("teacher", "labels_only", "distilled"), ("int8_tflite", "int8_onnx")
        ships = SHIPS.get(row.get("ships", ""), "\N{EN DASH}")
        cells = [*(percent(row.get(name)) for name in floats), ships, *(percent(row.get(name)) for name in files)]
        scores = " | ".join(cells)
        gates = ", ".join(row.get("failed_gates", row.get("message", []))) or "none"
        size = row.get("size_bytes")
        lines.append(
            f"| {row['task']} | {row['seed']} | {row['exit']} | {gates} | {scores} | {size:,} |"
            if size
            else f"| {row['task']} | {row['seed']} | {row['exit']} | {gates} | {scores} | – |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run every seed of every task, and write ``results/``."""
    parser = Parser(__file__, __doc__, work="the runs")
    parser.add_argument("--task", action="append", default=[], help="NAME=FOLDER[,POOL] or lights; may be repeated")
    parser.add_argument("--images", action="append", default=[], help="NAME=FOLDER of the photos that a CSV names")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each [5]")
    arguments = parser.parse()
    images = dict(text.split("=", 1) for text in arguments.images)
    tasks, seeds = [task_of(text, images) for text in arguments.task], arguments.seeds
    if arguments.short:
        tasks, seeds = [Task("lights", {"source": str(labelled_folder(arguments.work / "photos", 20))})], 1
    arguments.work.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in range(seeds):
        for task in tasks or [lights()]:
            rows.append(run_one(task, seed, arguments.work, short=arguments.short))
            print(json.dumps(rows[-1]), flush=True)
            results = {"schema": 1, "seeds": seeds, "rows": rows, "machine": machine()}
            write_results(arguments.out, "default_runs", results, markdown(results))


if __name__ == "__main__":
    run_script(main)
