"""How far to trust the teacher on unlabelled photos.

A view of two photos (mixup, cutmix) leaves any teacher unsure, which says nothing about how well it knows either photo.
Of such views training gives ``sure``: the top probabilities of the two photos as they are, weighted by their shares.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from edgekd.distill.objective import stop_gradient
from edgekd.section import Section
from edgekd.training.labels import are_tags, has_label


def certainty(labels: Any, teacher: Any) -> Any:
    """The teacher's probability of its most likely class [B], of logits [B, C] at temperature 1.

    Where ``labels`` are tags [B, C], it is the mean over the tags of the likelier answer's probability, present or
    absent: the share of the photo's tags that the teacher expects to get right.
    """
    import keras

    ops, teacher = keras.ops, stop_gradient(teacher)
    if are_tags(labels):
        return ops.mean(ops.sigmoid(ops.abs(teacher)), axis=-1)
    return ops.max(ops.softmax(teacher, axis=-1), axis=-1)


class ConfidenceWeight(Section):
    """An unlabelled photo counts as much as the teacher is sure of it: its top probability to the power ``power``.

    Called with labels int [B] (-1: none) and the teacher's logits [B, C]; gives factors [B], 1 for labelled photos.
    With tags [B, C] the top probability is the mean over the tags, see ``certainty``.
    ``sure`` [B] takes the place of the top probability where views are mixed.
    """

    kind: Literal["weight"] = "weight"
    """How: an unlabelled photo counts by the teacher's top probability; of tags, by the mean over the tags of the
    likelier answer's, present or absent.
    """
    power: float = Field(1.0, gt=0)
    """Exponent of the top probability; above 1, unsure photos count less."""

    def __call__(self, labels: Any, teacher: Any, sure: Any = None) -> Any:
        """Factor of each photo's loss [B]."""
        return _where_unlabelled(labels, (certainty(labels, teacher) if sure is None else sure) ** self.power)


class ConfidenceThreshold(Section):
    """An unlabelled photo counts only where the teacher's top probability is ``at_least`` this.

    Called with labels int [B] (-1: none) and the teacher's logits [B, C]; gives factors [B], 1 for labelled photos.
    With tags [B, C] the top probability is the mean over the tags, see ``certainty``.
    ``sure`` [B] takes the place of the top probability where views are mixed.
    """

    kind: Literal["threshold"] = "threshold"
    """How: an unlabelled photo counts only where the teacher's top probability reaches at_least."""
    at_least: float = Field(0.8, gt=0, le=1)
    """Least top probability of the teacher, above 0 and up to 1."""

    def __call__(self, labels: Any, teacher: Any, sure: Any = None) -> Any:
        """Factor of each photo's loss [B]."""
        import keras

        sure = certainty(labels, teacher) if sure is None else sure
        return _where_unlabelled(labels, keras.ops.cast(sure >= self.at_least, sure.dtype))


Confidence = Annotated[ConfidenceWeight | ConfidenceThreshold, Field(discriminator="kind")]


def _where_unlabelled(labels: Any, factor: Any) -> Any:
    import keras

    return keras.ops.where(has_label(labels), keras.ops.ones_like(factor), factor)
