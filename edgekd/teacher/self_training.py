"""A teacher's head learns from the teacher's own confident answers for photos without labels, where that holds.

Source: self-training, Yarowsky, "Unsupervised word sense disambiguation rivaling supervised methods" (ACL 1995);
with a threshold on the confidence, Lee, "Pseudo-Label" (ICML 2013 workshop).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from edgekd.task import Metric
from edgekd.teacher.cross_validation import FOLDS, assign_folds
from edgekd.teacher.head import PENALTIES, LinearHead, fit_head
from edgekd.teacher.labelled_views import LabelledViews
from edgekd.teacher.staged import Judgement, Labels, Logits, judge
from edgekd.teacher.transfer import features_of
from edgekd.training.batches import top_probability
from edgekd.training.labels import are_tags
from edgekd.training.loop import Validation, logits_of
from edgekd.training.scores import tag_probabilities

AT_LEAST = 0.7
"""Probability from which on an answer counts as confident; where photos have tags, the answer on every tag, present or
absent."""
Features = npt.NDArray[np.float32]


class SelfTrainingRecord(TypedDict):
    """What learning from ``confident`` of ``pool`` photos was worth on the ``n`` photos that judged it.

    ``before`` and ``after`` are the recipe's metric, the losses mean cross-entropies in nats.
    """

    pool: int
    confident: int
    at_least: float
    before: float
    after: float
    loss_before: float
    loss_after: float
    n: int
    cross_validated: bool
    kept: bool


@dataclass(frozen=True)
class _Rows:
    """Pooled features of labelled photos in all their views [N, V, D], and of the pool [P, D]."""

    views: Features
    labels: Labels
    pool: Features
    classes: int

    def fit(
        self,
        photos: npt.NDArray[np.int64],
        held_out: tuple[Features, Labels],
        answers: Logits | None = None,
        penalties: Sequence[float] = PENALTIES,
    ) -> LinearHead:
        """A head fitted to the labels of ``photos`` and to what ``answers`` [P, C] are sure of in the pool."""
        views, more, labels = (
            self.views[photos],
            self.pool[:0],
            np.repeat(self.labels[photos], self.views.shape[1], axis=0),
        )
        if answers is not None:
            sure = _is_sure(answers, self.labels)
            more = self.pool[sure]
            more_labels = answers[sure] > 0 if are_tags(self.labels) else answers[sure].argmax(axis=1)
            labels = np.concatenate([labels, more_labels])
        features = np.concatenate([views.reshape(-1, views.shape[-1]), more])
        return fit_head(features, labels, held_out, self.classes, penalties)


def _is_sure(answers: Logits, labels: Labels) -> npt.NDArray[np.bool_]:
    """Whether each of the answers [N], logits [N, C], is confident; ``labels`` are what they answer for others."""
    least = tag_probabilities(np.abs(answers)).min(axis=1) if are_tags(labels) else top_probability(answers)
    return np.asarray(least >= AT_LEAST)


def self_train(
    model: Any,
    views: LabelledViews,
    photos: npt.NDArray[np.int64],
    pool: Iterable[npt.NDArray[np.uint8]],
    validation: Validation,
    *,
    groups: npt.NDArray[np.int64] | None = None,
    seed: int = 0,
) -> SelfTrainingRecord:
    """Fit the last layer of ``model`` again, to labels and to its own confident answers, and keep it if it gains.

    Args:
        model: A trained classifier that ends in a dense layer; changed in place where the new head is better.
        views: Views of labelled photos.
        photos: Numbers of the training photos among them.
        pool: Batches uint8 [B, H, W, 3] of photos without labels.
        validation: The photos that judge, unless ``groups`` is given.
        groups: The group of duplicates of every photo of ``views``: then cross-validation over all of them judges,
            of heads that are fitted anew. It is for a model of which nothing but the head was trained.
        seed: Seed of the folds.

    Returns:
        What it was worth, and whether it was kept.
    """
    extractor, last = features_of(model), model.layers[-1]
    classes = int(model.output_shape[-1])
    of_pool = np.concatenate([logits_of(extractor, images) for images in pool])
    rows = _Rows(views.outputs(extractor), views.labels, of_pool, classes)
    held_out = logits_of(extractor, validation.images), validation.labels
    kernel, *bias = last.get_weights()
    current = LinearHead(kernel, bias[0] if bias else np.zeros(classes, np.float32), 0.0)
    answers = current.logits(of_pool)
    again = rows.fit(photos, held_out, answers)
    if groups is None:
        labels = validation.labels
        before, after = (judge(head.logits(held_out[0]), labels, validation.metric) for head in (current, again))
    else:
        labels = views.labels
        before, after = _cross_validated(rows, groups, seed, validation.metric, again.penalty)
    kept = after.gains_on(before)
    if kept:
        last.set_weights([again.kernel, again.bias] if bias else [again.kernel])
    return {
        "pool": len(of_pool), "confident": int(_is_sure(answers, views.labels).sum()), "at_least": AT_LEAST,
        "before": before.score, "after": after.score, "loss_before": before.loss, "loss_after": after.loss,
        "n": len(labels), "cross_validated": groups is not None, "kept": kept,
    }  # fmt: skip


def _cross_validated(
    rows: _Rows, groups: npt.NDArray[np.int64], seed: int, metric: Metric, penalty: float
) -> tuple[Judgement, Judgement]:
    """How heads of one penalty do on photos that they were not fitted to, without the pool and with it."""
    folds = assign_folds(rows.labels, groups, seed)
    logits = np.zeros((2, len(folds), rows.classes), np.float32)
    for number in range(FOLDS):
        others, here = np.flatnonzero(folds != number), np.flatnonzero(folds == number)
        # View 0 is the photo as a model sees it, not augmented.
        held_out = rows.views[here, 0], rows.labels[here]
        plain = rows.fit(others, held_out, penalties=(penalty,))
        again = rows.fit(others, held_out, plain.logits(rows.pool), (penalty,))
        for row, head in enumerate((plain, again)):
            logits[row, here] = head.logits(held_out[0])
    before, after = (judge(rows_of, rows.labels, metric) for rows_of in logits)
    return before, after
