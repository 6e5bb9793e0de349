"""Is the teacher worth learning from? Asked on the validation photos, before a student is taught."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.metrics import balanced_accuracy, binomial_p, mcnemar_p

SIGNIFICANCE = 0.05
_DRAWS, _CHUNK = 20_000, 1_000
Labels = npt.NDArray[np.int64]


def teacher_gates(labels: Labels, teacher: Labels, student: Labels, metric: str = "accuracy") -> list[dict[str, Any]]:
    """Two gates from labels and predictions [N] of the teacher and of the student that had labels alone.

    The teacher must beat always answering one class: the commonest, by an exact one-sided binomial test, where
    ``metric`` is accuracy; any, which is right on one K-th of K classes, by the 95 % interval, where it is balanced
    accuracy. And it must not be worse than that student by more than chance explains (``behind_p``).
    """
    balanced = metric == "balanced_accuracy"
    accuracy, rival = (_score(labels, answers, balanced) for answers in (teacher, student))
    beaten, chance = _beats_one_answer(labels, teacher, balanced)
    behind = accuracy < rival and behind_p(labels, teacher, student, balanced) < SIGNIFICANCE
    return [
        {**beaten, "name": "teacher beats chance", "value": accuracy, "bar": chance},
        {
            "name": "teacher is no worse than the student without it",
            "value": accuracy,
            "bar": rival,
            "passed": not behind,
            "message": f"the teacher has {accuracy:.1%} {metric.replace('_', ' ')} on {len(labels)} validation photos, "
            f"the student that learnt from the labels alone {rival:.1%}",
        },
    ]


def behind_p(labels: Labels, teacher: Labels, student: Labels, balanced: bool) -> float:
    """Two-sided p-value that the two are equally good: McNemar's exact test, or its like for balanced accuracy.

    There a photo weighs what it adds to the mean of the recalls, and of the photos that only one of the two gets right
    each is as likely to be the one's as the other's: signs are drawn anew, 20,000 times by a fixed seed. Source: the
    randomization test, R. A. Fisher, The Design of Experiments (1935).
    """
    if not balanced:
        return mcnemar_p(labels, teacher, student)
    change = _weights(labels, balanced) * ((teacher == labels).astype(np.float64) - (student == labels))
    change = change[change != 0]
    rng, as_far = np.random.default_rng(0), 0
    for _ in range(0, _DRAWS, _CHUNK):
        signs = rng.integers(0, 2, (_CHUNK, len(change)), np.int8) * 2.0 - 1.0
        as_far += int((np.abs(signs @ change) >= abs(change.sum()) - 1e-12).sum())
    return (1 + as_far) / (1 + _DRAWS)


def _beats_one_answer(labels: Labels, teacher: Labels, balanced: bool) -> tuple[dict[str, Any], float]:
    """Whether the teacher knows more than one answer for all, in words, and what that answer would come to."""
    count, right = len(labels), int(np.sum(teacher == labels))
    if balanced:
        chance = 1 / len(np.unique(labels))
        score = balanced_accuracy(labels, teacher)
        message = (
            f"the teacher has {score.value:.1%} balanced accuracy on {count} validation photos (95 % interval from "
            f"{score.low:.1%}); always answering one class would have {chance:.1%}"
        )
        return {"passed": score.low > chance, "message": message}, chance
    chance = float(np.bincount(labels).max() / count)
    lucky = binomial_p(right, count, chance)
    message = (
        f"the teacher is right on {right} of {count} validation photos; always answering the commonest class would be "
        f"right on {chance:.1%} (p = {lucky:.2g})"
    )
    return {"passed": lucky < SIGNIFICANCE, "message": message}, chance


def _score(labels: Labels, answers: Labels, balanced: bool) -> float:
    right = answers == labels
    return float(_weights(labels, balanced) @ right) if balanced else float(np.mean(right))


def _weights(labels: Labels, balanced: bool) -> npt.NDArray[np.float64]:
    """What each photo [N] adds to the score if it is right."""
    if not balanced:
        return np.full(len(labels), 1 / len(labels))
    classes, where, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(1 / counts[where] / len(classes))
