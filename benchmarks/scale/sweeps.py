"""The same sweep with and without Ray: is the table the same?"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.pipeline.sweep.records import Sweep
from edgekd.pipeline.sweep.sweep import sweep
from edgekd.recipe import Recipe, parse_recipe
from edgekd.scale.ray_trials import RayTrials
from edgekd.scale.ray_workers import RayWorkers

_TIMES = ("seconds", "latency", "p50_ms")


def recipe() -> Recipe:
    """A cheap one: only whether the tables are equal matters."""
    table = {
        "name": "swept",
        "data": {
            "source": [str(folder) for folder in traffic_light_folders()],
            "split": {"train": 90, "val": 0.1, "test": 0.15},
            "views": {"views": 1},
        },
        "teacher": {"model": "efficientnet-lite0", "input_size": 32, "fine_tune_blocks": 0, "self_train": "off"},
        "distill": {"schedule": {"epochs": 2, "batch_size": 32}},
        "export": {"formats": ["tflite"], "calibration": 32, "teacher_int8": False},
        "gates": {"min_agreement": 0.0},
        "bench": {"launches": 2, "seconds_per_launch": 0.05, "warmup_max_s": 0.05},
    }
    return parse_recipe(table, Path("sweep"))


def sweep_both_ways(work: Path, count: int) -> dict[str, Any]:
    """Sweep ``count`` students here, then as trials of Ray Tune; compares all but times."""
    students = [f"cnn:{channels}@32" for channels in range(3, 3 + count)]
    seconds, results = {}, {}
    for way in ("local", "ray"):
        directory = work / f"sweep-{way}"
        shutil.rmtree(directory, ignore_errors=True)
        started = time.monotonic()
        ray: dict[str, Any] = {} if way == "local" else {"workers": RayWorkers("local"), "trials": RayTrials("local")}
        results[way] = sweep(recipe(), students, directory, accept_weak_teacher=True, **ray)
        seconds[f"{way}_s"] = round(time.monotonic() - started, 1)
    rows = {way: _rows(result) for way, result in results.items()}
    same_files = [
        (work / "sweep-local" / one.directory / "export" / "student.int8.tflite").read_bytes()
        == (work / "sweep-ray" / one.directory / "export" / "student.int8.tflite").read_bytes()
        for one in results["local"].students
    ]
    return {**seconds, "students": count, "same_table": rows["local"] == rows["ray"], "same_files": sum(same_files)}


def _rows(result: Sweep) -> list[dict[str, Any]]:
    return [{key: value for key, value in one.items() if key not in _TIMES} for one in result.to_json()["students"]]
