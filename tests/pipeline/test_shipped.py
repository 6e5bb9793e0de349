from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgekd.pipeline.run_files import timed_rows
from edgekd.pipeline.shipped import describe_weak_teacher, shipped_student
from edgekd.storage import write_json
from edgekd.teacher.settings import TeacherSection

LABELS = np.arange(40) % 2


def context_of(folder: Path, scratch_wrong: int, distilled_wrong: int, ships: str = "better", **facts: Any) -> Any:
    """A run of 40 validation photos, the first so many of which each student gets wrong."""
    for stage, wrong in (("scratch", scratch_wrong), ("distill", distilled_wrong)):
        predictions = np.where(np.arange(40) < wrong, 1 - LABELS, LABELS)
        write_json(folder / stage / "history.json", {"val_predictions": predictions.tolist()})
    data = SimpleNamespace(task="single-label")
    recipe = SimpleNamespace(distill=SimpleNamespace(ships=ships), metric="accuracy", data=data)
    dataset = SimpleNamespace(truth=lambda split: {"val": LABELS}[split])
    return SimpleNamespace(path=folder, recipe=recipe, dataset=dataset, **{"label_free": False, **facts})


@pytest.mark.parametrize(("scratch", "distilled"), [(5, 3), (3, 3), (3, 4), (20, 2)])
def test_the_distilled_one_ships_where_chance_explains_the_lead(tmp_path: Path, scratch: int, distilled: int) -> None:
    shipped = shipped_student(context_of(tmp_path, scratch, distilled))
    assert (shipped.row, shipped.stage, shipped.reason) == ("distilled", "distill", "")
    assert bool(shipped.doubt) == (scratch in (5, 3) and scratch != distilled)


def test_labels_alone_ship_at_odds_of_three_to_one(tmp_path: Path) -> None:
    shipped = shipped_student(context_of(tmp_path, 4, 14))
    assert (shipped.row, shipped.stage, shipped.doubt) == ("labels_only", "scratch", "")
    assert shipped.reason == (
        "the student from labels alone ships: 90.0% accuracy on 40 validation photos against 65.0% of the distilled "
        "one (p = 0.00098)"
    )
    unsure = shipped_student(context_of(tmp_path, 4, 6))
    assert unsure.row == "labels_only" and unsure.reason.endswith("(p = 0.25)")
    assert unsure.doubt == (
        "40 validation photos can't tell for sure which of the two students is better (accuracy 85.0% "
        "distilled, 90.0% from labels alone). Label more photos, or set a larger val under [data.split]"
    )


def test_recalls_decide_where_the_metric_is_of_them(tmp_path: Path) -> None:
    labels = np.array([0] * 36 + [1] * 4)
    recipe = SimpleNamespace(
        distill=SimpleNamespace(ships="better"), metric="balanced_accuracy", data=SimpleNamespace(task="single-label")
    )
    dataset = SimpleNamespace(truth=lambda split: {"val": labels}[split])
    context: Any = SimpleNamespace(path=tmp_path, recipe=recipe, dataset=dataset, label_free=False)
    # Four photos more of the common class, and two less of the rare one: ahead by photos, behind by recalls.
    # Two photos of one class are odds of exactly 3 to 1.
    cases = (((36, 2), (32, 4), "distilled"), ((32, 4), (36, 0), "labels_only"), ((36, 4), (34, 4), "labels_only"))
    for right, other, row in cases:
        for stage, (common, rare) in (("scratch", right), ("distill", other)):
            answers = np.array([0] * common + [1] * (36 - common) + [1] * rare + [0] * (4 - rare))
            write_json(tmp_path / stage / "history.json", {"val_predictions": answers.tolist()})
        assert shipped_student(context).row == row


def test_a_teacher_that_does_worse_than_labels_alone_is_named_with_what_to_do(tmp_path: Path) -> None:
    for settings, advice in (
        (
            {"fine_tune_blocks": 0},
            'Set fine_tune_blocks = "auto" under [teacher]: it trains more of the teacher where held-out photos gain',
        ),
        ({"fine_tune_blocks": "auto"}, "Label more photos, or take another teacher"),
        ({"model": "teacher.onnx"}, "Label more photos, or take another teacher"),
    ):
        context = context_of(tmp_path, 0, 0)
        context.recipe.teacher = TeacherSection.model_validate(settings)
        write_json(tmp_path / "teacher" / "summary.json", {"val_predictions": [1, 0, *LABELS[2:].tolist()]})
        assert describe_weak_teacher(context) == (
            "the teacher has 95.0% accuracy on 40 validation photos, the student from labels alone 100.0% (p = 0.25), "
            f"and a student hardly gets better than its teacher. {advice}"
        )
    assert describe_weak_teacher(context_of(tmp_path, 1, 0)) == ""
    assert describe_weak_teacher(context_of(tmp_path, 0, 0, label_free=True)) == ""


def test_a_recipe_or_a_run_without_labels_decides_for_the_distilled_one(tmp_path: Path) -> None:
    assert shipped_student(context_of(tmp_path, 0, 40, ships="distilled")).row == "distilled"
    assert shipped_student(context_of(tmp_path, 0, 40, label_free=True)).row == "distilled"


def test_of_the_two_students_the_one_that_ships_is_timed(tmp_path: Path) -> None:
    assert "distilled" in timed_rows(tmp_path) and "labels_only" not in timed_rows(tmp_path)
    write_json(tmp_path / "check" / "check.json", {"shipped": {"row": "labels_only", "reason": "better"}})
    assert "labels_only" in timed_rows(tmp_path) and "distilled" not in timed_rows(tmp_path)


def test_students_of_tags_are_compared_by_the_metric(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((60, 3)) < 0.4).astype(np.int8)
    for stage, noise in (("scratch", 0.4), ("distill", 1.2)):
        rows = np.clip(0.4 * truth + noise * rng.random(truth.shape), 0, 1)
        write_json(tmp_path / stage / "history.json", {"val_probabilities": rows.tolist()})
    recipe = SimpleNamespace(
        distill=SimpleNamespace(ships="better"), metric="macro_f1", data=SimpleNamespace(task="multi-label")
    )
    dataset = SimpleNamespace(truth=lambda split: {"val": truth}[split])
    shipped = shipped_student(SimpleNamespace(path=tmp_path, recipe=recipe, dataset=dataset, label_free=False))  # type: ignore[arg-type]
    assert shipped.row == "labels_only"
    assert "% macro F1 on 60 validation photos" in shipped.reason
