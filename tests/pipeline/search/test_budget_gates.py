"""A latency that was measured on a busy device is no proof that a budget is met."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgekd.pipeline.search import measure
from edgekd.pipeline.search.measure import DeviceCost, budget_gates
from edgekd.recipe.budget import Budget


@pytest.mark.parametrize("doubts", [(), ("other programs took 99 % of one core",)])
def test_an_invalid_latency_within_the_budget_is_a_gate_that_fails(
    doubts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    budget = Budget.model_validate({"max_latency": "5ms", "device": "host"})
    # Whether a loaded machine's measurement is invalid cannot be relied on; what is then said can.
    monkeypatch.setattr(measure, "device_costs", lambda *_: {"int8_tflite": {"latency": DeviceCost(2.0, doubts)}})
    monkeypatch.setattr(measure, "images_of", lambda *_: np.zeros((1, 8, 8, 3), np.uint8))
    monkeypatch.setattr(measure, "file_costs", lambda _: {})
    context: Any = SimpleNamespace(
        recipe=SimpleNamespace(student=SimpleNamespace(budget=budget)), dataset=SimpleNamespace(split=lambda _: ())
    )
    artifact: Any = SimpleNamespace(preprocessing=None)
    [gate] = budget_gates(context, artifact, 100, tmp_path)
    assert gate["passed"] == (not doubts)
    assert all(doubt in gate["message"] for doubt in doubts)
