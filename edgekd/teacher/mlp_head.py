"""A head with one hidden layer on features: for classes that no plane through the features divides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.teacher.head import balanced_weights, held_out_loss, moments_of
from edgekd.training.labels import are_tags
from edgekd.training.scores import tag_probabilities

HIDDEN = 64
DECAYS = (0.3, 0.01)
_STEPS, _BATCH, _RATE = 300, 128, 3e-3
_BETAS, _EPSILON = (0.9, 0.99), 1e-8
Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MlpHead:
    """``relu(features @ hidden_kernel + hidden_bias) @ kernel + bias`` are logits.

    ``hidden_kernel`` is float32 [D, H], ``hidden_bias`` [H], ``kernel`` [H, C], ``bias`` [C]; ``decay`` is the weight
    decay that it was trained with.
    """

    hidden_kernel: Float
    hidden_bias: Float
    kernel: Float
    bias: Float
    decay: float = 0.0

    def logits(self, features: npt.NDArray[Any]) -> Float:
        """Logits [N, C] of features [N, D]."""
        hidden = np.maximum(features @ self.hidden_kernel + self.hidden_bias, 0)
        return np.asarray(hidden @ self.kernel + self.bias, np.float32)


def fit_mlp_head(
    features: npt.NDArray[Any],
    labels: npt.NDArray[np.integer],
    validation: tuple[npt.NDArray[Any], npt.NDArray[np.integer]],
    classes: int,
    seed: int,
    decays: Sequence[float] = DECAYS,
) -> MlpHead:
    """An MLP on standardized features [N, D], classes weighted alike, by AdamW in 300 steps of 128 rows.

    The weight decay is the one of ``decays`` with the lowest cross-entropy on ``validation`` (features [M, D], labels
    [M] or tags [M, C]), which takes no other part. The time does not depend on N.

    Source: Loshchilov & Hutter, "Decoupled Weight Decay Regularization", arXiv:1711.05101.
    """
    mean, scale = moments_of(features)
    best: tuple[float, MlpHead] | None = None
    for decay in decays:
        hidden_kernel, hidden_bias, kernel, bias = _train(features, (mean, scale), labels, classes, decay, seed)
        folded = hidden_kernel / scale[:, None]
        head = MlpHead(folded.astype(np.float32), (hidden_bias - mean @ folded).astype(np.float32), kernel, bias, decay)
        loss = held_out_loss(head.logits(validation[0]), validation[1], classes)
        if best is None or loss < best[0]:
            best = loss, head
    assert best is not None
    return best[1]


def _train(
    features: npt.NDArray[Any],
    moments: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    labels: npt.NDArray[np.integer],
    classes: int,
    decay: float,
    seed: int,
) -> list[Float]:
    # Python's numbers, unlike NumPy's, leave arrays of float32 what they are.
    rng = np.random.default_rng([seed, HIDDEN])
    start = (
        rng.normal(0, np.sqrt(2 / features.shape[1]), (features.shape[1], HIDDEN)),
        np.zeros(HIDDEN), np.zeros((HIDDEN, classes)), np.zeros(classes),
    )  # fmt: skip
    weights = [np.asarray(value, np.float32) for value in start]
    first, second = ([np.zeros_like(value) for value in weights] for _ in range(2))
    row_weights = (balanced_weights(labels, classes) * len(labels)).astype(np.float32)
    for step in range(_STEPS):
        rows = rng.integers(len(labels), size=_BATCH)
        x = np.asarray((features[rows] - moments[0]) / moments[1], np.float32)
        gradients = _gradients(weights, x, labels[rows], row_weights[rows] / _BATCH)
        rate = _RATE * 0.5 * (1 + math.cos(math.pi * step / _STEPS))
        for number, gradient in enumerate(gradients):
            first[number] += (1 - _BETAS[0]) * (gradient - first[number])
            second[number] += (1 - _BETAS[1]) * (gradient**2 - second[number])
            corrected = first[number] / (1 - _BETAS[0] ** (step + 1))
            spread = np.sqrt(second[number] / (1 - _BETAS[1] ** (step + 1))) + _EPSILON
            kept = 1 - rate * decay if weights[number].ndim == 2 else 1
            weights[number] = kept * weights[number] - rate * corrected / spread
    return weights


def _gradients(
    weights: Sequence[Float], x: Float, labels: npt.NDArray[np.integer], row_weights: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], ...]:
    hidden_kernel, hidden_bias, kernel, bias = weights
    hidden = np.maximum(x @ hidden_kernel + hidden_bias, 0)
    scores = hidden @ kernel + bias
    if are_tags(labels):
        residual = tag_probabilities(scores) - labels
    else:
        residual = np.exp(scores - scores.max(axis=1, keepdims=True))
        residual /= residual.sum(axis=1, keepdims=True)
        residual[np.arange(len(labels)), labels] -= 1
    residual = (residual * row_weights[:, None]).astype(np.float32)
    back = (residual @ kernel.T) * (hidden > 0)
    return x.T @ back, back.sum(axis=0), hidden.T @ residual, residual.sum(axis=0)
