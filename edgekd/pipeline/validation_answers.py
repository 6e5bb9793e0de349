"""What a model answers for the validation photos, as a run's records hold it: a class a photo, or each tag's
probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.scoring import Answers
from edgekd.task import Task
from edgekd.training.scores import tag_probabilities

_DIGITS = 6


def answers_of(logits: npt.NDArray[np.float32], task: Task) -> Answers:
    """What logits [N, C] answer: class numbers int64 [N], or of tags each one's probability float64 [N, C]."""
    return tag_probabilities(logits) if task == "multi-label" else logits.argmax(axis=1)


def record_of(answers: Answers) -> dict[str, Any]:
    """The entry of a summary or a history: ``val_predictions`` [N], or ``val_probabilities`` [N, C] of tags."""
    if answers.ndim == 2:
        return {"val_probabilities": answers.round(_DIGITS).tolist()}
    return {"val_predictions": answers.tolist()}


def read_answers(record: Mapping[str, Any], task: Task) -> Answers:
    """What ``record_of`` wrote; an empty array where the record has none."""
    if task == "multi-label":
        return np.asarray(record.get("val_probabilities", ()), np.float64)
    return np.asarray(record.get("val_predictions", ()), np.int64)
