"""Train a pretrained network for the user's classes: a head on pooled features, then, if requested, its last blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.blocks import blocks_of, freeze_through
from edgekd.models.logits import TWO_CLASSES
from edgekd.progress import Progress
from edgekd.teacher.head import fit_head
from edgekd.teacher.keras_teacher import CLASSES_BY_NAME
from edgekd.training.batches import BatchStream, ViewSource
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import History, Validation, logits_of, train
from edgekd.training.schedule import Schedule

_BEHIND_HEAD = (TWO_CLASSES, CLASSES_BY_NAME)


@dataclass(frozen=True)
class LabelledViews:
    """Labelled photos to learn from: rendered views of N photos, ``labels`` int64 [N] or tags int8 [N, C]."""

    source: ViewSource
    labels: npt.NDArray[np.integer]


def features_of(model: Any) -> Any:
    """The part of a classifier before its last layer: pixels 0..255 to pooled features [N, D].

    Raises ModelError where the last layer is not a dense one on pooled features.
    """
    import keras

    last = model.layers[-1]
    if not isinstance(last, keras.layers.Dense):
        raise ModelError(f"{model.name} must end in a dense layer to be given a new head, not in {last.name}")
    return keras.Model(model.inputs, last.input, name=f"{model.name}_features")


def before_head(model: Any) -> Any:
    """A classifier of edgekd's or a user's up to the input of its own last dense layer.

    What edgekd puts behind that layer, the second of two classes and the order of the data's, is cut off too. Raises
    ModelError where it does not end in a dense layer.
    """
    network = features_of(model)
    return before_head(network) if model.layers[-1].name in _BEHIND_HEAD else network


def probe(
    model: Any,
    views: LabelledViews,
    validation: Validation,
    progress: Progress | None = None,
    *,
    photos: npt.NDArray[np.int64] | None = None,
) -> float:
    """Fit the last layer of ``model`` in place on pooled features of all views; returns the penalty chosen.

    The penalty is chosen on the validation photos; nothing else is. ``photos`` are the numbers of those to learn from;
    all of them by default.
    """
    extractor, parts = features_of(model), []
    chosen = np.arange(len(views.labels)) if photos is None else photos
    for number in range(views.source.views):
        images = views.source.gather(chosen, np.full(len(chosen), number))
        parts.append(logits_of(extractor, images))
        if progress:
            progress(number + 1, views.source.views)
    held_out = logits_of(extractor, validation.images)
    labels = np.concatenate([views.labels[chosen]] * views.source.views)
    head = fit_head(np.concatenate(parts), labels, (held_out, validation.labels), model.output_shape[-1])
    last = model.layers[-1]
    last.set_weights([head.kernel, head.bias] if last.use_bias else [head.kernel])
    return head.penalty


def fine_tune(
    model: Any,
    views: LabelledViews,
    validation: Validation,
    schedule: Schedule,
    *,
    last_blocks: int,
    seed: int,
    checkpoint: Path,
    key: str,
    progress: Progress | None = None,
    photos: npt.NDArray[np.int64] | None = None,
    predicted: Callable[[float], None] | None = None,
) -> History:
    """Train the last ``last_blocks`` blocks of ``model`` and its head in place, on the labels of ``photos`` (all).

    Everything before them is frozen, and BatchNorm everywhere. ``predicted`` is as in `training.loop.train`. Raises
    ModelError where it has fewer blocks.
    """
    blocks = blocks_of(model)
    if last_blocks > len(blocks):
        raise ModelError(f"{model.name} has {len(blocks)} blocks, fewer than the {last_blocks} to fine-tune")
    freeze_through(model, blocks[-last_blocks - 1].last_layer if last_blocks < len(blocks) else None)
    chosen = np.arange(len(views.labels)) if photos is None else photos
    stream = BatchStream(views.source, chosen, views.labels, None, batch_size=schedule.batch_size, seed=seed)
    steps = schedule.steps_per_epoch(len(chosen))
    return train(
        model,
        LabelsOnly(),
        stream,
        validation,
        schedule,
        steps_per_epoch=steps,
        checkpoint=checkpoint,
        key=key,
        progress=progress,
        predicted=predicted,
    )
