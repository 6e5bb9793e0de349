"""Decoupled knowledge distillation: Zhao, Cui, Song, Qiu & Liang, "Decoupled Knowledge Distillation".

Source: arXiv:2203.08679.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from edgekd.distill.objective import LogitObjective, stop_gradient
from edgekd.training.labels import cross_entropy

_OUT = -1e9
"""A logit that gives exactly no probability, below any stored logit."""


def decouple(labels: Any, student: Any, teacher: Any, softmax_temperature: float) -> tuple[Any, Any]:
    """(TCKD, NCKD), each [B], in nats, without T²: the target against the rest, and the rest among themselves.

    The target is the label, or the teacher's most likely class where the label is -1. With two classes NCKD is 0.
    ``KL = TCKD + (1 - p_target) · NCKD`` with the teacher's p (equation 7).
    """
    import keras

    ops = keras.ops
    target = ops.where(labels >= 0, ops.cast(labels, "int32"), ops.cast(ops.argmax(teacher, axis=-1), "int32"))
    is_target = ops.cast(ops.one_hot(target, student.shape[-1]), "bool")
    (log_p, log_rest_p, log_others_p), (log_q, log_rest_q, log_others_q) = (
        _parts(logits / softmax_temperature, is_target) for logits in (teacher, student)
    )
    target_term = ops.exp(log_p) * (log_p - log_q) + ops.exp(log_rest_p) * (log_rest_p - log_rest_q)
    other_term = ops.sum(ops.exp(log_others_p) * (log_others_p - log_others_q), axis=-1)
    return target_term, other_term


def _parts(logits: Any, is_target: Any) -> tuple[Any, Any, Any]:
    """log p(target) [B], log p(any other) [B] and log p(class | not the target) [B, C]."""
    import keras

    ops = keras.ops
    others = ops.where(is_target, ops.full_like(logits, _OUT), logits)
    everything = ops.logsumexp(logits, axis=-1)
    of_target = ops.sum(ops.where(is_target, logits, ops.zeros_like(logits)), axis=-1)
    rest = ops.logsumexp(others, axis=-1)
    # The target itself is given 0 in both, so that its 0 · log 0 is 0.
    conditional = ops.where(is_target, ops.full_like(logits, 0.0), others - rest[:, None])
    masked = ops.where(is_target, ops.full_like(logits, _OUT), conditional)
    return of_target - everything, rest - everything, masked


class DKD(LogitObjective):
    """``T² (target_weight · TCKD + other_weight · NCKD) + label_weight · cross-entropy``.

    Called with labels int [B] (-1: none) and logits [B, C]; gives [B], in nats. A photo without a label takes the
    teacher's most likely class for its target, and part in everything but the cross-entropy. The paper's weights are
    1 and up to 8, larger for a teacher that is surer.

    Example:
        Teacher (1/2, 1/4, 1/4), student (1/4, 1/4, 1/2), target 0: TCKD is ½ ln 4/3.

        >>> import numpy as np
        >>> objective = DKD(softmax_temperature=1.0, target_weight=1.0, other_weight=0.0, label_weight=0.0)
        >>> teacher, student = np.log(np.float32([[0.5, 0.25, 0.25]])), np.log(np.float32([[0.25, 0.25, 0.5]]))
        >>> float(objective(np.array([-1]), student, teacher)[0])  # doctest: +SKIP
        0.143841...
    """

    name: Literal["dkd"] = "dkd"
    """The objective: decoupled knowledge distillation."""
    softmax_temperature: float = Field(4.0, gt=0)
    """Temperature that softens the class probabilities of teacher and student; higher spreads them more evenly."""
    target_weight: float = Field(1.0, ge=0)
    """Weight of the target class against all others (alpha in the paper)."""
    other_weight: float = Field(2.0, ge=0)
    """Weight of the other classes among themselves (beta in the paper, up to 8 for a confident teacher)."""
    label_weight: float = Field(0.3, ge=0)
    """Weight of the cross-entropy with the label, added to the teacher's terms."""

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]."""
        target, others = decouple(labels, student, stop_gradient(teacher), self.softmax_temperature)
        divergence = self.softmax_temperature**2 * (self.target_weight * target + self.other_weight * others)
        return divergence + self.label_weight * cross_entropy(labels, student)
