"""The student that a budget finds, beside students made by hand: from labels alone, and distilled.

    python benchmarks/budget/run.py --work DIR --task flowers=PHOTOS,POOL --task lights --folds road=PHOTOS.csv,POOL

Each task is a folder of labelled photos (or a CSV) and, after a comma, a folder of photos without labels; photos of a
CSV are looked for in the folder of --images NAME=FOLDER, and ``lights`` are the traffic lights of edgekd[quickstart]. A
task of --folds is judged by five folds in place of seeds. Its recipe is what ``edgekd fit`` proposes. For every seed or
fold the teacher and its soft targets are made once; then each arm is a run: ``auto`` at every size of --sizes (KB of
the int8 file), and the students of --students. Reported are the int8 file that ships, both students in float, and the
minutes of what each arm did. Results are written after every arm, and a kill loses at most one stage; with --keep the
arms that the results already hold are not run again, and --numbers takes some seeds or folds, so that days of runs can
be spread over processes and machines. --short takes one small task, one budget and a tiny teacher.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from budget_page import against_hand, markdown, summary_of
from common import TESTS, Parser, machine, run_script, write_results
from default_runs import LIGHTS
from folds import FOLDS, write_folds
from proposed_recipe import proposed_table
from small_inputs import HEAD_ALONE, labelled_folder

import edgekd
from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.errors import GateFailed, UsageError
from edgekd.pipeline.stage_table import SHARED
from edgekd.quiet import import_keras
from edgekd.recipe import parse_recipe
from edgekd.recipe.budget import Budget
from edgekd.storage import digest, read_json

sys.path.insert(0, str(TESTS))
STUDENTS = "slice:8@128,cnn:16@96,slice:12-8-11x0.35@128"
SHORT: dict[str, Any] = {
    "data": {"split": {"val": 0.2, "test": 0.3}, "views": {"views": 1}},
    "distill": {"schedule": {"epochs": 1, "batch_size": 16}},
    "export": {"formats": ["tflite"], "calibration": 16, "teacher_int8": False},
    "quantize": {"ranges": "min-max"},
}
# A limit that needs no file to be converted.
SHORT_LIMIT = {"max_parameters": 1_500}


@dataclass(frozen=True)
class Task:
    """Labelled ``photos`` (those of a CSV lie in ``images``), and a folder of further ones without labels.

    With ``folds`` what is numbered are folds, else seeds. ``split`` is that of [data], in place of the proposed one.
    """

    name: str
    photos: Path | tuple[Path, ...]
    pool: Path | None = None
    images: Path | None = None
    folds: bool = False
    split: dict[str, Any] | None = None

    def table(self, number: int, work: Path) -> dict[str, Any]:
        """What ``edgekd fit`` proposes for a seed or a fold; the folds' CSVs are written to ``work``."""
        photos, seed = self.photos, number
        if self.folds:
            assert isinstance(photos, Path)
            paths = write_folds(photos, self.images or photos.parent, work / f"{self.name}-folds")
            photos, seed = paths[number], 0
        size = Budget(max_size=100_000)
        return proposed_table(self.name, photos, self.pool, seed, images=self.images, budget=size, split=self.split)


@dataclass(frozen=True)
class Arm:
    """What is run: a ``name`` for the table, and the student's table of the recipe; ``limit`` in bytes for auto."""

    name: str
    student: dict[str, Any]
    limit: int | None


def task_of(text: str, images: dict[str, str], *, folds: bool = False) -> Task:
    """NAME=PHOTOS[,POOL], or ``lights``."""
    if text == "lights":
        return Task("lights", tuple(map(Path, traffic_light_folders())), split=LIGHTS["split"])
    name, _, places = text.partition("=")
    photos, _, pool = places.partition(",")
    where = Path(images[name]).resolve() if name in images else None
    return Task(name, Path(photos).resolve(), Path(pool).resolve() if pool else None, where, folds)


def arms_of(sizes: Sequence[int], students: Sequence[str]) -> list[Arm]:
    """Every budget, and every student made by hand."""
    auto = [
        Arm(f"auto, {size} KB", {"model": "auto", "budget": {"max_size": size * 1000}}, size * 1000) for size in sizes
    ]
    return [*auto, *(Arm(student, {"model": student}, None) for student in students)]


def table_of(task: Task, seed: int, work: Path, *, passes: int | None = None, short: bool) -> dict[str, Any]:
    """The recipe that ``edgekd fit`` proposes for the task, with another seed and fewer ``passes``, as a table."""
    if short:
        file = str(tiny_teacher(work / "teacher.keras"))
        table: dict[str, Any] = {
            **SHORT, "data": {**SHORT["data"], "source": str(task.photos)}, "seed": seed,
            "teacher": {"model": file, "pixel_range": [0, 255], **HEAD_ALONE},
        }  # fmt: skip
    else:
        table = task.table(seed, work)
        if passes is not None:
            table["distill"]["schedule"]["epochs"] = passes
    table["teacher"]["accept_weak"] = True
    return {**table, "name": task.name}


def tiny_teacher(path: Path) -> Path:
    """Two inverted residual blocks at 32 pixels, untrained, as a .keras file."""
    if not path.is_file():
        import_keras()
        from small_search import teacher

        teacher(((8, 1), (8, 1)), classes=3).save(path)
    return path


def share_teacher(table: dict[str, Any], base: Path) -> None:
    """Make the teacher and the soft targets of all arms of a task and seed, below ``base``."""
    recipe = parse_recipe({**table, "student": {"model": "cnn:2@32"}}, base.parent / "recipe.toml")
    edgekd.run(recipe, base / "shared", until="soft_targets")


