"""A teacher's labels in the wrong order fail a gate that names the order, before a student is trained and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekd.data.dataset import Dataset, Sample
from edgekd.data.duplicates import DuplicateSummary
from edgekd.errors import GateFailed
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.label_gates import student_advice, teacher_label_gate
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stages import teacher_gates
from edgekd.recipe import parse_recipe
from edgekd.storage import read_json, write_json

CLASSES = ("green", "red", "yellow")
OWN = {"model": "t.onnx", "pixel_range": [0, 1], "classes": ["red", "yellow", "green", "blue"]}


def context_of(folder: Path, each: int, **teacher: Any) -> RunContext:
    """A run of ``each`` validation and test photos a class, none of which is there."""
    recipe = parse_recipe(
        {"data": {"source": "photos"}, "teacher": teacher or OWN, "student": {"model": "cnn:4@32"}}, folder / "r.toml"
    )
    samples = [
        Sample(f"{split}{label}{number}", folder / "x.png", None, f"{label}{number}".rjust(64, "0"), label, split, 0)
        for split in ("val", "test") for label in range(3) for number in range(each)
    ]  # fmt: skip
    context = RunContext(Workspace(folder), recipe)
    context.__dict__["dataset"] = Dataset(CLASSES, tuple(samples), (), DuplicateSummary(0, 0, 0, 1, None, ()))
    return context


def judge(context: RunContext, predictions: Any) -> None:
    write_json(context.path / "teacher" / "summary.json", {"val_predictions": list(map(int, predictions))})
    write_json(context.path / "scratch" / "history.json", {"val_predictions": [0] * len(predictions)})
    teacher_gates.run(context)


def test_the_order_is_named_before_a_student_is_trained(tmp_path: Path) -> None:
    context = context_of(tmp_path, 4)
    right = context.dataset.labels("val")
    judge(context, right)
    gates = read_json(tmp_path / "teacher" / "gates.json")
    assert [gate["passed"] for gate in gates] == [True] * 3
    with pytest.raises(
        GateFailed, match=r"with the order green,red,yellow,blue\. Correct the order in \[teacher\] classes"
    ):
        judge(context, (right + 1) % 3)


def test_it_is_judged_on_test_photos_too_and_can_be_accepted(tmp_path: Path) -> None:
    context = context_of(tmp_path, 4)
    wrong = (context.dataset.labels("test") + 1) % 3
    gate = teacher_label_gate(context, "test", wrong)
    assert gate is not None and not gate["passed"] and "accepted" not in gate
    accepting = context_of(tmp_path, 4, **OWN, accept_weak=True)
    gate = teacher_label_gate(accepting, "test", wrong)
    assert gate is not None and not gate["passed"] and gate.get("accepted") is True


def test_three_photos_a_class_are_not_judged(tmp_path: Path) -> None:
    context = context_of(tmp_path, 3)
    assert teacher_label_gate(context, "val", (context.dataset.labels("val") + 1) % 3) is None


def test_what_to_do_depends_on_the_teacher(tmp_path: Path) -> None:
    trained = context_of(tmp_path, 4, model="efficientnet-lite0")
    assert "photos in folders of other classes" in student_advice(trained.recipe.teacher)
    assert "[teacher] classes" in student_advice(context_of(tmp_path, 4).recipe.teacher)
    gate = teacher_label_gate(trained, "val", np.zeros(12, np.int64))
    assert gate is not None and (gate["value"], gate["bar"]) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
