"""The interval of a ratio: what it covers, what it ignores, and that estimate and interval are one statistic."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgekd.bench.ratio import (
    MOST_LAUNCHES,
    independent_estimate,
    independent_ratio,
    launches_needed,
    paired_estimate,
    paired_ratio,
    student_t,
)
from edgekd.metrics import Interval


# Of R's qt(0.975, df).
@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062047), (2, 4.3026527), (4, 2.7764451), (18, 2.1009220), (200, 1.9718962)]
)
def test_students_quantiles(freedom: float, quantile: float) -> None:
    assert student_t(0.975, freedom) == pytest.approx(quantile, rel=1e-7)


def test_a_ratio_by_hand() -> None:
    """Logs 0, 1, 2, 3, 4, 5, 99 hundredths: trimmed to 1..5, winsorized to 1, 1, 2, 3, 4, 5, 5."""
    above = np.exp(np.array([3, 1, 99, 0, 2, 5, 4]) / 100)
    found = paired_ratio(above, np.ones(7))
    # The squares around 3 add up to 18; over 5 * 4, and t with 4 degrees of freedom.
    half = 2.7764451 * math.sqrt(18 / 20) / 100
    assert found is not None
    assert math.log(found.value) == pytest.approx(0.03)
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((0.03 - half, 0.03 + half))


def test_one_launch_gone_astray_decides_nothing() -> None:
    calm = np.array([1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0])
    astray = calm.copy()
    astray[4] = 50.0
    assert paired_ratio(astray, np.ones(7)) == paired_ratio(calm, np.ones(7))


def test_the_estimate_is_the_centre_of_the_interval() -> None:
    rng = np.random.default_rng(3)
    above, below = rng.lognormal(1, 0.1, 9), rng.lognormal(0, 0.1, 9)
    for ratio, estimate in (
        (paired_ratio(above, below), paired_estimate(above, below)),
        (independent_ratio(above, below[:7]), independent_estimate(above, below[:7])),
    ):
        assert ratio is not None
        assert ratio.value == pytest.approx(estimate)
        assert ratio.value == pytest.approx(math.sqrt(ratio.low * ratio.high))


def test_four_rounds_give_no_interval() -> None:
    assert paired_ratio(np.ones(4), np.ones(4)) is None and independent_ratio(np.ones(9), np.ones(4)) is None
    assert paired_estimate(np.array([2.0]), np.array([4.0])) == pytest.approx(0.5)


@pytest.mark.parametrize("launches", [7, 30])
@pytest.mark.parametrize("kind", ["normal", "heavy tails", "slow launches"])
def test_the_interval_covers_what_it_says(launches: int, kind: str) -> None:
    """The true ratio, 0.5, in 400 simulated measurements."""
    rng = np.random.default_rng(launches)

    def noise() -> np.ndarray:
        if kind == "normal":
            return rng.normal(0, 0.03, launches)
        if kind == "heavy tails":
            return 0.02 * rng.standard_t(2, launches)
        return rng.normal(0, 0.02, launches) + (rng.random(launches) < 0.1) * rng.exponential(0.3, launches)

    paired = independent = 0
    for _ in range(400):
        above, below, shared = noise(), noise(), rng.normal(0, 0.2, launches)
        found = paired_ratio(np.exp(above + shared), 2 * np.exp(below + shared))
        other = independent_ratio(np.exp(above), 2 * np.exp(below))
        assert found is not None and other is not None
        paired += found.low <= 0.5 <= found.high
        independent += other.low <= 0.5 <= other.high
    # Two standard errors of 400 under 95 %.
    assert 0.92 <= paired / 400 <= 1 and 0.92 <= independent / 400 <= 1


def test_more_launches_are_asked_for_where_more_scatter() -> None:
    few, many = (launches_needed(Interval(1.01, 1.01 / wide, 1.01 * wide), 7) for wide in (1.06, 1.2))
    assert 7 < few < 20 < many < 200
    assert launches_needed(Interval(1.02, 0.01, 100.0), 7) == MOST_LAUNCHES
