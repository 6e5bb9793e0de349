"""Similarity-preserving distillation: Tung & Mori, "Similarity-Preserving Knowledge Distillation".

Source: arXiv:1907.09682.
"""

from __future__ import annotations

from typing import Any, Literal

from edgekd.distill.objective import NO_DIVISION_BY_ZERO, FeatureObjective, stop_gradient


def similarities(features: Any) -> Any:
    """How alike the photos of a batch are: inner products of features [B, ...], each row a unit vector [B, B]."""
    import keras

    ops = keras.ops
    size = 1
    for side in features.shape[1:]:
        size *= side
    flat = ops.reshape(features, (-1, size))
    products = ops.matmul(flat, ops.transpose(flat))
    return products / ops.sqrt(ops.sum(products * products, axis=1, keepdims=True) + NO_DIVISION_BY_ZERO**2)


class SimilarityPreserving(FeatureObjective):
    """Squared differences of the batch's similarities: the mean over photos is the paper's ‖G_T - G_S‖² / B².

    Called with features [B, ...] of the student and of the teacher, of any grids and channels; gives [B], the share of
    each photo's row. All photos take part, labelled or not.

    Example:
        The student's rows are (1, 1)/√2, the teacher's (1, 0) and (0, 1): 1 - 1/√2 for each photo.

        >>> import numpy as np
        >>> student, teacher = np.float32([[2, 0], [2, 0]]), np.float32([[1, 0, 0], [0, 0, 5]])
        >>> float(SimilarityPreserving()(np.array([-1, -1]), student, teacher)[0])  # doctest: +SKIP
        0.292893...
    """

    name: Literal["similarity_preserving"] = "similarity_preserving"
    """The objective: similarity preserving, which matches how alike the photos of a batch are."""

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]."""
        import keras

        difference = similarities(student) - similarities(stop_gradient(teacher))
        return keras.ops.mean(difference * difference, axis=1)
