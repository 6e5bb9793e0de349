"""The power law through rehearsed scores: what it recovers, what it forecasts and how often its interval holds."""

from __future__ import annotations

import numpy as np
import pytest

from edgekd.audit.learning_curve import gain_of_all
from edgekd.audit.power_law import fit_power_law
from edgekd.audit.rehearsal import Rehearsal, Scenario

FRACTIONS = np.array([0.25, 0.35, 0.5, 0.71, 1.0])
SIZES = 0.8 * FRACTIONS


def rehearsal_of(errors: np.ndarray, deviation: float, draw: float = 0.0) -> Rehearsal:
    """A rehearsal of all classes whose scores share most of their noise, as paired ones do."""
    covariance = deviation**2 * (0.9 + 0.1 * np.eye(len(errors)))
    scenarios = tuple(Scenario(float(fraction)) for fraction in FRACTIONS)
    return Rehearsal(scenarios, SIZES, np.ones(len(SIZES)), 1 - errors, covariance, draw, draw)


@pytest.mark.parametrize(("floor", "slope", "exponent"), [(0.0, 0.2, 0.5), (0.02, 0.1, 0.8), (0.0, 0.05, 0.35)])
def test_a_law_that_is_seen_exactly_is_carried_on(floor: float, slope: float, exponent: float) -> None:
    errors = floor + slope * SIZES**-exponent
    posterior = fit_power_law(rehearsal_of(errors, 1e-4), 3, 0)
    for ratio in (2.0, 4.0):
        gains = posterior.gains(ratio, np.random.default_rng(0))
        assert gains.mean() == pytest.approx(slope * (1 - ratio**-exponent), abs=0.012)


def test_the_interval_of_noisy_scores_holds_what_comes_about_as_often_as_it_says() -> None:
    rng, holding, cases = np.random.default_rng(1), 0, 60
    for seed in range(cases):
        exponent, slope, ratio = rng.choice([0.35, 0.5, 0.8]), rng.uniform(0.05, 0.25), rng.choice([2.0, 4.0])
        rehearsal = rehearsal_of(slope * SIZES**-exponent, 0.03, draw=2e-4)
        noise = rng.multivariate_normal(np.zeros(len(SIZES)), rehearsal.covariance)
        noisy = rehearsal_of(slope * SIZES**-exponent - noise, 0.03, draw=2e-4)
        truth = slope * (1 - ratio**-exponent) + rng.normal() * (2e-4 * (1 - 1 / ratio)) ** 0.5
        gain = gain_of_all(fit_power_law(noisy, 3, seed), noisy, ratio, np.random.default_rng(seed))
        holding += gain.low <= truth <= gain.high
    assert 0.65 * cases <= holding <= 0.98 * cases


def test_a_class_that_took_from_the_others_when_it_grew_is_not_promised_a_gain() -> None:
    errors = 0.2 * SIZES**-0.5
    scenarios = [Scenario(float(fraction)) for fraction in FRACTIONS]
    sizes, ratios, scores = list(SIZES), [1.0] * len(SIZES), list(1 - errors)
    for number, change in ((0, 0.03), (1, -0.04)):
        for fraction, ratio, sign in ((0.25, 4.0, 1), (0.5, 2.0, 1), (1.0, 0.5, -1)):
            scenarios.append(Scenario(fraction, number, ratio))
            place = FRACTIONS.tolist().index(fraction)
            sizes.append(SIZES[place])
            ratios.append(ratio)
            scores.append(scores[place] + sign * change)
    rehearsal = Rehearsal(
        tuple(scenarios), np.array(sizes), np.array(ratios), np.array(scores), 1e-6 * np.eye(len(sizes)), 0.0, 0.0
    )
    posterior, rng = fit_power_law(rehearsal, 2, 0), np.random.default_rng(0)
    helps, harms = (posterior.gains_of_class(place, 2.0, rng).mean() for place in range(2))
    assert helps > 0.005
    assert harms < -0.005
