"""What the training loop needs to train a tf_keras student on the same batches as the Keras 3 one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.quantize.tfmot import tf_keras
from edgekd.training.batches import BatchStream
from edgekd.training.schedule import Schedule


def adamw(schedule: Schedule, model: Any) -> Any:
    """tf_keras' AdamW with the training loop's settings; no weight decay for clusters."""
    has_clusters = any("cluster_centroids" in variable.name for variable in model.trainable_variables)
    decay = 0.0 if has_clusters else schedule.weight_decay
    return tf_keras().optimizers.AdamW(schedule.learning_rate, weight_decay=decay, jit_compile=False)


def read_first_images(stream: BatchStream, count: int) -> NDArray[np.uint8]:
    """Images uint8 [count, H, W, 3] of the first batches, or a few more."""
    parts: list[NDArray[np.uint8]] = []
    while sum(map(len, parts)) < count:
        parts.append(stream.batch(len(parts)).images)
    return np.concatenate(parts)
