"""Heads from class words: of the words alone, and of the words with what a few labels add to them.

The second is the zero-shot answer, as sure of itself as held-out photos find it right, plus a linear head that is
fitted to what is missing in it: with a large penalty it is the zero-shot answer, with a small one the labels decide.
Source: TaskRes, Yu et al., arXiv:2211.10277, whose residual is added to the text classifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from edgekd.teacher.head import PENALTIES, LinearHead, fit_head
from edgekd.teacher.words import ClassWords, Logits, Shares, cosines

_RESIDUAL_PENALTIES = (*PENALTIES, 10.0, 100.0)
# What the logits of the words may be multiplied by, where they are one of two parts.
_LEAST_WEIGHT, _MOST_WEIGHT = 0.01, 10.0
Features = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class WordsHead:
    """Features [N, D] to logits [N, C]: ``scale`` times their cosines with ``vectors`` [C, D], plus ``offset`` [C].

    Where labels took part, ``kernel`` [D, C] and ``bias`` [C] of a linear head are added.
    """

    vectors: npt.NDArray[np.float32]
    scale: float
    offset: npt.NDArray[np.float32]
    kernel: npt.NDArray[np.float32] | None = None
    bias: npt.NDArray[np.float32] | None = None

    def logits(self, features: npt.NDArray[Any]) -> Logits:
        """Logits float32 [N, C]."""
        zero_shot = self.scale * cosines(features, self.vectors) + self.offset
        if self.kernel is None or self.bias is None:
            return np.asarray(zero_shot, np.float32)
        return np.asarray(zero_shot + features @ self.kernel + self.bias, np.float32)

    def with_labels(self, weight: float, added: LinearHead) -> WordsHead:
        """This head, weighted, plus a linear one."""
        return WordsHead(self.vectors, weight * self.scale, weight * self.offset, added.kernel, added.bias)


def zero_shot_head(words: ClassWords, prior: Shares | None) -> WordsHead:
    """The head of the words alone; the logarithm of ``prior`` [C], shares of the classes, is added to its logits."""
    offset = np.zeros(len(words.classes)) if prior is None else np.log(prior)
    return WordsHead(words.vectors, words.logit_scale, offset.astype(np.float32))


def fit_words_head(
    words: WordsHead, features: Features, labels: Labels, held_out: tuple[Features, Labels], classes: int
) -> WordsHead:
    """Fit what labels [N] of features [N, D] add to the head of the words alone.

    The photos ``held_out`` (features [M, D], labels [M]) choose the penalty, and how much the words weigh.
    """
    of_held_out = words.logits(held_out[0])
    weight = _fitting_weight(of_held_out, held_out[1])
    offsets = weight * words.logits(features), weight * of_held_out
    return words.with_labels(weight, fit_head(features, labels, held_out, classes, _RESIDUAL_PENALTIES, offsets))


def _fitting_weight(logits: Logits, labels: Labels) -> float:
    """The factor with which logits [N, C] have the lowest cross-entropy: the inverse of a temperature.

    One photo more that could be of any class is counted, so that no certainty follows from a few right answers.
    """

    def loss(exponent: float) -> float:
        log_p = log_softmax(np.exp(exponent) * logits.astype(np.float64), axis=1)
        return -float(log_p[np.arange(len(labels)), labels].sum() + log_p.mean())

    solution = minimize_scalar(loss, bounds=(np.log(_LEAST_WEIGHT), np.log(_MOST_WEIGHT)), method="bounded")
    return float(np.exp(solution.x))
