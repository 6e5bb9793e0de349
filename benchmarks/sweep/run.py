"""Eight students of one teacher: their Pareto front, and what storing the soft targets once saves over online KD.

    python benchmarks/sweep/run.py --work DIR

Traffic-light photos, offline: 45 labelled ones to train on, the other training photos without their labels. The
sweep's time is measured. That of eight trainings by ``keras.distillation.Distiller`` is computed from measured parts:
the time of its step for each student, times the number of steps. A kill loses at most one stage. --short sweeps two
students for an epoch.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results
from online import measure_steps
from small_inputs import HEAD_ALONE, labelled_folder

from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.pipeline.sweep.pick import parse_pick
from edgekd.pipeline.sweep.sweep import sweep
from edgekd.quiet import import_keras
from edgekd.recipe import Recipe, parse_recipe
from edgekd.report.sweep_render import render_sweep
from edgekd.report.sweep_text import sweep_cells
from edgekd.storage import read_json, write_bytes, write_json

STUDENTS = (
    "cnn:8@64", "cnn:16@64", "cnn:32@64",
    "slice:3@64", "slice:6@64", "slice:8@96", "slice:8x0.35@96", "slice:12-8-11x0.35@96",
)  # fmt: skip
NUMBERS = {8: "eight"}
SHORT_STUDENTS = ("slice:1@32", "slice:2@32")
PICK = "size<=300KB and accuracy>=0.9"
PLOTS = ("size", "latency")


def recipe(epochs: int) -> Recipe:
    """The quickstart's teacher; validation photos enough to tell students apart."""
    table = {
        "name": "traffic-lights",
        "metric": "balanced_accuracy",
        "data": {
            "source": [str(folder) for folder in traffic_light_folders()],
            "split": {"train": 45, "val": 0.15, "test": 0.25},
            "views": {"views": 4},
        },
        "teacher": {"model": "efficientnet-lite0", "input_size": 96, "fine_tune_blocks": 16, "self_train": "off"},
        "student": {"freeze_blocks": 3},
        "distill": {"schedule": {"epochs": epochs}},
        # The accuracy is the result here, whatever it is: no gate may end the benchmark.
        "gates": {"min_agreement": 0.0},
    }
    return parse_recipe(table, Path("sweep"))


def short_recipe(photos: Path) -> Recipe:
    """One epoch with a teacher at 32 pixels."""
    table = {
        "name": "traffic-lights",
        "data": {"source": str(labelled_folder(photos, 20)), "split": {"val": 0.2, "test": 0.3}, "views": {"views": 1}},
        "teacher": {"model": "efficientnet-lite0", "input_size": 32, **HEAD_ALONE},
        "distill": {"schedule": {"epochs": 1, "batch_size": 16}},
        "export": {"formats": ["tflite"], "calibration": 16, "teacher_int8": False},
        "gates": {"min_agreement": 0.0},
        "bench": {"launches": 1, "seconds_per_launch": 0.03, "warmup_max_s": 0.03},
    }
    return parse_recipe(table, photos.parent / "sweep.toml")


def main() -> None:
    """Sweep, time the parts, and write ``results/``."""
    parser = Parser(__file__, __doc__, work="the sweep's runs")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=7, help="of the steps' times")
    arguments = parser.parse()
    import_keras()
    settings, students, rounds = recipe(arguments.epochs), STUDENTS, arguments.rounds
    if arguments.short:
        settings, students, rounds = short_recipe(arguments.work / "photos"), SHORT_STUDENTS, 1
    directory = arguments.work / "sweep"
    started, load = time.monotonic(), os.getloadavg()
    outcome = sweep(
        settings, students, directory, conditions=parse_pick(PICK), accept_weak_teacher=True, watcher=StageLines()
    )  # fmt: skip
    clock = arguments.work / "seconds.json"
    # The first entry is of a whole sweep: one continued after a kill, or with all done, takes less.
    seconds = list(read_json(clock)) if clock.is_file() else []
    write_json(clock, [*seconds, round(time.monotonic() - started)])
    headline = render_sweep(directory)
    steps = measure_steps(outcome, directory, settings, arguments.work / "steps.json", rounds)
    results = {
        "schema": 1, "headline": headline, "pick": PICK, "epochs": settings.distill.schedule.epochs,
        "sweep": outcome.to_json(),
        "wall_s": read_json(clock), "stages_s": stages(directory), "steps": steps, "load": {"before": load},
        "photos": read_json(directory / "data" / "summary.json")["splits"],
        "machine": machine(),
    }  # fmt: skip
    results["costs"] = costs(results)
    for plot in PLOTS:
        path = directory / "plots" / f"{plot}.png"
        if path.is_file():
            write_bytes(arguments.out / f"{plot}.png", path.read_bytes())
    write_results(arguments.out, "sweep", results, markdown(results))


