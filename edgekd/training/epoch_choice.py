"""Which epoch of a training counts: the latest whose validation score is within the 95 % interval of the highest.

The highest score of many epochs is luck where photos are few. Seen with 15 validation photos: the first epoch of 20,
at the largest learning rate, got all 15 right and later ones 12 to 13; on 371 test photos it got 66.6 % right and the
last one 86.5 %. The learning rate falls to zero, so of epochs that the photos can't tell apart the latest has settled
the most. An epoch that is clearly worse than an earlier one, as where training only spoils a model, still loses to it.

This is the one-standard-error rule (L. Breiman et al., Classification and Regression Trees (1984), 3.4.3) with the
interval of the score in place of the standard error, which is 0 where all of a few photos are right.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekd import scoring
from edgekd.task import Metric, metric_name
from edgekd.training.checkpoint import TrainingState
from edgekd.training.labels import are_tags
from edgekd.training.scores import Labels, tag_probabilities

LAST = "the last, because there are no validation photos"


def counts(
    state: TrainingState,
    logits: npt.NDArray[np.float32],
    labels: Labels,
    metric: Metric,
    choose_from: int = 0,
) -> bool:
    """Whether the newest entry of a history takes the place of the epoch that counted so far.

    What is needed to judge later entries stays in ``state``: the epoch with the highest score and the lower end of its
    interval. So entries are judged one after the other, and a training that resumes chooses as one that never stopped.

    Args:
        state: Its history ends in the newest entry, which holds the ``metric`` on the validation photos.
        logits: What the newest model answers for them, [N, C].
        labels: The labels [N] or tags [N, C] of the photos.
        metric: What epochs are compared by.
        choose_from: Entries before this number count only until one comes that may be chosen.
    """
    number, name = len(state.history) - 1, f"val_{metric}"
    if number < choose_from:
        return True
    value = state.history[number][name]
    if state.highest_epoch < 0 or value > state.history[state.highest_epoch][name]:
        state.highest_epoch, state.floor = number, _lower_end(logits, labels, metric)
    return value >= state.floor


def describe_choice(state: TrainingState, metric: Metric) -> str:
    """The rule in words by which the epoch of a training that has ended was chosen."""
    if state.highest_epoch < 0:
        return LAST
    return f"the latest whose {metric_name(metric)} on the validation photos is within the 95% interval of the highest"


def _lower_end(logits: npt.NDArray[np.float32], labels: Labels, metric: Metric) -> float:
    answers = tag_probabilities(logits) if are_tags(labels) else logits.argmax(axis=1)
    return scoring.score(metric, labels, answers).low
