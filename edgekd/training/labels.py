"""Learning from labels alone: the baseline that every distillation is compared with."""

from __future__ import annotations

from typing import Any, Literal

from edgekd.section import Section


def are_tags(labels: Any) -> bool:
    """Whether labels are tags, 1 or 0 each [B, C], and not one class number a photo [B]."""
    return len(labels.shape) == 2


def has_label(labels: Any) -> Any:
    """Whether each photo is labelled [B], of class numbers [B] or tags [B, C]; an unlabelled one has -1 throughout."""
    return (labels[:, 0] if are_tags(labels) else labels) >= 0


def cross_entropy(labels: Any, logits: Any) -> Any:
    """Cross-entropy of logits [B, C] with the labels; exactly 0 for a photo without one. Gives [B], in nats.

    With class numbers [B] it is that of a softmax; with tags [B, C] the mean over the tags of each one's, of a sigmoid.
    """
    import keras

    ops = keras.ops
    known = has_label(labels)
    if are_tags(labels):
        targets = ops.cast(ops.maximum(labels, 0), logits.dtype)
        loss = ops.mean(ops.softplus(logits) - targets * logits, axis=-1)
    else:
        safe = ops.where(known, labels, ops.zeros_like(labels))
        loss = keras.losses.sparse_categorical_crossentropy(safe, logits, from_logits=True)
    return loss * ops.cast(known, loss.dtype)


class LabelsOnly(Section):
    """Cross-entropy with the labels; photos without one have loss 0.

    Called with labels int [B] (-1: none) and the student's logits [B, C]; gives the loss of each photo [B], in nats.
    With tags int [B, C] (a row of -1: none) it is the mean over the tags of the binary cross-entropies.

    Example:
        Probabilities (1/5, 4/5) with the label 1: -ln 4/5.

        >>> import numpy as np
        >>> student = np.log(np.float32([[0.2, 0.8]]))
        >>> float(LabelsOnly()(np.array([1]), student, None)[0])  # doctest: +SKIP
        0.223143...
    """

    name: Literal["labels"] = "labels"
    """The objective: cross-entropy with the labels alone, without the teacher."""

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]; ``teacher`` is not looked at."""
        return cross_entropy(labels, student)
