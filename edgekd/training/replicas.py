"""Training on every GPU of a machine: each holds the model and takes a part of every batch.

A step is that of one device with the whole batch: BatchNorm's statistics are those of all parts together, and the loss
is computed from the logits of all of them, so that objectives which compare photos see every pair. Only the order of
float sums and the draws of dropout differ.

By `tf.distribute.MirroredStrategy`, which Keras' optimizers and layers support under TensorFlow; `keras.distribution`
does nothing there yet. Source: https://keras.io/guides/distributed_training_with_tensorflow.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.quiet import import_keras


def gpus() -> list[str]:
    """The GPUs that TensorFlow sees; CUDA_VISIBLE_DEVICES chooses among them."""
    import_keras()
    import tensorflow as tf

    return [device.name for device in tf.config.list_logical_devices("GPU")]


@contextmanager
def on_every_gpu(batch_size: int) -> Iterator[None]:
    """Models that are loaded and trained in this block are trained on all GPUs; with fewer than two GPUs, as usual.

    So is one whose batches have fewer photos than there are GPUs.
    """
    devices = gpus()
    if not 1 < len(devices) <= batch_size:
        yield
        return
    with _mirrored(tuple(devices)).scope():
        yield


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> Any:
    """One a process: a second one's messages between the devices would be taken for those of the first."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices)


def replicas() -> int:
    """How many devices train what was loaded in the block that this is called in."""
    import tensorflow as tf

    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def parts_of(images: npt.NDArray[np.uint8]) -> Any:
    """Images [B, H, W, 3] as one part a device."""
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    parts = np.array_split(images, strategy.num_replicas_in_sync)
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.convert_to_tensor(parts[context.replica_id_in_sync_group])
    )


def gather_outputs(outputs: Any) -> Any:
    """A model's outputs for its part of the batch to those of the whole batch; called on every device.

    The gradient of a loss of the whole batch reaches a part once from every device.
    """
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    # One by one: of several at once there is no gradient.
    return tf.nest.map_structure(lambda output: context.all_gather(output, axis=0), outputs)


def run_on_each(step: Callable[..., Any], images: Any, *whole: Any) -> Any:
    """Call ``step`` on every device with its part of the images and the whole of the rest; what the first one gives."""
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    return strategy.experimental_local_results(strategy.run(step, args=(images, *whole)))[0]


@contextmanager
def synchronize_norms(model: Any) -> Iterator[None]:
    """Have BatchNorm take its statistics from all parts of a batch; the model is stored as it was."""
    import keras

    norms = [
        layer
        for layer in model._flatten_layers()
        if replicas() > 1 and isinstance(layer, keras.layers.BatchNormalization) and not layer.synchronized
    ]
    for layer in norms:
        layer.synchronized = True
    try:
        yield
    finally:
        for layer in norms:
            layer.synchronized = False
