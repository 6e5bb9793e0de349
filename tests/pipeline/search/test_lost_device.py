"""A device that can't be reached while candidates are measured; `benchmarks/budget/devices.py` switches a Pi off."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgekd.errors import DeviceNotFound
from edgekd.pipeline.search.measure import device_costs
from edgekd.recipe.budget import Budget


def test_a_device_that_is_lost_ends_with_how_to_go_on(tmp_path: Path) -> None:
    budget = Budget.model_validate({"max_latency": "5ms", "device": "ssh:nowhere.invalid"})
    (tmp_path / "candidate.tflite").write_bytes(b"a file")
    candidate: Any = SimpleNamespace(path=tmp_path / "candidate.tflite")
    with pytest.raises(DeviceNotFound, match=r"nowhere\.invalid.* What was done so far is kept: the same command") as e:
        device_costs({"candidate": candidate}, budget, {"candidate": np.zeros((1, 8, 8, 3), np.uint8)}, tmp_path)
    assert e.value.address == "ssh:nowhere.invalid"
