"""An agent in two halves: one writes the plans down for an app that runs elsewhere, one hands over its replies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.bench.agents.protocol import files_of, plan_of
from edgekd.bench.targets import BenchTarget

DUMMY = {
    "schema": 2, "timings_ns": [1], "load_ms": 0.0, "first_ms": 0.0, "warmup_n": 0, "warmup_steady": True, "threads": 1,
    "runtime": "none", "import_ms": 0.0, "peak_memory_bytes": None, "memory_before_load_bytes": None, "cpu": {},
    "answers": None,
}  # fmt: skip
_DUMMY_PASS = {"resize_ns": [1], "inference_ns": [1], "cpu": {}, "inputs_sha256": "0" * 64}


class RecordingAgent:
    """Writes the files and every launch's plan to a folder, as the app's agent pushes them; its replies say nothing."""

    name = "android-app"
    formats: tuple[str, ...] = ("tflite",)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._targets: tuple[BenchTarget, ...] = ()

    def prepare(self, folder: str, targets: Sequence[BenchTarget]) -> None:
        self._targets = tuple(targets)
        self._folder.mkdir(parents=True)
        for name, content in files_of(targets).items():
            if isinstance(content, Path):
                shutil.copy(content, self._folder / name)
            else:
                np.save(self._folder / name, content, allow_pickle=False)

    def launch(self, index: int, round_: int, settings: Mapping[str, Any], timeout_s: float) -> Any:
        plan = {**plan_of(self._targets, index, settings, ""), "out": f"reply-{round_}-{index}.json"}
        (self._folder / f"plan-{round_}-{index}.json").write_text(json.dumps(plan), encoding="utf-8")
        raw = self._targets[index].raw
        parts = [
            {"source": source, "decode_ns": [1] if source == "photo" else [], "answers": [0] * count, **_DUMMY_PASS}
            for source, count in (() if raw is None else raw.counts)
        ]
        return {**DUMMY, "end_to_end": parts or None}

    def finish(self) -> None:
        """Leaves all of it."""


class ReplayingAgent:
    """Answers every launch with the reply that the app wrote to its plan."""

    name = "android-app"
    formats: tuple[str, ...] = ("tflite",)

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self, folder: str, targets: Sequence[BenchTarget]) -> None:
        """All has been run."""

    def launch(self, index: int, round_: int, settings: Mapping[str, Any], timeout_s: float) -> Any:
        return json.loads((self._folder / f"reply-{round_}-{index}.json").read_text(encoding="utf-8"))

    def finish(self) -> None:
        """Nothing was left."""