class StageLines:
    """Prints a line for every stage that is done."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def started(self, stage: str) -> None:
        """Print nothing."""

    def progress(self, done: int, total: int) -> None:
        """Print nothing."""

    def skipped(self, stage: str) -> None:
        """Print nothing."""

    def finished(self, stage: str, seconds: float) -> None:
        """Print its seconds."""
        print(f"{time.monotonic() - self._since:7.0f} s  {stage} took {seconds:.1f} s", flush=True)

    def note(self, text: str) -> None:
        """Print it."""
        print(f"{time.monotonic() - self._since:7.0f} s  {text}", flush=True)


def stages(directory: Path) -> dict[str, dict[str, float]]:
    """Seconds of every stage of every student as they were measured; the shared ones are those of the first."""
    folders = sorted(path for path in directory.iterdir() if (path / "distill").is_dir())
    return {
        folder.name: {
            mark.parent.name: float(read_json(mark)["seconds"]) for mark in sorted(folder.glob("*/stage.json"))
        }
        for folder in folders
    }


def costs(results: dict[str, Any]) -> dict[str, float]:
    """Seconds: of the sweep's stages, of its distillations, and of as many distillations online, computed."""
    summary, steps = results["sweep"], results["steps"]
    soft_targets = float(summary["column_s"])
    stored = sum(one["steps"] * one["stored_ms"]["value"] / 1e3 for one in steps)
    online = sum(one["steps"] * one["online_ms"]["value"] / 1e3 for one in steps)
    return {
        "sweep_stages_s": summary["shared_s"] + sum(one["seconds"] for one in summary["students"]),
        "column_s": soft_targets,
        "distill_stages_s": sum(times["distill"] for times in results["stages_s"].values()),
        "stored_steps_s": stored, "online_steps_s": online,
        "ratio_of_steps": online / stored, "ratio_with_column": online / (stored + soft_targets),
    }  # fmt: skip


def markdown(results: dict[str, Any]) -> str:
    """The table, the plots, the times."""
    cells, cost, machine = sweep_cells(results["sweep"]), results["costs"], results["machine"]
    lines = [cells.header, tuple("---" for _ in cells.header), *cells.rows]
    table = ["| " + " | ".join(line) + " |" for line in lines]
    parts = ["| student | steps | ms a step, soft targets (95 %) | ms a step, Distiller (95 %) | ratio |",
             "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for one in results["steps"]:
        stored, online = one["stored_ms"], one["online_ms"]
        ratio = online["value"] / stored["value"]
        parts.append(f"| {one['student']} | {one['steps']:,} | {spread(stored)} | {spread(online)} | {ratio:.1f}x |")
    labelled, more = (sum(results["photos"][name].values()) for name in ("train", "unlabelled"))
    val, test = (sum(results["photos"][name].values()) for name in ("val", "test"))
    paragraphs = [
        f"{labelled} labelled photos to train on and {more} without labels, {val} validation photos that chose "
        f"epochs, the front and the pick, {test} test photos that chose nothing. {results['epochs']} epochs a student.",
        f'`--pick "{results["pick"]}"`: {results["sweep"]["winner"] or "no student meets it"}.',
        f"**Measured.** The sweep's stages took {cost['sweep_stages_s'] / 60:.1f} minutes in all, with each student's "
        "training from scratch, export, check and benchmark; of it the soft targets, once, "
        f"{cost['column_s']:.0f} s, and the distillations {cost['distill_stages_s'] / 60:.1f} minutes.",
        "**Computed from measured parts.** The same distillations online: the step of `keras.distillation.Distiller` "
        f"for each student (by turns with that on soft targets), times its number of steps: "
        f"{cost['online_steps_s'] / 60:.1f} minutes, against {cost['stored_steps_s'] / 60:.1f} for the same steps on "
        f"soft targets and {cost['column_s'] / 60:.1f} for the soft targets themselves: "
        f"{cost['ratio_with_column']:.1f}x. Neither "
        "side counts what both have to do (rendering views, judging epochs). The Distiller's students are given a "
        "resize from the teacher's size to their own, because it feeds both networks one input.",
        f"{machine['cpu_model']}, {machine['cores']} cores that other work shared, load "
        f"{results['load']['before'][0]:.1f} before.",
    ]
    pictures = [f"![{plot}]({plot}.png)" for plot in PLOTS]
    body = [
        f"# A sweep of {NUMBERS.get(len(results['sweep']['students']), 'several')} students",
        results["headline"],
        "\n".join(table),
        *pictures,
        "\n".join(parts),
        *paragraphs,
    ]
    return "\n\n".join(body) + "\n"


def spread(value: dict[str, float]) -> str:
    """A median with its interval."""
    return f"{value['value']:.1f} ({value['low']:.1f}-{value['high']:.1f})"


if __name__ == "__main__":
    run_script(main)
