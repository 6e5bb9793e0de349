"""Train a pretrained network for the user's classes: a head on pooled features, then, if requested, its last blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.blocks import freeze_through, last_frozen
from edgekd.models.logits import TWO_CLASSES
from edgekd.progress import Progress
from edgekd.teacher.head import fit_head
from edgekd.teacher.keras_teacher import CLASSES_BY_NAME
from edgekd.teacher.labelled_views import LabelledViews, StoredOutputs
from edgekd.training.batches import BatchStream
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import History, Validation, logits_of, train
from edgekd.training.schedule import Schedule

_BEHIND_HEAD = (TWO_CLASSES, CLASSES_BY_NAME)


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
    extractor = features_of(model)
    features = views.outputs(extractor, progress)
    chosen = np.arange(len(views.labels)) if photos is None else photos
    rows = np.concatenate([features[chosen, number] for number in range(views.source.views)])
    held_out = logits_of(extractor, validation.images)
    labels = np.concatenate([views.labels[chosen]] * views.source.views)
    head = fit_head(rows, labels, (held_out, validation.labels), model.output_shape[-1])
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

    Everything before them is frozen, and BatchNorm everywhere. What the frozen part gives for the views is computed
    once, unless that is too much to keep. ``predicted`` is as in `training.loop.train`. Raises ModelError where there
    are fewer blocks.
    """
    frozen = last_frozen(model, last_blocks)
    freeze_through(model, frozen)
    learner, source = model, views.source
    parts = _divided(model, frozen)
    if parts is not None and views.kept_bytes(parts[0]):
        front, learner = parts
        source, key = StoredOutputs(views.outputs(front, progress)), f"{key} behind {frozen}"
        if len(validation.labels):
            validation = replace(validation, images=logits_of(front, validation.images))
    chosen = np.arange(len(views.labels)) if photos is None else photos
    stream = BatchStream(source, chosen, views.labels, None, batch_size=schedule.batch_size, seed=seed)
    steps = schedule.steps_per_epoch(len(chosen))
    return train(
        learner,
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


def frozen_bytes(model: Any, views: LabelledViews, last_blocks: int) -> int:
    """Bytes that a fine-tune of the last blocks keeps of what those before them give for the views."""
    parts = _divided(model, last_frozen(model, last_blocks))
    return views.kept_bytes(parts[0]) if parts is not None else 0


def _divided(model: Any, layer: str | None) -> tuple[Any, Any] | None:
    """``model`` up to and with a layer, and the rest of it, of the same layers; None where more than one tensor
    connects the two, and without a layer.
    """
    import keras

    if layer is None:
        return None
    try:
        between = model.get_layer(layer).output
        rest = keras.Model(between, model.output, name=f"{model.name}_rest")
    except (AttributeError, ValueError):  # A layer that is used twice has no output of its own.
        return None
    if not isinstance(between, keras.KerasTensor):
        return None
    return keras.Model(model.inputs, between, name=f"{model.name}_front"), rest
