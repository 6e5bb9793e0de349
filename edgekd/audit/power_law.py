"""From rehearsed scores to a forecast: a power law of the error, averaged over what the photos leave open.

With a share ``s`` of today's labels the error is ``a + b s^-c``. A class that alone has ``2^L`` times as many photos
brings ``s^-c (u L - v s^-d L^2)``. Were classes independent, ``u`` of all of them would add up to what all bring; ``v``
is what a class takes from the others by outnumbering them, which matters less the more photos there are. Classes are
taken to be alike as far as their numbers say so. All is linear but the exponents and the unlikeness of the classes:
these are averaged over by their likelihood (a Bayesian linear model at each of a few values).

Source: J. Hestness et al., arXiv:1712.00409, of power laws; A. Gelman et al., Bayesian Data Analysis, chapter 5, of
parameters that are alike.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekd.audit.rehearsal import Rehearsal

Floats = npt.NDArray[np.float64]

# Exponents of learning curves that have been published lie around a half; a parametric model ends at 1.
_EXPONENTS = (0.15, 0.25, 0.35, 0.5, 0.65, 0.8, 1.0, 1.25, 1.5)
_EXPONENT_MEDIAN, _EXPONENT_SPREAD = 0.6, 0.5
_CROWDING_EXPONENTS = (0.25, 0.5, 0.75, 1.0)
# Standard deviations of what one class adds by doubling, among the classes.
_UNLIKENESS = (0.002, 0.006, 0.012, 0.024)
# How far curves are off a power law, as a share of the error an octave (squared) from today's size.
_MISFIT, _LEAST_MISFIT = 0.02, 0.002
_ERROR_PRIOR = 0.4
# How much of today's error no label will take away: little, as a rule, where labels are few.
_FLOOR_PRIOR = 0.5
# What a class takes from the others by doubling, over what all bring by doubling, and how well that is known.
_CROWDING, _CROWDING_SPREAD = 0.1, 0.005
_DRAWS = 2000
# Draws that are looked at for one whose parameters are possible.
_TRIES = 8


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws of the curve's parameters [K]: floor, slope, exponent; and of each class's two terms [K, Q]."""

    floor: Floats
    slope: Floats
    exponent: Floats
    linear: Floats
    crowding: Floats

    def errors(self, size: float) -> Floats:
        """The error [K] with that share of today's labels."""
        return np.asarray(self.floor + self.slope * size**-self.exponent)

    def gains(self, ratio: float, rng: np.random.Generator) -> Floats:
        """What ``ratio`` times as many labels of all classes bring [K]."""
        now = self.errors(1.0)
        return np.asarray(now - self.errors(ratio) + self._misfits(now, ratio, rng))

    def gains_of_class(self, place: int, ratio: float, rng: np.random.Generator) -> Floats:
        """What ``ratio`` times as many photos of one class bring [K]; ``place`` is its place among those rehearsed."""
        octaves = np.log2(ratio)
        gains = self.linear[:, place] * octaves - self.crowding[:, place] * octaves**2
        # A class alone moves the error by its part.
        part = self._misfits(self.errors(1.0), ratio, rng) / np.sqrt(self.linear.shape[1])
        return np.asarray(gains + part)

    def _misfits(self, errors: Floats, ratio: float, rng: np.random.Generator) -> Floats:
        return np.asarray(rng.normal(size=len(errors)) * errors * _misfit(ratio))


def _misfit(size: Floats | float) -> Floats:
    return np.asarray(_LEAST_MISFIT + _MISFIT * np.log2(size) ** 2)


def fit_power_law(rehearsal: Rehearsal, all_classes: int, seed: int) -> Posterior:
    """The posterior of the curve of ``all_classes`` classes by the rehearsed scores.

    The curve and its exponent are those of the parts of all classes alone: what one class brings is described more
    roughly, and takes no part in it.
    """
    rng = np.random.default_rng(seed)
    floor = _FLOOR_PRIOR * max(1 - float(rehearsal.scores.max()), 0.01)
    of_all = rehearsal.of_all()
    curves = [_solve(of_all, [], _prior(0, all_classes, each, 0.0, floor), each, 0.0) for each in _EXPONENTS]
    priors = [-0.5 * (np.log(each / _EXPONENT_MEDIAN) / _EXPONENT_SPREAD) ** 2 for each in _EXPONENTS]
    counts = _share_out(rng, np.array([curve.evidence for curve in curves]) + priors, _DRAWS)
    parts = [
        np.column_stack([
            _draw(rng, curve, count), np.full(count, exponent),
            _draw_classes(rng, rehearsal, all_classes, exponent, floor, count),
        ])
        for curve, exponent, count in zip(curves, _EXPONENTS, counts, strict=True)
        if count
    ]  # fmt: skip
    table = np.concatenate(parts)
    number = (table.shape[1] - 3) // 2
    return Posterior(table[:, 0], table[:, 1], table[:, 2], table[:, 3 : 3 + number], table[:, 3 + number :])


