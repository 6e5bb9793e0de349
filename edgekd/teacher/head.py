"""A linear head on pooled features: the cheapest way to make a network classify other photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from edgekd.training.labels import are_tags
from edgekd.training.scores import tag_loss, tag_probabilities

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class LinearHead:
    """``features @ kernel + bias`` are logits; kernel float32 [D, C], bias float32 [C]."""

    kernel: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    penalty: float

    def logits(self, features: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Logits [N, C] of features [N, D]."""
        return np.asarray(features @ self.kernel + self.bias, np.float32)


def fit_head(
    features: npt.NDArray[Any],
    labels: npt.NDArray[np.integer],
    validation: tuple[npt.NDArray[Any], npt.NDArray[np.integer]],
    classes: int,
    penalties: Sequence[float] = PENALTIES,
) -> LinearHead:
    """Multinomial logistic regression on standardized features [N, D], classes weighted alike, by L-BFGS.

    For tags [N, C] it is a logistic regression a tag, photos weighted alike, so that probabilities stay those of the
    photos. The penalty is the one of ``penalties`` with the lowest cross-entropy on ``validation`` (features [M, D],
    labels [M] or tags [M, C]), which takes no other part.
    """
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    x = ((features - mean) / scale).astype(np.float64)
    table = None
    best: tuple[float, LinearHead] | None = None
    for penalty in sorted(penalties, reverse=True):
        table = solve_head(x, labels, classes, penalty, table)
        kernel = table[:-1] / scale[:, None]
        head = LinearHead(kernel.astype(np.float32), (table[-1] - mean @ kernel).astype(np.float32), penalty)
        answers = head.logits(validation[0])
        judged_by_tags = are_tags(validation[1])
        loss = tag_loss(answers, validation[1]) if judged_by_tags else _cross_entropy(answers, validation[1], classes)
        if best is None or loss < best[0]:
            best = loss, head
    assert best is not None
    return best[1]


def solve_head(
    x: npt.NDArray[np.float64],
    labels: npt.NDArray[np.integer],
    classes: int,
    penalty: float,
    start: npt.NDArray[np.float64] | None = None,
    iterations: int = 200,
) -> npt.NDArray[np.float64]:
    """The regression of ``fit_head`` at one penalty, on features [N, D] as they are: kernel and bias [D + 1, C].

    ``start`` is where L-BFGS begins: the solution of a problem like this one, or zeros.
    """
    loss_and_gradient, weights = _tag_loss_and_gradient, np.full(len(labels), 1 / len(labels))
    if not are_tags(labels):
        counts = np.bincount(labels, minlength=classes)
        weights = 1 / np.maximum(counts, 1)[labels]
        weights /= weights.sum()
        loss_and_gradient = _loss_and_gradient
    solution = minimize(
        loss_and_gradient,
        np.zeros((x.shape[1] + 1) * classes) if start is None else start.ravel(),
        (x, labels, weights, penalty, classes),
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": iterations},
    )
    return np.asarray(solution.x.reshape(-1, classes))


def _loss_and_gradient(
    flat: npt.NDArray[Any],
    x: npt.NDArray[Any],
    labels: npt.NDArray[np.integer],
    weights: npt.NDArray[Any],
    penalty: float,
    classes: int,
) -> tuple[float, npt.NDArray[Any]]:
    table = flat.reshape(-1, classes)
    scores = x @ table[:-1] + table[-1]
    scores -= scores.max(axis=1, keepdims=True)
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    loss = -float(weights @ log_p[rows, labels]) + 0.5 * penalty * float((table[:-1] ** 2).sum())
    residual = np.exp(log_p)
    residual[rows, labels] -= 1
    residual *= weights[:, None]
    gradient = np.vstack([x.T @ residual + penalty * table[:-1], residual.sum(axis=0)])
    return loss, gradient.ravel()


def _tag_loss_and_gradient(
    flat: npt.NDArray[Any],
    x: npt.NDArray[Any],
    labels: npt.NDArray[np.integer],
    weights: npt.NDArray[Any],
    penalty: float,
    classes: int,
) -> tuple[float, npt.NDArray[Any]]:
    """The sum over tags of each one's binary cross-entropy and penalty: none depends on another."""
    table = flat.reshape(-1, classes)
    scores = x @ table[:-1] + table[-1]
    losses = np.logaddexp(0, scores) - labels * scores
    loss = float(weights @ losses.sum(axis=1)) + 0.5 * penalty * float((table[:-1] ** 2).sum())
    residual = (tag_probabilities(scores) - labels) * weights[:, None]
    gradient = np.vstack([x.T @ residual + penalty * table[:-1], residual.sum(axis=0)])
    return loss, gradient.ravel()


def _cross_entropy(logits: npt.NDArray[Any], labels: npt.NDArray[np.integer], classes: int) -> float:
    """Mean over the classes present of each class's mean cross-entropy."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    return float(np.mean([losses[labels == c].mean() for c in range(classes) if (labels == c).any()]))
