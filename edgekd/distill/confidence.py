"""How far to trust the teacher on unlabelled photos.

A view of two photos (mixup, cutmix) leaves any teacher unsure, which says nothing about how well it knows either photo.
Of such views training gives ``sure``: the top probabilities of the two photos as they are, weighted by their shares.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from edgekd.distill.objective import stop_gradient
from edgekd.section import Section


def certainty(teacher: Any) -> Any:
    """The teacher's probability of its most likely class [B], of logits [B, C] at temperature 1."""
    import keras

    return keras.ops.max(keras.ops.softmax(stop_gradient(teacher), axis=-1), axis=-1)


class ConfidenceWeight(Section):
    """An unlabelled photo counts as much as the teacher is sure of it: its top probability to the power ``power``.

    Called with labels int [B] (-1: none) and the teacher's logits [B, C]; gives factors [B], 1 for labelled photos.
    ``sure`` [B] takes the place of the top probability where views are mixed.
    """

    kind: Literal["weight"] = "weight"
    """How: an unlabelled photo counts by the teacher's top probability."""
    power: float = Field(1.0, gt=0)
    """Exponent of the top probability; above 1, unsure photos count less."""

    def __call__(self, labels: Any, teacher: Any, sure: Any = None) -> Any:
        """Factor of each photo's loss [B]."""
        return _where_unlabelled(labels, (certainty(teacher) if sure is None else sure) ** self.power)


class ConfidenceThreshold(Section):
    """An unlabelled photo counts only where the teacher's top probability is ``at_least`` this.

    Called with labels int [B] (-1: none) and the teacher's logits [B, C]; gives factors [B], 1 for labelled photos.
    ``sure`` [B] takes the place of the top probability where views are mixed.
    """

    kind: Literal["threshold"] = "threshold"
    """How: an unlabelled photo counts only where the teacher's top probability reaches at_least."""
    at_least: float = Field(0.8, gt=0, le=1)
    """Least top probability of the teacher, above 0 and up to 1."""

    def __call__(self, labels: Any, teacher: Any, sure: Any = None) -> Any:
        """Factor of each photo's loss [B]."""
        import keras

        sure = certainty(teacher) if sure is None else sure
        return _where_unlabelled(labels, keras.ops.cast(sure >= self.at_least, sure.dtype))


Confidence = Annotated[ConfidenceWeight | ConfidenceThreshold, Field(discriminator="kind")]


def _where_unlabelled(labels: Any, factor: Any) -> Any:
    import keras

    return keras.ops.where(labels >= 0, keras.ops.ones_like(factor), factor)
