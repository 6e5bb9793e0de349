"""How good logits are against labels or tags: the recipe's metric and the mean cross-entropy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekd.metrics import balanced_accuracy
from edgekd.tag_metrics import tag_value
from edgekd.task import METRICS, Metric
from edgekd.training.labels import are_tags

Logits = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]
"""Class numbers [N], or tags [N, C]."""


def evaluate(logits: Logits, labels: Labels) -> tuple[float, float]:
    """Accuracy and mean cross-entropy (nats) of logits [N, C] against labels [N]."""
    return float(np.mean(logits.argmax(axis=1) == labels)), float(np.mean(photo_losses(logits, labels)))


def photo_losses(logits: Logits, labels: Labels) -> npt.NDArray[np.floating]:
    """Cross-entropy (nats) of each photo [N], of logits [N, C] against labels [N]; against tags [N, C] their mean."""
    if are_tags(labels):
        return np.asarray(np.mean(_tag_losses(logits, labels), axis=1))
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.asarray(-log_probabilities[np.arange(len(labels)), labels])


def mean_loss(logits: Logits, labels: Labels) -> float:
    """Mean cross-entropy (nats) of logits [N, C] against labels [N] or tags [N, C]."""
    return tag_loss(logits, labels) if are_tags(labels) else evaluate(logits, labels)[1]


def tag_loss(logits: Logits, targets: Labels) -> float:
    """Mean over photos and tags of the binary cross-entropy (nats) of logits [N, C] against tags [N, C]."""
    return float(np.mean(_tag_losses(logits, targets)))


def _tag_losses(logits: Logits, targets: Labels) -> npt.NDArray[np.float64]:
    return np.asarray(np.logaddexp(0, logits.astype(np.float64)) - targets * logits)


def score(logits: Logits, labels: Labels, metric: Metric) -> float:
    """The value of ``metric`` of logits [N, C] against labels [N] or tags [N, C]."""
    if are_tags(labels):
        return tag_value(metric, labels, tag_probabilities(logits))
    if metric == "balanced_accuracy":
        return balanced_accuracy(labels, logits.argmax(axis=1)).value
    return evaluate(logits, labels)[0]


def tag_probabilities(logits: Logits) -> npt.NDArray[np.float64]:
    """Each tag's probability [N, C] by itself, the sigmoid of logits [N, C]."""
    return np.asarray(np.exp(-np.logaddexp(0, -logits.astype(np.float64))))


def validation_scores(logits: Logits, labels: Labels, metric: Metric) -> dict[str, float]:
    """What a history says of an epoch: its scores and its loss on the validation photos."""
    if are_tags(labels):
        scores = {f"val_{name}": score(logits, labels, name) for name in METRICS["multi-label"]}
        return {**scores, "val_loss": tag_loss(logits, labels)}
    accuracy, loss = evaluate(logits, labels)
    scores = {"val_accuracy": accuracy, "val_loss": loss}
    if metric == "balanced_accuracy":
        scores["val_balanced_accuracy"] = score(logits, labels, metric)
    return scores
