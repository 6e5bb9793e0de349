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
    offsets: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None = None,
) -> LinearHead:
    """Multinomial logistic regression on standardized features [N, D], classes weighted alike, by L-BFGS.

    For tags [N, C] it is a logistic regression a tag, photos weighted alike, so that probabilities stay those of the
    photos. The penalty is the one of ``penalties`` with the lowest cross-entropy on ``validation`` (features [M, D],
    labels [M] or tags [M, C]), which takes no other part. ``offsets`` are another classifier's logits [N, C] and [M, C]
    for the same photos: then what the head adds to them is fitted.
    """
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    x = ((features - mean) / scale).astype(np.float64)
    added, added_to_validation = (0.0, 0.0) if offsets is None else offsets
    table = None
    best: tuple[float, LinearHead] | None = None
    for penalty in sorted(penalties, reverse=True):
        table = solve_head(x, labels, classes, penalty, table, added=added)
        kernel = table[:-1] / scale[:, None]
        head = LinearHead(kernel.astype(np.float32), (table[-1] - mean @ kernel).astype(np.float32), penalty)
        loss = held_out_loss(head.logits(validation[0]) + added_to_validation, validation[1], classes)
        if best is None or loss < best[0]:
            best = loss, head
    assert best is not None
    return best[1]


def moments_of(features: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Mean and scale [D] of features [N, D], the scale being the standard deviation or a tenth of the mean one.

    A feature that hardly ever varies in these photos would otherwise be enormous where it does in others.
    """
    spread = features.std(axis=0, dtype=np.float64)
    scale = np.maximum(spread, max(0.1 * float(spread.mean()), 1e-6))
    return features.mean(axis=0, dtype=np.float64).astype(np.float32), scale.astype(np.float32)


def balanced_weights(labels: npt.NDArray[np.integer], classes: int) -> npt.NDArray[np.float64]:
    """What every photo [N] counts for, 1 in all: classes alike, of photos with tags all photos alike."""
    if are_tags(labels):
        return np.full(len(labels), 1 / len(labels))
    counts = np.bincount(labels, minlength=classes)
    weights: npt.NDArray[np.float64] = 1 / np.maximum(counts, 1)[labels]
    weights /= weights.sum()
    return weights


def held_out_loss(logits: npt.NDArray[Any], labels: npt.NDArray[np.integer], classes: int) -> float:
    """Mean cross-entropy (nats) of logits [N, C] over the classes present, of tags over all photos and tags."""
    return tag_loss(logits, labels) if are_tags(labels) else _cross_entropy(logits, labels, classes)


def solve_head(
    x: npt.NDArray[np.float64],
    labels: npt.NDArray[np.integer],
    classes: int,
    penalty: float,
    start: npt.NDArray[np.float64] | None = None,
    iterations: int = 200,
    added: npt.NDArray[np.float64] | float = 0.0,
) -> npt.NDArray[np.float64]:
    """The regression of ``fit_head`` at one penalty, on features [N, D] as they are: kernel and bias [D + 1, C].

    ``start`` is where L-BFGS begins: the solution of a problem like this one, or zeros. ``added`` are logits [N, C]
    that the fitted ones are added to.
    """
    solution = minimize(
        _tag_loss_and_gradient if are_tags(labels) else _loss_and_gradient,
        np.zeros((x.shape[1] + 1) * classes) if start is None else start.ravel(),
        (x, labels, balanced_weights(labels, classes), penalty, classes, added),
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
    added: npt.NDArray[Any] | float = 0.0,
) -> tuple[float, npt.NDArray[Any]]:
    table = flat.reshape(-1, classes)
    scores = x @ table[:-1] + table[-1] + added
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
    added: npt.NDArray[Any] | float = 0.0,
) -> tuple[float, npt.NDArray[Any]]:
    """The sum over tags of each one's binary cross-entropy and penalty: none depends on another."""
    table = flat.reshape(-1, classes)
    scores = x @ table[:-1] + table[-1] + added
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
