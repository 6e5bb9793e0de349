"""What the phone and the host both measure in the tests of the Android demo's benchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekd.bench import BenchPlan, BenchTarget
from edgekd.bench.raw_photos import RawPhotosOf
from edgekd.bench.targets import Photos, make_targets
from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.formats.artifact import Artifact
from edgekd.preprocess import preprocess

COLOURS = ("green", "red", "yellow")
CHECKED_OF_EACH = 4


def phone_plan() -> BenchPlan:
    """Three short rounds, from end to end too."""
    return BenchPlan(launches=3, seconds_per_launch=0.02, min_iterations=8, warmup_max_s=0.05, end_to_end=True)


def phone_targets(run: Path) -> list[BenchTarget]:
    """A run's two students on three photos, and checked on twelve."""
    _, folder = traffic_light_folders()
    paths = [path for colour in COLOURS for path in sorted((folder / colour).iterdir())[:CHECKED_OF_EACH]]
    names = ("student.float32", "student.int8")
    artifacts = {name: Artifact.open(run / f"export/{name}.tflite") for name in names}

    def photos(chosen: list[Path], raw: RawPhotosOf | None = None) -> Photos:
        return Photos(
            lambda like: np.stack([preprocess(path.read_bytes(), path.name, like) for path in chosen]),
            [path.parent.name for path in chosen],
            raw=raw,
        )

    timed = paths[::CHECKED_OF_EACH]
    return make_targets(artifacts, photos(timed, RawPhotosOf(timed)), photos(paths), [1])
