"""Learning from labels alone: what every distillation is held against."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


def cross_entropy(labels: Any, logits: Any) -> Any:
    """Cross-entropy of logits [B, C] with integer labels [B]; exactly 0 where a label is -1. Gives [B], in nats."""
    import keras

    known = labels >= 0
    safe = keras.ops.where(known, labels, keras.ops.zeros_like(labels))
    loss = keras.losses.sparse_categorical_crossentropy(safe, logits, from_logits=True)
    return loss * keras.ops.cast(known, loss.dtype)


class LabelsOnly(BaseModel):
    """Cross-entropy with the labels; photos without one count for nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["labels"] = "labels"

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]; ``teacher`` is not looked at."""
        return cross_entropy(labels, student)
