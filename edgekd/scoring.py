"""How models of either task are judged, by one set of functions.

The ``truth`` of photos is class numbers [N] or tags [N, C] (0 or 1), and so are ``answers``: class numbers [N] or the
probabilities of tags [N, C]. Thresholds make tags of probabilities; single labels have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd import metrics, tag_metrics
from edgekd.metrics import Agreement, Interval
from edgekd.tag_metrics import Thresholds, decide_tags
from edgekd.tag_randomization import change_p
from edgekd.task import Metric, Task

Truth = NDArray[np.integer]
Answers = NDArray[Any]


def has_tags(truth: Truth) -> bool:
    """Whether photos have any number of tags, and not one label each."""
    return truth.ndim == 2


def task_of(truth: Truth) -> Task:
    """The task that photos of this truth are for."""
    return "multi-label" if has_tags(truth) else "single-label"


def answers_of(probabilities: NDArray[np.floating], task: Task) -> Answers:
    """What probabilities [N, C] answer: the numbers of the likeliest classes, or of tags the probabilities."""
    if task == "multi-label":
        return np.asarray(probabilities, np.float64)
    return np.asarray(probabilities.argmax(axis=1), np.int64)


def as_truth(values: Sequence[Any] | Truth) -> Truth:
    """Labels [N] or tags [N, C], of an array or of lists."""
    return np.asarray(values, np.int64)


def as_answers(values: Sequence[Any] | Answers, truth: Truth) -> Answers:
    """Answers of the kind of ``truth``, of an array or of lists."""
    return np.asarray(values, np.float64 if has_tags(truth) else np.int64)


def score(metric: Metric, truth: Truth, answers: Answers, thresholds: Thresholds = 0.5) -> Interval:
    """The ``metric`` of answers, with its 95 % interval. Raises UsageError."""
    if has_tags(truth):
        return tag_metrics.tag_score(metric, truth, answers, thresholds)
    of = metrics.balanced_accuracy if metric == "balanced_accuracy" else metrics.accuracy
    return of(truth, answers)


def gain(
    metric: Metric, truth: Truth, reference: Answers, other: Answers, thresholds: Thresholds = 0.5
) -> Interval:  # fmt: skip
    """How much larger the ``metric`` of ``other`` is than of ``reference``: a paired bootstrap over photos."""
    if has_tags(truth):
        return tag_metrics.paired_tag_gain(metric, truth, reference, other, thresholds)
    return metrics.paired_gain(truth, reference, other, balanced=metric == "balanced_accuracy")


def loss_p(metric: Metric, truth: Truth, reference: Answers, other: Answers, thresholds: Thresholds = 0.5) -> float:
    """One-sided p-value that ``other`` is as good as ``reference`` on the same photos.

    With one label, McNemar's exact test of how often each is right; with tags, a randomization test of the ``metric``.
    """
    if has_tags(truth):
        return change_p(metric, truth, reference, other, thresholds).loss
    return metrics.loss_p(truth, reference, other)


def difference_p(
    metric: Metric, truth: Truth, first: Answers, second: Answers, thresholds: Thresholds = 0.5
) -> float:  # fmt: skip
    """Two-sided p-value that both are equally good on the same photos, by the tests of ``loss_p``."""
    if has_tags(truth):
        return change_p(metric, truth, first, second, thresholds).either
    return metrics.mcnemar_p(truth, first, second)


def are_right(truth: Truth, answers: Answers, thresholds: Thresholds = 0.5) -> NDArray[np.bool_]:
    """Which photos [N] are answered right: by their label, or by exactly their tags."""
    if has_tags(truth):
        return np.asarray((decide_tags(answers, thresholds) == (truth > 0)).all(axis=1))
    return np.asarray(answers == truth)


def changes(truth: Truth, reference: Answers, other: Answers, thresholds: Thresholds = 0.5) -> tuple[int, int]:
    """How many photos only ``reference`` gets right (lost), and how many only ``other`` (gained)."""
    before, after = (are_right(truth, answers, thresholds) for answers in (reference, other))
    return int((before & ~after).sum()), int((after & ~before).sum())


def share_alike(first: Answers, second: Answers, thresholds: Thresholds = 0.5) -> Interval:
    """Share of photos for which two models give the same class, or exactly the same tags, with Wilson's interval."""
    if first.ndim == 2:
        return tag_metrics.exact_match(decide_tags(first, thresholds), decide_tags(second, thresholds))
    return metrics.accuracy(first, second)


def agreement(
    first: NDArray[np.floating], second: NDArray[np.floating], task: Task, step: float = 0.0,
    thresholds: Thresholds = 0.5, other_thresholds: Thresholds | None = None,
) -> Agreement:  # fmt: skip
    """Share of photos with the same class, or of decisions on tags that are the same, near ties to ``step`` among them.

    Both are probabilities [N, C], with thresholds where they are of tags.
    """
    if task == "multi-label":
        return tag_metrics.agreement_of_tags(first, second, step, thresholds, other_thresholds)
    return metrics.agreement_of_probabilities(first, second, step)
