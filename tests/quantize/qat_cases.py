"""What the tests of quantization-aware training share: a stream of images with a teacher's answers, and losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from tiny_student import SIZE, smooth_images

from edgekd.distill.bind import BoundObjective, bind
from edgekd.distill.hinton import Hinton
from edgekd.training.batches import BatchStream
from edgekd.training.loop import Validation, logits_of

STEPS = 6
IMAGES = smooth_images(96, SIZE, seed=1)


class Plain:
    """Images as they are, one view each."""

    views = 1

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._images = images

    def gather(self, sample_indices: Any, view_numbers: Any) -> Any:
        return self._images[sample_indices]


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def divergence(teacher: NDArray[Any], student: NDArray[Any]) -> float:
    """Mean KL of probabilities [N, C], in nats."""
    return float(np.mean(np.sum(teacher * np.log((teacher + 1e-9) / (student + 1e-9)), axis=1)))


def shaken(student: Any) -> Any:
    """A copy whose kernels are a tenth off, so that there is something to learn from the student as it was."""
    copy, generator = keras.models.clone_model(student), np.random.default_rng(0)
    copy.set_weights(
        [v * (1 + 0.1 * generator.normal(size=v.shape)) if v.ndim == 4 else v for v in student.get_weights()]
    )
    return copy


def taught(teacher: Any) -> tuple[BoundObjective, BatchStream, Validation]:
    """A loss of the teacher's answers alone, a stream of them, and no validation photos: the last epoch ships."""
    logits = logits_of(teacher, IMAGES)
    stream = BatchStream(
        Plain(IMAGES), np.arange(len(IMAGES)), logits.argmax(axis=1), logits[:, None], batch_size=16, seed=0
    )
    loss = bind(Hinton(label_weight=0.0, softmax_temperature=1.0), teacher)
    return loss, stream, Validation(IMAGES[:0], np.zeros(0, np.int64))


def arguments(directory: Path) -> dict[str, Any]:
    """The rest of what a training takes."""
    return {"steps_per_epoch": STEPS, "seed": 0, "checkpoint": directory / "checkpoint.npz", "key": "k"}