def _draw_classes(
    rng: np.random.Generator, rehearsal: Rehearsal, all_classes: int, exponent: float, floor: float, count: int
) -> Floats:
    """Draws of what single classes bring [count, 2 Q], at one exponent of the curve."""
    classes = sorted({each.more for each in rehearsal.scenarios if each.more is not None})
    if not classes:
        return np.zeros((count, 0))
    solved = [
        _solve(rehearsal, classes, _prior(len(classes), all_classes, exponent, unlike, floor), exponent, crowding)
        for crowding, unlike in itertools.product(_CROWDING_EXPONENTS, _UNLIKENESS)
    ]
    counts = _share_out(rng, np.array([each.evidence for each in solved]), count)
    return np.concatenate([_draw(rng, each, number) for each, number in zip(solved, counts, strict=True)])[:, 2:]


def _share_out(rng: np.random.Generator, evidence: Floats, count: int) -> list[int]:
    """``count`` draws among models by the logarithms of their evidence."""
    weights = np.exp(evidence - evidence.max())
    return [int(each) for each in rng.multinomial(count, weights / weights.sum())]


def _design(rehearsal: Rehearsal, classes: list[int], exponent: float, crowding: float) -> Floats:
    """Rows [S, 2 + 2 Q] by which parameters make the error of each part."""
    decay = rehearsal.sizes**-exponent
    octaves = np.log2(rehearsal.ratios)
    of_class = np.array([[each.more == number for number in classes] for each in rehearsal.scenarios], np.float64)
    of_class = of_class.reshape(len(decay), len(classes))
    linear = (decay * octaves)[:, None] * of_class
    bent = (decay * rehearsal.sizes**-crowding * octaves**2)[:, None] * of_class
    return np.column_stack([np.ones_like(decay), decay, -linear, bent])


def _prior(classes: int, all_classes: int, exponent: float, unlike: float, floor: float) -> Floats:
    """The prior covariance [2 + 2 Q] of the parameters, whose means are 0.

    What a class brings is its part of what all bring by doubling, and its own; crowding likewise, and a common part.
    """
    doubling = 1 - 2**-exponent
    # Each parameter as a sum of independent ones: floor, slope, common crowding, and two of each class.
    mix = np.zeros((2 + 2 * classes, 3 + 2 * classes))
    mix[0, 0], mix[1, 1] = floor, _ERROR_PRIOR
    linear, crowding = slice(2, 2 + classes), slice(2 + classes, 2 + 2 * classes)
    mix[linear, 1] = _ERROR_PRIOR * doubling / all_classes
    mix[crowding, 1] = _ERROR_PRIOR * doubling * _CROWDING
    mix[crowding, 2] = _CROWDING_SPREAD
    mix[linear, 3 : 3 + classes] = unlike * np.eye(classes)
    mix[crowding, 3 + classes :] = unlike / 2 * np.eye(classes)
    return mix @ mix.T


@dataclass(frozen=True, eq=False)
class _Solution:
    """A linear model's parameters, floor and slope first: mean [P], covariance [P, P], logarithm of the evidence."""

    mean: Floats
    spread: Floats
    evidence: float


def _solve(rehearsal: Rehearsal, classes: list[int], prior: Floats, exponent: float, crowding: float) -> _Solution:
    design, errors = _design(rehearsal, classes, exponent, crowding), 1 - rehearsal.scores
    noise = rehearsal.covariance + np.diag((_misfit(rehearsal.sizes) * errors + _LEAST_MISFIT) ** 2)
    total = noise + design @ prior @ design.T
    factor = np.linalg.cholesky(total)
    whitened = np.linalg.solve(factor, errors)
    evidence = -0.5 * float(whitened @ whitened) - float(np.log(np.diag(factor)).sum())
    gain = np.linalg.solve(total, design @ prior).T
    spread = prior - gain @ design @ prior
    return _Solution(gain @ errors, (spread + spread.T) / 2, evidence)


def _draw(rng: np.random.Generator, solution: _Solution, count: int) -> Floats:
    """``count`` draws whose floor and slope are not negative."""
    mean = solution.mean
    draws = rng.multivariate_normal(
        mean, solution.spread + 1e-14 * np.eye(len(mean)), size=_TRIES * count, method="eigh"
    )
    possible = draws[(draws[:, 0] >= 0) & (draws[:, 1] >= 0)]
    if len(possible) < count:
        # So far in the tail that the bound itself is the likeliest.
        bounds = [0, 0, *[-np.inf] * (len(mean) - 2)]
        possible = np.concatenate([possible, np.maximum(draws, bounds)])
    return possible[:count]
