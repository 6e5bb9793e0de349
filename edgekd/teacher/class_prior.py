"""The classes' shares of photos without labels, estimated from a classifier's own answers by EM.

Source: Saerens, Latinne & Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities" (Neural
Computation 14, 2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_MOST_STEPS, _TOLERANCE = 1_000, 1e-6


@dataclass(frozen=True)
class EstimatedPrior:
    """Shares float64 [C] of the classes, estimated from ``photos`` answers in ``steps`` steps."""

    shares: npt.NDArray[np.float64]
    photos: int
    steps: int
    converged: bool


def estimate_prior(logits: npt.NDArray[np.floating]) -> EstimatedPrior:
    """Shares of the classes among the photos whose logits [N, C] assume that all are equally frequent.

    Each step is the mean of the probabilities under the shares so far. One photo more of each class is counted
    (Laplace's rule), so that none becomes impossible. Logits that are surer than they are right pull the shares apart.
    """
    count, classes = logits.shape
    rows = np.asarray(logits, np.float64)
    likelihoods = np.exp(rows - rows.max(axis=1, keepdims=True))
    shares = np.full(classes, 1 / classes)
    for step in range(1, _MOST_STEPS + 1):
        weighted = likelihoods * shares
        weighted /= weighted.sum(axis=1, keepdims=True)
        new = (weighted.sum(axis=0) + 1) / (count + classes)
        change, shares = float(np.abs(new - shares).max()), new
        if change < _TOLERANCE:
            return EstimatedPrior(shares, count, step, True)
    return EstimatedPrior(shares, count, _MOST_STEPS, False)
