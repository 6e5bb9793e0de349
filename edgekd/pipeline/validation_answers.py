"""What a model answers for the validation photos, as a run's records hold it: a class a photo, or each tag's
probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.metrics import Interval, accuracy, balanced_accuracy
from edgekd.tag_metrics import tag_score
from edgekd.task import Metric, Task
from edgekd.training.scores import tag_probabilities

Answers = npt.NDArray[Any]
"""Class numbers int64 [N] or, where photos have tags, each tag's probability float64 [N, C]."""
_DIGITS = 6


def answers_of(logits: npt.NDArray[np.float32], task: Task) -> Answers:
    """What logits [N, C] answer."""
    return tag_probabilities(logits) if task == "multi-label" else logits.argmax(axis=1)


def score_of(truth: npt.NDArray[np.integer], answers: Answers, metric: Metric) -> Interval:
    """The metric of answers against labels [N] or tags [N, C]; a tag is given from a probability of 0.5 on."""
    if answers.ndim == 2:
        return tag_score(metric, truth, answers)
    return (balanced_accuracy if metric == "balanced_accuracy" else accuracy)(truth, answers)


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
