"""Logit standardization: Sun, Ren, Li & others, "Logit Standardization in Knowledge Distillation".

Source: arXiv:2403.01427.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from edgekd.distill.hinton import blend_with_labels, softened_divergence
from edgekd.distill.objective import LogitObjective, stop_gradient

_LEAST_VARIANCE = 1e-4
"""Added to a photo's variance of logits: a head that starts at zero then has a gradient that is large, not infinite."""


def standardize(logits: Any) -> Any:
    """Logits [B, C] less their mean, over their population standard deviation, photo by photo (equation 9)."""
    import keras

    ops = keras.ops
    centred = logits - ops.mean(logits, axis=-1, keepdims=True)
    return centred / ops.sqrt(ops.mean(centred * centred, axis=-1, keepdims=True) + _LEAST_VARIANCE)


class Standardized(LogitObjective):
    """Hinton's loss of standardized logits: the student learns the teacher's order and proportions, not its scale.

    ``(1 - label_weight) · T² · KL + label_weight · cross-entropy``, the cross-entropy with the student's own logits.
    Called with labels int [B] (-1: none) and logits [B, C]; gives [B], in nats. Photos without a label take part with
    the KL alone, at its full weight.

    Example:
        Logits (3, 1) and (1, 3) become (1, -1) and (-1, 1); at T = 2 the loss is 4 · (2 sigmoid(1) - 1).

        >>> import numpy as np
        >>> objective = Standardized(softmax_temperature=2.0, label_weight=0.0)
        >>> teacher, student = np.float32([[3, 1]]), np.float32([[1, 3]])
        >>> float(objective(np.array([-1]), student, teacher)[0])  # doctest: +SKIP
        1.848...
    """

    name: Literal["standardized"] = "standardized"
    """The objective: Hinton's, on logits standardized photo by photo."""
    softmax_temperature: float = Field(2.0, gt=0)
    """Temperature that softens the class probabilities of teacher and student; higher spreads them more evenly."""
    label_weight: float = Field(0.3, ge=0, le=1)
    """Weight of the cross-entropy with the label, 0 to 1; the teacher gets the rest. Unlabelled photos use the teacher
    alone.
    """

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]."""
        divergence = softened_divergence(
            standardize(stop_gradient(teacher)), standardize(student), self.softmax_temperature
        )
        return blend_with_labels(divergence, labels, student, self.label_weight)
