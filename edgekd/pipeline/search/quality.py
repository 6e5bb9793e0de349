"""How well a network's features serve a linear head: the cheapest look at what a slice is worth.

The head is fitted to training photos and judged on validation photos; where these are few, it is fitted and judged out
of fold on both. Test photos take no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.data.dataset import Sample
from edgekd.data.images import images_of, some_of
from edgekd.evaluation.score import truth_of
from edgekd.models.blocks import blocks_of
from edgekd.pipeline.context import RunContext
from edgekd.scoring import Truth, has_tags
from edgekd.soft_targets.store import SoftTargets
from edgekd.students.cost import at_size
from edgekd.tag_metrics import tag_value
from edgekd.task import Metric, Task
from edgekd.teacher.cross_validation import FOLDS, assign_folds
from edgekd.teacher.head import LinearHead, fit_head
from edgekd.training.loop import logits_of
from edgekd.training.scores import tag_probabilities

_MOST_TRAIN, _MOST_VAL = 400, 300
# From this many validation photos on, they alone judge.
_ENOUGH_VAL = 150


@dataclass(frozen=True, eq=False)
class ProbePhotos:
    """Photos with classes: those that a head is fitted to first, then ``held_out`` ones; few of these: both are used.

    ``labels`` are the data's, class numbers [N] or tags [N, C], or the teacher's answers where the run uses no labels.
    """

    samples: tuple[Sample, ...]
    labels: Truth
    held_out: int
    classes: int
    metric: Metric

    @property
    def folds(self) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """Numbers of the photos to fit to and to judge by, one pair or several."""
        numbers = np.arange(len(self.samples))
        if self.held_out >= _ENOUGH_VAL:
            return [(numbers[: -self.held_out], numbers[-self.held_out :])]
        fold = assign_folds(self.labels, np.array([sample.group for sample in self.samples]), seed=0)
        return [(numbers[fold != k], numbers[fold == k]) for k in range(FOLDS)]

    @property
    def described(self) -> str:
        """How candidates are judged, in words."""
        if self.held_out >= _ENOUGH_VAL:
            return f"{self.held_out} validation photos"
        return f"{len(self.samples)} training and validation photos, {FOLDS}-fold"


def probe_photos(context: RunContext) -> ProbePhotos:
    """The photos that features are judged on."""
    dataset, recipe = context.dataset, context.recipe
    classes = len(dataset.classes)
    if context.label_free:
        numbers = np.arange(len(context.pool.samples))[: _MOST_TRAIN + _MOST_VAL]
        logits = SoftTargets(context.path / "soft_targets")[numbers, np.zeros_like(numbers)]
        samples = tuple(context.pool.samples[i] for i in numbers)
        return ProbePhotos(samples, labels_from(logits, dataset.task), 0, classes, recipe.metric)
    train = some_of(dataset.split("train"), _MOST_TRAIN, recipe.seed)
    val = some_of(dataset.split("val"), _MOST_VAL, recipe.seed)
    labels = truth_of(dataset, (*train, *val))
    return ProbePhotos((*train, *val), labels, len(val), classes, recipe.metric)


def labels_from(logits: npt.NDArray[np.floating], task: Task) -> Truth:
    """What a teacher's logits [N, C] say, as labels: class numbers [N] or tags [N, C]."""
    return (logits > 0).astype(np.int64) if task == "multi-label" else logits.argmax(axis=1).astype(np.int64)


def images_at(context: RunContext, samples: Sequence[Sample], size: int) -> npt.NDArray[np.uint8]:
    """Photos uint8 [N, size, size, 3] as a student sees them."""
    return images_of(context.dataset, tuple(samples), context.preprocessing_at((size, size)))


def expected_score(logits: npt.NDArray[np.float32], labels: Truth, metric: Metric) -> float:
    """The mean probability of the right class, over photos or (balanced) over classes.

    In the units of accuracy, and steadier: a photo that is nearly right counts for nearly as much. Of tags, mean
    average precision as it is, and F1 with probabilities in the place of decisions.
    """
    if has_tags(labels):
        return _expected_tag_score(tag_probabilities(logits), labels, metric)
    shifted = logits - logits.max(axis=1, keepdims=True)
    odds = np.exp(shifted)
    right = odds[np.arange(len(labels)), labels] / odds.sum(axis=1)
    if metric == "balanced_accuracy":
        return float(np.mean([right[labels == c].mean() for c in np.unique(labels)]))
    return float(right.mean())


def _expected_tag_score(probabilities: npt.NDArray[np.float64], tags: Truth, metric: Metric) -> float:
    present = tags.any(axis=0)
    if not present.any():
        return 0.0
    tags, probabilities = tags[:, present], probabilities[:, present]
    if metric == "mean_average_precision":
        return tag_value(metric, tags, probabilities)
    return float((2 * (tags * probabilities).sum(axis=0) / (tags + probabilities).sum(axis=0)).mean())


def probe_features(features: npt.NDArray[np.float32], photos: ProbePhotos) -> float:
    """The score of a linear head on features [N, D] of the photos, out of fold."""
    scores, sizes = [], []
    for fitted, judged in photos.folds:
        head = _head(features[fitted], photos.labels[fitted], photos)
        scores.append(expected_score(head.logits(features[judged]), photos.labels[judged], photos.metric))
        sizes.append(len(judged))
    return float(np.average(scores, weights=sizes))


def fit_probe(features: npt.NDArray[np.float32], photos: ProbePhotos) -> LinearHead:
    """A head on features of all photos that a student may be fitted to: not the held-out ones."""
    count = len(features) - photos.held_out if photos.held_out else len(features)
    return _head(features[:count], photos.labels[:count], photos)


def _head(features: npt.NDArray[np.float32], labels: Truth, photos: ProbePhotos) -> LinearHead:
    # The penalty is chosen on a third, so that the photos that judge take no part.
    third = np.arange(len(labels)) % 3 == 0
    inner = (features[third], labels[third]) if third.any() and not third.all() else (features, labels)
    return fit_head(features, labels, inner, photos.classes)


def whole_quality(
    context: RunContext, network: Any, size: int, cuts: Sequence[int], photos: ProbePhotos
) -> dict[int, float]:
    """The score of a linear head on pooled features behind each of the ``cuts``, of the whole network."""
    import keras

    blocks, whole = blocks_of(network), at_size(network, size)
    pool = keras.layers.GlobalAveragePooling2D()
    outputs = [pool(whole.get_layer(blocks[cut - 1].last_layer).output) for cut in cuts]
    joined = outputs[0] if len(outputs) == 1 else keras.layers.Concatenate()(outputs)
    features = logits_of(keras.Model(whole.inputs, joined), images_at(context, photos.samples, size))
    ends = np.cumsum([int(output.shape[-1]) for output in outputs])
    parts = np.split(features, ends[:-1], axis=1)
    return {cut: probe_features(part, photos) for cut, part in zip(cuts, parts, strict=True)}
