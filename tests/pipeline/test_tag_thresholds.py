from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from edgekd.decisions.thresholds import best_f1_thresholds
from edgekd.pipeline.tag_thresholds import comparable_thresholds
from edgekd.storage import write_json

TRUTH = (np.random.default_rng(0).random((60, 3)) < 0.4).astype(np.int8)


def context_of(folder: Path, task: str = "multi-label", thresholds: Any = "f1", label_free: bool = False) -> Any:
    recipe = SimpleNamespace(decide=SimpleNamespace(thresholds=thresholds))
    dataset = SimpleNamespace(task=task, classes=("a", "b", "c"), truth=lambda split: {"val": TRUTH}[split])
    return SimpleNamespace(path=folder, recipe=recipe, dataset=dataset, label_free=label_free)


def test_models_that_do_not_ship_get_thresholds_by_their_own_answers(tmp_path: Path) -> None:
    rows = (0.2 * TRUTH + 0.3 * np.random.default_rng(1).random(TRUTH.shape)).round(6)
    write_json(tmp_path / "history.json", {"val_probabilities": rows.tolist()})
    found = comparable_thresholds(context_of(tmp_path), "history.json")
    assert found == best_f1_thresholds(TRUTH, rows).values
    # At 0.5 no tag would be given.
    assert max(found) < 0.5
    assert comparable_thresholds(context_of(tmp_path, thresholds=0.3), "history.json") == (0.3, 0.3, 0.3)


def test_where_nothing_can_be_fitted_files_keep_their_own(tmp_path: Path) -> None:
    write_json(tmp_path / "history.json", {"val_probabilities": []})
    for context in (
        context_of(tmp_path), context_of(tmp_path, task="single-label"), context_of(tmp_path, label_free=True)
    ):  # fmt: skip
        assert comparable_thresholds(context, "history.json") is None
