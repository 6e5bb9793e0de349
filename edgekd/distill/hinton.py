"""Distillation with softened targets: Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network".

Source: arXiv:1503.02531.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from edgekd.distill.objective import LogitObjective, stop_gradient
from edgekd.training.labels import are_tags, cross_entropy, has_label


def softened_divergence(teacher: Any, student: Any, softmax_temperature: float) -> Any:
    """T² · KL(softmax(teacher / T) ‖ softmax(student / T)) of logits [B, C]; gives [B].

    T² keeps the gradient's size independent of T (section 2 of the paper), whatever the weights of the other terms.
    """
    import keras

    ops = keras.ops
    log_p = ops.log_softmax(teacher / softmax_temperature, axis=-1)
    log_q = ops.log_softmax(student / softmax_temperature, axis=-1)
    return softmax_temperature**2 * ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)


def softened_tag_divergence(teacher: Any, student: Any, softmax_temperature: float) -> Any:
    """T² · the mean over tags of KL(sigmoid(teacher / T) ‖ sigmoid(student / T)) of logits [B, C]; gives [B].

    Each tag is a choice between two, as in the multi-label logits distillation of Yang et al., "Multi-Label Knowledge
    Distillation" (arXiv:2308.06453, section 3.2).
    """
    import keras

    ops = keras.ops
    p, q = teacher / softmax_temperature, student / softmax_temperature
    present = ops.sigmoid(p) * (ops.log_sigmoid(p) - ops.log_sigmoid(q))
    absent = ops.sigmoid(-p) * (ops.log_sigmoid(-p) - ops.log_sigmoid(-q))
    return softmax_temperature**2 * ops.mean(present + absent, axis=-1)


def blend_with_labels(divergence: Any, labels: Any, student: Any, label_weight: float) -> Any:
    """``(1 - w) · divergence + w · cross-entropy`` [B]; a photo without a label keeps the divergence whole."""
    import keras

    known = keras.ops.cast(has_label(labels), divergence.dtype)
    return (1 - label_weight * known) * divergence + label_weight * cross_entropy(labels, student)


class Hinton(LogitObjective):
    """``(1 - label_weight) · T² · KL + label_weight · cross-entropy``; unlabelled photos take part with the KL alone.

    Called with labels int [B] (-1: none) and logits [B, C]; gives the loss of each photo [B], in nats. A photo without
    a label keeps the full weight of 1 on the divergence. With tags int [B, C] (a row of -1: none) both terms are means
    over the tags, of the KL and the cross-entropy of each tag's two probabilities.

    Example:
        Teacher (3/4, 1/4) and student (1/2, 1/2) at T = 2: 4 · (3/4 ln 3/2 + 1/4 ln 1/2).

        >>> import numpy as np
        >>> objective = Hinton(softmax_temperature=2.0, label_weight=0.0)
        >>> teacher, student = np.float32([[2 * np.log(3), 0]]), np.float32([[0, 0]])
        >>> float(objective(np.array([-1]), student, teacher)[0])  # doctest: +SKIP
        0.5232481...
    """

    name: Literal["hinton"] = "hinton"
    """The objective: Hinton's softened divergence from the teacher. The default if no name is given."""
    softmax_temperature: float = Field(2.0, gt=0)
    """Temperature that softens the class probabilities of teacher and student; higher spreads them more evenly."""
    label_weight: float = Field(0.3, ge=0, le=1)
    """Weight of the cross-entropy with the label, 0 to 1; the teacher gets the rest. Unlabelled photos use the teacher
    alone.
    """

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]."""
        of = softened_tag_divergence if are_tags(labels) else softened_divergence
        divergence = of(stop_gradient(teacher), student, self.softmax_temperature)
        return blend_with_labels(divergence, labels, student, self.label_weight)
