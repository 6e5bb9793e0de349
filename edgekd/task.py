"""What a classifier answers with, one class a photo or any number of tags, and what judges it."""

from __future__ import annotations

from typing import Literal

Task = Literal["single-label", "multi-label"]
"""``single-label``: probabilities that sum to 1, of which one class is the answer. ``multi-label``: a probability of
each tag by itself (sigmoids), of which any number are the answer.
"""
Metric = Literal["accuracy", "balanced_accuracy", "mean_average_precision", "macro_f1"]
# The metrics of each task, the default one first.
METRICS: dict[Task, tuple[Metric, ...]] = {
    "single-label": ("accuracy", "balanced_accuracy"),
    "multi-label": ("mean_average_precision", "macro_f1"),
}


def metric_name(metric: str) -> str:
    """``balanced_accuracy`` as words, ``macro_f1`` with a capital."""
    return metric.replace("_", " ").replace("f1", "F1")


# The class of photos that show none of the others, and what an answer without a class is called.
NONE_LABEL = "none of these"