def run_arm(table: dict[str, Any], arm: Arm, base: Path) -> dict[str, Any]:
    """One arm's run up to its check, on the teacher and the soft targets that are shared below ``base``."""
    recipe = parse_recipe({**table, "student": arm.student}, base.parent / "recipe.toml")
    folder = base / digest([arm.student, table["distill"]["schedule"]["epochs"]])[:12]
    for stage in SHARED:
        if (base / "shared" / stage / "stage.json").is_file() and not (folder / stage).is_dir():
            shutil.copytree(base / "shared" / stage, folder / stage)
    row: dict[str, Any] = {"arm": arm.name, "limit": arm.limit}
    try:
        failed = edgekd.run(recipe, folder, until="check").failed_gates
    except GateFailed as error:
        return {**row, "student": None, "error": str(error)}
    return {**row, **numbers(folder, arm), "failed_gates": [gate["name"] for gate in failed]}


def numbers(folder: Path, arm: Arm) -> dict[str, Any]:
    """What a run's check says, and the minutes of what was not shared."""
    check, facts = read_json(folder / "check" / "check.json"), read_json(folder / "run.json")
    rows = {row["row"]: row for row in check["rows"]}
    own = [path for path in folder.glob("*/stage.json") if path.parent.name not in SHARED]
    metric = check["metric"]
    return {
        "student": facts.get("student", {}).get("student", arm.student["model"]),
        "size_bytes": rows["int8_tflite"]["size_bytes"],
        "metric": metric,
        **{name: rows[name][metric]["value"] for name in ("int8_tflite", "labels_only", "distilled", "teacher")},
        "shipped": check["shipped"]["row"],
        "n": check["n"],
        "minutes": sum(read_json(path)["seconds"] for path in own) / 60,
    }


def kept_rows(out: Path, passes: int | None) -> list[dict[str, Any]]:
    """The rows of the results in ``out``, none where there are no results.

    Raises: UsageError where their students were trained in another number of passes.
    """
    path = out / "budget.json"
    if not path.is_file():
        return []
    results = read_json(path)
    if results.get("passes") != passes:
        here = results.get("passes") or "those that fit proposes"
        raise UsageError(f"{path} is of other --passes: {here}. Give these, or another --out")
    return [dict(row) for row in results["rows"]]


def main() -> None:
    """Run every arm of every task and seed, and write ``results/``."""
    parser = Parser(__file__, __doc__, work="the runs")
    parser.add_argument("--task", action="append", default=[], help="NAME=FOLDER[,POOL] or lights; may be repeated")
    parser.add_argument("--folds", action="append", default=[], help="NAME=CSV[,POOL], in five folds; may be repeated")
    parser.add_argument("--images", action="append", default=[], help="NAME=FOLDER of the photos that a CSV names")
    parser.add_argument("--sizes", default="50,100,200,400", help="KB of the int8 file [50,100,200,400]")
    parser.add_argument("--students", default=STUDENTS, help=f"students made by hand [{STUDENTS}]")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each task [3]")
    parser.add_argument("--passes", type=int, help="passes over the photos [as many as fit proposes]")
    parser.add_argument("--numbers", default="", help="these seeds or folds only, as 2,3 [all]")
    parser.add_argument("--keep", action="store_true", help="run only the arms that the results do not hold")
    arguments = parser.parse()
    images = dict(text.split("=", 1) for text in arguments.images)
    tasks = [task_of(text, images) for text in arguments.task]
    tasks += [task_of(text, images, folds=True) for text in arguments.folds]
    arms = arms_of(
        [int(size) for size in arguments.sizes.split(",") if size],
        [one for one in arguments.students.split(",") if one],
    )
    seeds = arguments.seeds
    if arguments.short:
        tasks, seeds = [Task("lights", labelled_folder(arguments.work / "photos", 20))], 1
        arms = [
            Arm("auto", {"model": "auto", "budget": SHORT_LIMIT}, None),
        ]
    elif not tasks:
        parser.error("needs --task NAME=FOLDER[,POOL], --task lights or --folds NAME=CSV[,POOL]")
    rows = kept_rows(arguments.out, arguments.passes) if arguments.keep else []
    done = {(row["task"], row["seed"], row["arm"]) for row in rows}
    numbers_of_all = range(max(seeds, FOLDS))
    wanted = [number for number in numbers_of_all if str(number) in arguments.numbers.split(",")]
    if arguments.numbers and len(wanted) < len(set(arguments.numbers.split(","))):
        parser.error(f"--numbers {arguments.numbers}: seeds and folds are counted from 0 to {numbers_of_all[-1]}")
    for number in wanted or numbers_of_all:
        for task in tasks:
            missing = [arm for arm in arms if (task.name, number, arm.name) not in done]
            if number >= (FOLDS if task.folds else seeds) or not missing:
                continue
            table = table_of(task, number, arguments.work, passes=arguments.passes, short=arguments.short)
            base = arguments.work / f"{task.name}-{number}"
            share_teacher(table, base)
            for arm in missing:
                row = {"task": task.name, "seed": number, **run_arm(table, arm, base)}
                print(f"{task.name}, {number}, {arm.name}: {row}", flush=True)
                # Another process may have added rows by now.
                rows = [*(kept_rows(arguments.out, arguments.passes) if arguments.keep else rows), row]
                write_page(rows, arguments)


def write_page(rows: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Write the rows, in order, and what they come to."""
    rows = sorted(rows, key=lambda row: (row["task"], row["limit"] or math.inf, row["arm"], row["seed"]))
    summary = summary_of(rows)
    results = {
        "schema": 2, "passes": arguments.passes, "rows": rows, "summary": summary,
        "against_hand": against_hand(summary), "machine": machine(),
    }  # fmt: skip
    write_results(arguments.out, "budget", results, markdown(results))


if __name__ == "__main__":
    run_script(main)
