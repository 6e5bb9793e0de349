"""Class words, few labels, or both: three heads on an encoder's features, of which held-out photos choose one.

Both together is the zero-shot answer, as sure of itself as held-out photos find it right, plus a linear head that is
fitted to what is missing in it: with a large penalty it is the zero-shot answer, with a small one the labels decide.
Source: TaskRes, Yu et al., arXiv:2211.10277, whose residual is added to the text classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from edgekd.scoring import score
from edgekd.task import Metric
from edgekd.teacher.cross_validation import FOLDS, assign_folds
from edgekd.teacher.head import PENALTIES, LinearHead, fit_head
from edgekd.teacher.staged import Judgement, judge
from edgekd.teacher.words import ClassWords, Logits, Shares

Source = Literal["words", "labels", "both"]
_RESIDUAL_PENALTIES = (*PENALTIES, 10.0, 100.0)
# What the logits of the words may be multiplied by, where they are one of two parts.
_LEAST_WEIGHT, _MOST_WEIGHT = 0.01, 10.0
Features = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]
Numbers = npt.NDArray[np.int64]


class WordsRow(TypedDict):
    """What one of the heads scored on the ``n`` photos that judged it, with a 95 % interval; ``loss`` in nats."""

    source: Source
    value: float
    low: float
    high: float
    loss: float
    n: int
    cross_validated: bool
    chosen: bool


@dataclass(frozen=True, eq=False)
class WordsHead:
    """Features [N, D] to logits [N, C]: the zero-shot logits, the linear head's, or, where both are set, their sum.

    The zero-shot logits are multiplied by ``weight`` first.
    """

    words: ClassWords | None
    prior: Shares | None
    linear: LinearHead | None
    weight: float = 1.0

    @property
    def source(self) -> Source:
        """What it was made from."""
        if self.words is None:
            return "labels"
        return "words" if self.linear is None else "both"

    def logits(self, features: npt.NDArray[Any]) -> Logits:
        """Logits float32 [N, C]."""
        total: Any = 0.0
        if self.words is not None:
            total = self.weight * self.words.logits(features, self.prior)
        if self.linear is not None:
            total = total + self.linear.logits(features)
        return np.asarray(total, np.float32)


@dataclass(frozen=True, eq=False)
class LabelledFeatures:
    """Features of N labelled photos in all their views [N, V, D], view 0 not augmented, and class numbers [N]."""

    views: Features
    labels: Labels

    def of(self, photos: Numbers) -> LabelledFeatures:
        """Those of some photos."""
        return LabelledFeatures(self.views[photos], self.labels[photos])


def choose_head(
    words: ClassWords,
    prior: Shares | None,
    training: LabelledFeatures,
    validation: LabelledFeatures,
    metric: Metric,
    *,
    groups: Numbers | None = None,
    seed: int = 0,
) -> tuple[WordsHead, list[WordsRow]]:
    """Fit heads to labels, with the class words and without, and choose among them and the words alone.

    Args:
        words: The table of the data's classes.
        prior: Shares of the classes [C] that the zero-shot answer assumes; None for equal ones.
        training: The photos that heads are fitted to.
        validation: The photos that judge, and that choose the penalty of each head.
        metric: What decides; where it is equal, the lower cross-entropy.
        groups: The group of duplicates of every photo of ``training`` and, after them, of ``validation``: then
            cross-validation over all of them judges.
        seed: Seed of the folds.

    Returns:
        The head that was chosen, and a row each: words alone, labels alone, both.
    """
    held_out = (validation.views[:, 0], validation.labels)
    heads = _fit(words, prior, training, held_out)
    if groups is None:
        truth, answers = validation.labels, {head.source: head.logits(held_out[0]) for head in heads}
    else:
        everyone = LabelledFeatures(
            np.concatenate([training.views, np.repeat(validation.views[:, :1], training.views.shape[1], axis=1)]),
            np.concatenate([training.labels, validation.labels]),
        )
        truth, answers = everyone.labels, _cross_validated(heads, everyone, groups, seed)
    judged = {source: judge(logits, truth, metric) for source, logits in answers.items()}
    chosen = _best(judged)
    rows = [
        _row(source, answers[source], truth, metric, judged[source].loss, chosen, cross_validated=groups is not None)
        for source in answers
    ]
    return next(head for head in heads if head.source == chosen), rows


def words_row(words: ClassWords, prior: Shares | None, validation: LabelledFeatures, metric: Metric) -> WordsRow:
    """What the words alone score, where nothing else is asked for."""
    logits = words.logits(validation.views[:, 0], prior)
    loss = judge(logits, validation.labels, metric).loss
    return _row("words", logits, validation.labels, metric, loss, "words", cross_validated=False)


def _fit(
    words: ClassWords,
    prior: Shares | None,
    training: LabelledFeatures,
    held_out: tuple[Features, Labels],
    penalties: tuple[Sequence[float], Sequence[float]] = (PENALTIES, _RESIDUAL_PENALTIES),
    weight: float | None = None,
) -> tuple[WordsHead, WordsHead, WordsHead]:
    """The three heads; the penalties are of labels alone, and of both.

    The held-out photos choose them and, where it is None, the weight of the words in both.
    """
    features = training.views.reshape(-1, training.views.shape[-1])
    labels, classes = np.repeat(training.labels, training.views.shape[1]), len(words.classes)
    alone = fit_head(features, labels, held_out, classes, penalties[0])
    zero_shot, of_held_out = words.logits(features, prior), words.logits(held_out[0], prior)
    weight = _fitting_weight(of_held_out, held_out[1]) if weight is None else weight
    more = fit_head(features, labels, held_out, classes, penalties[1], (weight * zero_shot, weight * of_held_out))
    return WordsHead(words, prior, None), WordsHead(None, None, alone), WordsHead(words, prior, more, weight)


def _fitting_weight(logits: Logits, labels: Labels) -> float:
    """The factor with which logits [N, C] have the lowest cross-entropy: the inverse of a temperature.

    One photo more that could be of any class is counted, so that no certainty follows from a few right answers.
    """

    def loss(exponent: float) -> float:
        log_p = log_softmax(np.exp(exponent) * logits.astype(np.float64), axis=1)
        return -float(log_p[np.arange(len(labels)), labels].sum() + log_p.mean())

    solution = minimize_scalar(loss, bounds=(np.log(_LEAST_WEIGHT), np.log(_MOST_WEIGHT)), method="bounded")
    return float(np.exp(solution.x))


def _cross_validated(
    heads: tuple[WordsHead, WordsHead, WordsHead], everyone: LabelledFeatures, groups: Numbers, seed: int
) -> dict[Source, Logits]:
    """Logits [N, C] of heads of the same penalties, for photos that they were not fitted to."""
    (words, alone, both), folds = heads, assign_folds(everyone.labels, groups, seed)
    assert words.words is not None and alone.linear is not None and both.linear is not None
    penalties = (alone.linear.penalty,), (both.linear.penalty,)
    plain = everyone.views[:, 0]
    rows: dict[Source, Logits] = {
        head.source: np.zeros((len(plain), len(words.words.classes)), np.float32) for head in heads
    }
    for number in range(FOLDS):
        here, others = np.flatnonzero(folds == number), np.flatnonzero(folds != number)
        held_out = plain[here], everyone.labels[here]
        for head in _fit(words.words, words.prior, everyone.of(others), held_out, penalties, both.weight):
            rows[head.source][here] = head.logits(held_out[0])
    return rows


def _best(judged: dict[Source, Judgement]) -> Source:
    best: Source | None = None
    for source, judgement in judged.items():
        if best is None or judgement.beats(judged[best]):
            best = source
    assert best is not None
    return best


def _row(
    source: Source, logits: Logits, truth: Labels, metric: Metric, loss: float, chosen: Source, *, cross_validated: bool
) -> WordsRow:
    interval = score(metric, truth, logits.argmax(axis=1))
    return {
        "source": source, "value": interval.value, "low": interval.low, "high": interval.high, "loss": loss,
        "n": len(truth), "cross_validated": cross_validated, "chosen": source == chosen,
    }  # fmt: skip
