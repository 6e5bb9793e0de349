"""DIST: Huang, You, Wang, Qian & Xu, "Knowledge Distillation from A Stronger Teacher".

Source: arXiv:2205.10536.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from edgekd.distill.objective import NO_DIVISION_BY_ZERO, LogitObjective, stop_gradient
from edgekd.training.labels import cross_entropy


def correlation_distance(first: Any, second: Any, axis: int) -> Any:
    """1 - Pearson's correlation along ``axis``; 0 for equal arguments, even constant ones, and at most 2."""
    import keras

    ops = keras.ops
    a, b = (x - ops.mean(x, axis=axis, keepdims=True) for x in (first, second))
    # The same small number in all three sums is one more coordinate that both share: still a cosine, never 0 / 0.
    covariance, first_variance, second_variance = (
        ops.sum(x * y, axis=axis) + NO_DIVISION_BY_ZERO for x, y in ((a, b), (a, a), (b, b))
    )
    return 1 - covariance / ops.sqrt(first_variance * second_variance)


class Dist(LogitObjective):
    """``T² (photo_weight · between classes + class_weight · between photos) + label_weight · cross-entropy``.

    Called with labels int [B] (-1: none) and logits [B, C]; gives [B]. The first term is a photo's own: 1 - the
    correlation of its C probabilities. The second is the batch's, and the same for each of its photos: 1 - the
    correlation of a class's B probabilities, averaged over the classes; in a batch of one photo it is 0. Photos without
    a label take part in both.

    Example:
        Less 1/3, the probabilities are (5, -1, -4)/30 and (-1, 5, -4)/30, whose correlation is 1/7.

        >>> import numpy as np
        >>> objective = Dist(photo_weight=1.0, class_weight=0.0, label_weight=0.0)
        >>> teacher, student = np.log(np.float32([[0.5, 0.3, 0.2]])), np.log(np.float32([[0.3, 0.5, 0.2]]))
        >>> float(objective(np.array([-1]), student, teacher)[0])  # doctest: +SKIP
        0.857142...
    """

    name: Literal["dist"] = "dist"
    """The objective: DIST, which matches correlations instead of exact probabilities."""
    softmax_temperature: float = Field(1.0, gt=0)
    """Temperature that softens the class probabilities of teacher and student; higher spreads them more evenly."""
    photo_weight: float = Field(2.0, ge=0)
    """Weight of the correlation between classes, photo by photo (beta in the paper)."""
    class_weight: float = Field(2.0, ge=0)
    """Weight of the correlation between photos of a batch, class by class (gamma in the paper)."""
    label_weight: float = Field(1.0, ge=0)
    """Weight of the cross-entropy with the label, added to the teacher's terms."""

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]."""
        import keras

        ops = keras.ops
        p, q = (ops.softmax(x / self.softmax_temperature, axis=-1) for x in (stop_gradient(teacher), student))
        between_classes = correlation_distance(q, p, axis=1)
        between_photos = ops.mean(correlation_distance(q, p, axis=0))
        divergence = self.photo_weight * between_classes + self.class_weight * between_photos
        return self.softmax_temperature**2 * divergence + self.label_weight * cross_entropy(labels, student)
