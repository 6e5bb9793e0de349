"""A sweep's files on the devices that conditions name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.bench.plan import BenchPlan
from edgekd.bench.targets import BenchTarget
from edgekd.errors import UsageError
from edgekd.metrics import Interval
from edgekd.pipeline.sweep.on_devices import add_costs, measure_on
from edgekd.pipeline.sweep.records import SweptStudent
from edgekd.progress import Silent


class _Watcher(Silent):
    def __init__(self) -> None:
        self.skipped_stages: list[str] = []

    def skipped(self, stage: str) -> None:
        self.skipped_stages.append(stage)


def _student(name: str) -> SweptStudent:
    score = Interval(0.9, 0.8, 1.0)
    return SweptStudent(name, name, 1, 1, score, score, None, None, 1.0, ())


def test_measured_once_and_kept(exported: dict[str, Any], images: NDArray[np.uint8], tmp_path: Path) -> None:
    plan = BenchPlan(launches=1, seconds_per_launch=0.01, warmup_max_s=0.01, end_to_end=True)
    target = BenchTarget("small", exported["int8.tflite"].path, "tflite", images[:4])
    watcher = _Watcher()
    results = measure_on(["host"], [target], plan, tmp_path, watcher)
    assert watcher.skipped_stages == [] and (tmp_path / "host.json").is_file()
    small, other = add_costs([_student("small"), _student("other")], results)
    assert small.devices[0].device == "host" and other.devices == ()
    # What else runs here may make it invalid, which has no number.
    assert (small.devices[0].p50_ms is None) == (small.devices[0].standing == "invalid")
    written = (tmp_path / "host.json").stat().st_mtime_ns
    measure_on(["host"], [target], plan, tmp_path, watcher)
    assert watcher.skipped_stages == ["host"] and (tmp_path / "host.json").stat().st_mtime_ns == written
    # Other photos are another measurement.
    changed = BenchTarget("small", exported["int8.tflite"].path, "tflite", images[4:8])
    measure_on(["host"], [changed], plan, tmp_path, watcher)
    assert watcher.skipped_stages == ["host"] and (tmp_path / "host.json").stat().st_mtime_ns != written
    with pytest.raises(UsageError, match="unknown device"):
        measure_on(["sssh:pi"], [target], plan, tmp_path)
