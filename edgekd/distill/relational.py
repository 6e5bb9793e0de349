"""Relational knowledge distillation: Park, Kim, Lu & Cho, "Relational Knowledge Distillation".

Source: arXiv:1904.05068.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from edgekd.distill.objective import NO_DIVISION_BY_ZERO, FeatureObjective, stop_gradient

_LEAST_SQUARE = 1e-12


def embedding(features: Any) -> Any:
    """Features as one vector a photo: the mean over the grid of [B, H, W, D], or [B, D] as it is."""
    import keras

    return keras.ops.mean(features, axis=(1, 2)) if len(features.shape) == 4 else features


def distances(vectors: Any) -> Any:
    """Distances [B, B] between vectors [B, D], over their mean (pairs of different photos)."""
    import keras

    ops = keras.ops
    apart = vectors[:, None, :] - vectors[None, :, :]
    length = _length(ops.sum(apart * apart, axis=-1))
    pairs = ops.sum(ops.ones_like(length)) - ops.sum(ops.ones_like(length[0]))
    return length / (ops.sum(length) / ops.maximum(pairs, 1.0) + NO_DIVISION_BY_ZERO)


def angles(vectors: Any) -> Any:
    """Cosines [B, B, B] of the angle at photo i between photos j and k, of vectors [B, D]; 0 where j or k is i."""
    import keras

    ops = keras.ops
    apart = vectors[None, :, :] - vectors[:, None, :]
    unit = apart / ops.maximum(_length(ops.sum(apart * apart, axis=-1)), NO_DIVISION_BY_ZERO)[:, :, None]
    return ops.matmul(unit, ops.transpose(unit, (0, 2, 1)))


def _length(square: Any) -> Any:
    """Square root whose gradient at 0 is 0 (a photo's distance to itself)."""
    import keras

    ops = keras.ops
    positive = square > _LEAST_SQUARE
    return ops.where(positive, ops.sqrt(ops.where(positive, square, ops.ones_like(square))), ops.zeros_like(square))


def _huber(difference: Any) -> Any:
    """½ x² up to 1, then |x| - ½ (the paper's l_δ)."""
    import keras

    ops = keras.ops
    size = ops.abs(difference)
    return ops.where(size <= 1, 0.5 * size * size, size - 0.5)


class Relational(FeatureObjective):
    """``distance_weight · Huber of distances + angle_weight · Huber of angles``, of the batch's pooled features.

    Called with features [B, h, w, d] or [B, d] of the student and of the teacher, channels may differ; gives [B]: for
    each photo the mean over all photos (distances) and all pairs (angles at it), as the authors' code takes the mean.
    Memory grows with B³, with B² where ``angle_weight`` is 0. All photos take part, labelled or not.

    Example:
        On a line at 0, 1 and 3, and at 0, 1 and 2: the first photo's normalized distances differ once, by 1/4.

        >>> import numpy as np
        >>> objective = Relational(distance_weight=1.0, angle_weight=0.0)
        >>> student, teacher = np.float32([[0], [1], [3]]), np.float32([[0], [1], [2]])
        >>> float(objective(np.array([-1, -1, -1]), student, teacher)[0])  # doctest: +SKIP
        0.0104166...
    """

    name: Literal["relational"] = "relational"
    """The objective: relational distillation, which matches distances and angles between photos."""
    distance_weight: float = Field(1.0, ge=0)
    """Weight of the distances between photos of a batch."""
    angle_weight: float = Field(2.0, ge=0)
    """Weight of the angles between photos of a batch. Memory grows with batch_size³; with 0, with its square."""

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]."""
        import keras

        ops = keras.ops
        ours, theirs = embedding(student), embedding(stop_gradient(teacher))
        far = self.distance_weight * ops.mean(_huber(distances(ours) - distances(theirs)), axis=1)
        # The angles are nearly all of the time and memory that it takes.
        if not self.angle_weight:
            return far
        return far + self.angle_weight * ops.mean(_huber(angles(ours) - angles(theirs)), axis=(1, 2))
