"""The temperature that makes scores as often right as they say: one number that divides the logits of a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A few more or less sure than a file can say; without a bound, photos that are all right ask for endless certainty.
_LOWEST, _HIGHEST = 0.1, 10.0
_FOLDS = 5
# Below this many validation photos one wrong answer more or less moves the temperature by a third.
FEW_PHOTOS = 50

Logits = NDArray[np.floating]
Truth = NDArray[np.integer]


@dataclass(frozen=True)
class Temperature:
    """What logits are divided by; 1 leaves them as they are, and ``reason`` then says why.

    ``loss_before`` and ``loss_after`` are negative log-likelihoods of validation photos that the temperature was not
    fitted on, by five folds.
    """

    value: float
    photos: int
    loss_before: float
    loss_after: float
    reason: str | None = None

    @property
    def note(self) -> str | None:
        """What to keep in mind: too few photos, or why nothing was changed."""
        if self.reason is not None:
            return self.reason
        few = f"fitted on {self.photos} validation photos, which are few: it may be off by a third"
        return few if self.photos < FEW_PHOTOS else None


def fit_temperature(logits: Logits, truth: Truth) -> Temperature:
    """Fit the temperature of logits [N, C] by the likelihood of labels [N] or, where they are tags, targets [N, C].

    It is used only where it makes the likelihood better on photos that it was not fitted on, and on all of them: so the
    validation loss never becomes worse. One photo that is wrong is added in thought (a target is never quite certain),
    without which photos that are all right would ask for endless certainty.

    Source: C. Guo et al., ICML 2017; the certain targets: J. Platt, 1999.
    """
    rows, true = np.asarray(logits, np.float64), np.asarray(truth)
    if len(rows) < 2 * _FOLDS:
        return Temperature(1.0, len(rows), 0.0, 0.0, f"not calibrated: {len(rows)} validation photos are too few")
    held = np.empty((len(rows), 2))
    folds = np.random.default_rng(0).permutation(len(rows)) % _FOLDS
    for fold in range(_FOLDS):
        inside, outside = folds != fold, folds == fold
        value = _fit(rows[inside], true[inside])
        held[outside, 0] = _losses(rows[outside], true[outside], 1.0)
        held[outside, 1] = _losses(rows[outside], true[outside], value)
    before, after = float(held[:, 0].mean()), float(held[:, 1].mean())
    value = _fit(rows, true)
    if after >= before or _losses(rows, true, value).mean() >= _losses(rows, true, 1.0).mean():
        reason = "not calibrated: no temperature makes validation photos likelier that it was not fitted on"
        return Temperature(1.0, len(rows), before, before, reason)
    return Temperature(value, len(rows), before, after)


def with_temperature(probabilities: NDArray[np.floating], temperature: float, *, tags: bool) -> NDArray[np.float32]:
    """What probabilities [N, C] become where the logits behind them are divided by ``temperature``."""
    rows = np.asarray(probabilities, np.float64)
    if temperature == 1.0:
        return rows.astype(np.float32)
    with np.errstate(divide="ignore"):
        likely = np.log(rows) / temperature
        # Two classes in each row: has the tag, and has it not.
        other = np.log1p(-rows) / temperature if tags else likely
    if tags:
        return np.asarray(1 / (1 + np.exp(np.clip(other - likely, -700, 700))), np.float32)
    powers = np.exp(likely - likely.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _fit(rows: NDArray[np.float64], true: Truth) -> float:
    from scipy.optimize import minimize_scalar

    bounds = (np.log(_LOWEST), np.log(_HIGHEST))
    found = minimize_scalar(lambda log: _smoothed_loss(rows, true, float(np.exp(log))), bounds=bounds, method="bounded")
    return float(np.exp(found.x))


def _smoothed_loss(rows: NDArray[np.float64], true: Truth, temperature: float) -> float:
    """The mean loss where one photo more, spread evenly over the classes, counts with the others."""
    scaled = rows / temperature
    if true.ndim == 2:
        even = 0.5 * (np.logaddexp(0, -scaled) + np.logaddexp(0, scaled)).mean(axis=1)
    else:
        even = -_log_softmax(scaled).mean(axis=1)
    count = len(rows)
    return float((_losses(rows, true, temperature).sum() + even.mean()) / (count + 1))


def _losses(rows: NDArray[np.float64], true: Truth, temperature: float) -> NDArray[np.float64]:
    """The negative log-likelihood of each photo; of tags, the mean over them."""
    scaled = rows / temperature
    if true.ndim == 2:
        return np.asarray(np.logaddexp(0, np.where(true == 1, -scaled, scaled)).mean(axis=1))
    return np.asarray(-_log_softmax(scaled)[np.arange(len(rows)), true])


def _log_softmax(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = rows - rows.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
