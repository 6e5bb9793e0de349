"""Gates on the teacher's validation accuracy, checked before a student is distilled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekd.evaluation.lead import behind_p, weights_of
from edgekd.evaluation.rows import GateRecord
from edgekd.metrics import balanced_accuracy, binomial_p
from edgekd.scoring import Answers, Truth, difference_p, has_tags, score
from edgekd.tag_metrics import mean_average_precision
from edgekd.task import Metric, metric_name

SIGNIFICANCE = 0.05
Labels = npt.NDArray[np.int64]


def teacher_gates(truth: Truth, teacher: Answers, student: Answers, metric: Metric = "accuracy") -> list[GateRecord]:
    """Check two gates on predictions [N] of the teacher and of the student trained on labels alone.

    Of tags these are probabilities [N, C], and ``truth`` is [N, C].

    The teacher must beat a constant prediction: of the commonest class, by an exact one-sided binomial test, if
    ``metric`` is accuracy; of any class, whose balanced accuracy is 1/K for K classes, by the 95 % interval, if it is
    balanced accuracy. Of tags the mean average precision counts, which is the share of photos that have each tag where
    every photo gets the same. And it must not be worse than that student by more than chance explains (``behind_p``,
    and of tags the test of ``scoring``).
    """
    if has_tags(truth):
        return _tag_gates(truth, teacher, student, metric)
    labels, is_balanced = np.asarray(truth, np.int64), metric == "balanced_accuracy"
    accuracy, rival = (_score(labels, predictions, is_balanced) for predictions in (teacher, student))
    p_value = behind_p(labels, teacher, student, is_balanced) if accuracy < rival else 1.0
    return [
        _beat_chance(labels, teacher, accuracy, is_balanced),
        _not_worse(accuracy, rival, p_value, metric, len(labels)),
    ]


def _tag_gates(truth: Truth, teacher: Answers, student: Answers, metric: Metric) -> list[GateRecord]:
    precision, chance = mean_average_precision(truth, teacher), float(truth[:, truth.any(axis=0)].mean())
    message = (
        f"the teacher has {precision.value:.1%} mean average precision on {len(truth)} validation photos (95 % "
        f"interval from {precision.low:.1%}); the same answer for all photos would have {chance:.1%}"
    )
    value, rival = (score(metric, truth, answers).value for answers in (teacher, student))
    p_value = difference_p(metric, truth, teacher, student) if value < rival else 1.0
    return [
        _chance_gate(precision.value, chance, precision.low > chance, message),
        _not_worse(value, rival, p_value, metric, len(truth)),
    ]


def _not_worse(value: float, rival: float, p_value: float, metric: Metric, count: int) -> GateRecord:
    """The gate against the student from labels alone, whose score is the bar."""
    behind, name = p_value < SIGNIFICANCE, metric_name(metric)
    verdict = f": {'' if behind else 'not '}significantly worse (p = {p_value:.2g})" if value < rival else ""
    return {
        "name": "teacher is not worse than the student without it",
        "value": value,
        "bar": rival,
        "passed": not behind,
        "message": f"the teacher has {value:.1%} {name} on {count} validation photos, the student trained on labels "
        f"alone {rival:.1%}{verdict}",
    }


def _beat_chance(labels: Labels, teacher: Labels, accuracy: float, is_balanced: bool) -> GateRecord:
    """Compare the teacher with a constant prediction, whose score is the bar."""
    count, right_count = len(labels), int(np.sum(teacher == labels))
    if is_balanced:
        chance = 1 / len(np.unique(labels))
        score = balanced_accuracy(labels, teacher)
        message = (
            f"the teacher has {score.value:.1%} balanced accuracy on {count} validation photos (95 % interval from "
            f"{score.low:.1%}); predicting one class for all would have {chance:.1%}"
        )
        return _chance_gate(accuracy, chance, score.low > chance, message)
    chance = float(np.bincount(labels).max() / count)
    lucky = binomial_p(right_count, count, chance)
    message = (
        f"the teacher is right on {right_count} of {count} validation photos; predicting the commonest class for all "
        f"would be right on {chance:.1%} (p = {lucky:.2g})"
    )
    return _chance_gate(accuracy, chance, lucky < SIGNIFICANCE, message)


def _chance_gate(value: float, bar: float, passed: bool, message: str) -> GateRecord:
    return {"name": "teacher beats chance", "value": value, "bar": bar, "passed": passed, "message": message}


def _score(labels: Labels, predictions: Labels, is_balanced: bool) -> float:
    is_right = predictions == labels
    return float(weights_of(labels, is_balanced) @ is_right) if is_balanced else float(np.mean(is_right))
