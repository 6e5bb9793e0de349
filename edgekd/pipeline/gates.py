"""Is the teacher worth learning from? Asked on the validation photos, before a student is taught."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.metrics import binomial_p, mcnemar_p

SIGNIFICANCE = 0.05


def teacher_gates(
    labels: npt.NDArray[np.int64], teacher: npt.NDArray[np.int64], student: npt.NDArray[np.int64]
) -> list[dict[str, Any]]:
    """Two gates from labels and predictions [N] of the teacher and of the student that had labels alone.

    The teacher must beat always answering the commonest class (exact one-sided binomial test), and must not be worse
    than that student by more than chance explains (exact McNemar test).
    """
    count, right = len(labels), int(np.sum(teacher == labels))
    chance = float(np.bincount(labels).max() / count)
    lucky = binomial_p(right, count, chance)
    better = int(np.sum((teacher == labels) & (student != labels)))
    worse = int(np.sum((teacher != labels) & (student == labels)))
    behind = worse > better and mcnemar_p(labels, teacher, student) < SIGNIFICANCE
    accuracy, rival = right / count, float(np.mean(student == labels))
    return [
        {
            "name": "teacher beats chance",
            "value": accuracy,
            "bar": chance,
            "passed": lucky < SIGNIFICANCE,
            "message": f"the teacher is right on {right} of {count} validation photos; always answering the commonest "
            f"class would be right on {chance:.1%} (p = {lucky:.2g})",
        },
        {
            "name": "teacher is no worse than the student without it",
            "value": accuracy,
            "bar": rival,
            "passed": not behind,
            "message": f"the teacher is right on {accuracy:.1%} of {count} validation photos, the student that learnt "
            f"from the labels alone on {rival:.1%}",
        },
    ]
