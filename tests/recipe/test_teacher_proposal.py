"""Which networks a first recipe averages, and what of them it trains."""

from __future__ import annotations

import pytest

from edgekd.recipe import teacher_proposal
from edgekd.recipe.budget import Budget
from edgekd.recipe.teacher_proposal import plan_teacher, teacher_training, views_within

LITE0, LITE2 = "efficientnet-lite0", "efficientnet-lite2"
SECONDS = {LITE0: 0.01, LITE2: 0.02}


@pytest.fixture
def with_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_proposal, "is_installed", lambda *_: True)


@pytest.mark.usefixtures("with_extra")
def test_two_networks_are_averaged_where_the_extra_is_installed() -> None:
    plan = plan_teacher(1_000, 8)
    assert plan.choice.assignment == f'model = ["{LITE0}", "{LITE2}"]' and plan.view_s is None
    assert "averaged 85.0 %" in plan.choice.reason


def test_without_the_extra_the_reason_says_what_it_would_bring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_proposal, "is_installed", lambda *_: False)
    plan = plan_teacher(1_000, 8, 20, SECONDS.__getitem__)
    assert plan.choice.value == LITE0 and plan.view_s == SECONDS[LITE0]
    assert "pip install 'edgekd[teachers]' brings efficientnet-lite2" in plan.choice.reason


@pytest.mark.usefixtures("with_extra")
@pytest.mark.parametrize(("pool", "two"), [(2_000, True), (2_001, False)])
def test_minutes_decide_between_one_network_and_two(pool: int, two: bool) -> None:
    # A fifth of 20 minutes is 240 s: 4 views of 2,000 photos at 30 ms.
    assert views_within(20, 0.03, 2_000) == 4
    plan = plan_teacher(pool, 8, 20, SECONDS.__getitem__)
    assert plan.choice.value == ([LITE0, LITE2] if two else LITE0)
    assert plan.view_s == pytest.approx(0.03 if two else 0.01)
    assert two or "30 instead of 10 ms for a view here, too much of 20 minutes" in plan.choice.reason
    # Fewer views are enough where fewer are wanted.
    assert plan_teacher(4_000, 2, 20, SECONDS.__getitem__).choice.value == [LITE0, LITE2]


def test_more_than_the_head_is_trained_and_a_pool_is_learnt_from() -> None:
    alone = teacher_training(0, None)
    assert [(choice.key, choice.value) for choice in alone] == [("fine_tune_blocks", "auto")]
    assert "more than 10 minutes, or teacher.fine_tune.minutes is left out" in alone[0].reason
    within = teacher_training(1_234, Budget(max_size="150KB", minutes=20))
    assert [(choice.key, choice.value) for choice in within][1:] == [("self_train", "auto")]
    assert "more than a tenth of the minutes is left out" in within[0].reason and "1,234 photos" in within[1].reason


def test_no_comment_of_the_teacher_is_cut() -> None:
    choices = [plan_teacher(1_000, 8).choice, *teacher_training(123_456, Budget(max_size="150KB", minutes=20))]
    assert all(len(choice.reason) < 300 for choice in choices)
