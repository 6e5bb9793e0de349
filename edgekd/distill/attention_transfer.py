"""Attention transfer: Zagoruyko & Komodakis, "Paying More Attention to Attention".

Source: arXiv:1612.03928.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from edgekd.distill.objective import NO_DIVISION_BY_ZERO, FeatureObjective, resize_maps, stop_gradient


def attention(maps: Any) -> Any:
    """Where maps [B, H, W, D] are active: mean of squares over D, as a unit vector [B, H·W]."""
    import keras

    ops = keras.ops
    energy = ops.mean(maps * maps, axis=-1)
    flat = ops.reshape(energy, (-1, energy.shape[1] * energy.shape[2]))
    return flat / ops.sqrt(ops.sum(flat * flat, axis=1, keepdims=True) + NO_DIVISION_BY_ZERO**2)


class AttentionTransfer(FeatureObjective):
    """Squared distance between the unit attention vectors of both, from 0 to 2.

    Called with maps [B, h, w, d] of the student and [B, H, W, D] of the teacher; gives [B]. Channels may differ; the
    teacher's energy is resized to the student's grid. The square, as in the authors' code, because the distance itself
    has no gradient at equality. All photos take part, labelled or not.

    Example:
        The student's unit vector is (0.6, 0.8), the teacher's (1, 0): 0.4² + 0.8².

        >>> import numpy as np
        >>> student = np.float32([[[[3**0.5], [2]]]])
        >>> teacher = np.float32([[[[1, 1], [0, 0]]]])
        >>> float(AttentionTransfer()(np.array([-1]), student, teacher)[0])  # doctest: +SKIP
        0.8000...
    """

    COMPARES_PLACES: ClassVar[bool] = True

    name: Literal["attention_transfer"] = "attention_transfer"
    """The objective: attention transfer, which matches where feature maps are active."""

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]."""
        import keras

        ops = keras.ops
        teacher = stop_gradient(teacher)
        # The square root of the resized energy stands for maps whose energy that is.
        energy = resize_maps(ops.mean(teacher * teacher, axis=-1, keepdims=True), *student.shape[1:3])
        difference = attention(student) - attention(ops.sqrt(ops.maximum(energy, 0.0)))
        return ops.sum(difference * difference, axis=1)
