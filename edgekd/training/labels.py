"""Learning from labels alone: the baseline that every distillation is compared with."""

from __future__ import annotations

from typing import Any, Literal

from edgekd.section import Section


def cross_entropy(labels: Any, logits: Any) -> Any:
    """Cross-entropy of logits [B, C] with integer labels [B]; exactly 0 where a label is -1. Gives [B], in nats."""
    import keras

    has_label = labels >= 0
    safe = keras.ops.where(has_label, labels, keras.ops.zeros_like(labels))
    loss = keras.losses.sparse_categorical_crossentropy(safe, logits, from_logits=True)
    return loss * keras.ops.cast(has_label, loss.dtype)


class LabelsOnly(Section):
    """Cross-entropy with the labels; photos without one have loss 0.

    Called with labels int [B] (-1: none) and the student's logits [B, C]; gives the loss of each photo [B], in nats.

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
