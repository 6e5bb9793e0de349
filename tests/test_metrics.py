from __future__ import annotations

import math

import numpy as np
import pytest

from edgekd.errors import UsageError
from edgekd.metrics import accuracy, agreement, balanced_accuracy, binomial_p, confusion, mcnemar_p, wilson


def test_wilson_interval_of_a_worked_example() -> None:
    # 8 of 10: centre (0.8 + z2/20) / (1 + z2/10) = 0.71674, half-width 0.22658.
    interval = wilson(8, 10)
    assert interval.value == 0.8
    assert interval.low == pytest.approx(0.4901625, abs=1e-6)
    assert interval.high == pytest.approx(0.9433178, abs=1e-6)


def test_wilson_interval_reaches_zero_and_one_exactly() -> None:
    assert (wilson(0, 7).low, wilson(7, 7).high) == (0.0, 1.0)
    # All right: the bound is n / (n + z2).
    assert wilson(7, 7).low == pytest.approx(7 / (7 + 1.959964**2), abs=1e-6)


def test_accuracy_counts_right_answers() -> None:
    assert accuracy([0, 1, 2, 2], [0, 1, 2, 1]).value == 0.75


@pytest.mark.parametrize(("truth", "predicted"), [([], []), ([0, 1], [0]), ([[0]], [[0]])])
def test_lists_that_do_not_pair_are_refused(truth: list[int], predicted: list[int]) -> None:
    with pytest.raises(UsageError, match="one length above 0"):
        accuracy(truth, predicted)


def test_balanced_accuracy_weighs_classes_alike() -> None:
    truth, predicted = [0] * 8 + [1] * 2, [0] * 8 + [1, 0]
    interval = balanced_accuracy(truth, predicted)
    assert interval.value == 0.75
    assert interval.low < 0.75 < interval.high
    assert interval == balanced_accuracy(truth, predicted)


def test_balanced_interval_of_one_class_is_near_the_binomial_one() -> None:
    truth = np.zeros(400, int)
    predicted = np.where(np.arange(400) < 320, 0, 1)
    interval = balanced_accuracy(truth, predicted, resamples=20000)
    half = 1.96 * math.sqrt(0.8 * 0.2 / 400)
    assert interval.low == pytest.approx(0.8 - half, abs=0.004)
    assert interval.high == pytest.approx(0.8 + half, abs=0.004)


def test_balanced_interval_is_not_a_point_when_all_are_right() -> None:
    interval = balanced_accuracy([0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1])
    assert interval.value == interval.high == 1.0
    assert interval.low < 0.9


def test_confusion_has_truth_in_rows() -> None:
    assert confusion([0, 0, 1, 2], [0, 2, 1, 1], 3).tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]
    with pytest.raises(UsageError, match="the class 3, with 3 classes"):
        confusion([0, 3], [0, 0], 3)


def test_agreement_counts_differences() -> None:
    same = agreement([0, 1, 2, 2], [0, 1, 1, 2])
    assert (same.value, same.differing, same.n) == (0.75, 1, 4)


def test_mcnemar_of_a_worked_example() -> None:
    # Only the first is right on 1 photo, only the second on 6: 2 * (C(7,6) + C(7,7)) / 2^7 = 16 / 128.
    truth = [1] * 10
    first = [1] + [0] * 6 + [1, 1, 0]
    second = [0] + [1] * 6 + [1, 1, 0]
    assert mcnemar_p(truth, first, second) == pytest.approx(0.125, abs=1e-12)
    assert mcnemar_p(truth, first, first) == 1.0


def test_binomial_of_worked_examples() -> None:
    assert binomial_p(3, 3, 0.5) == pytest.approx(1 / 8, abs=1e-12)
    # 2 or 3 heads of 3: 3/8 + 1/8.
    assert binomial_p(2, 3, 0.5) == pytest.approx(0.5, abs=1e-12)
    assert binomial_p(1, 2, 1 / 3) == pytest.approx(5 / 9, abs=1e-12)
    assert (binomial_p(0, 5, 0.1), binomial_p(2, 5, 0.0), binomial_p(5, 5, 1.0)) == (1.0, 0.0, 1.0)
    # Far tails stay numbers: 0.9^2000 underflows nothing.
    assert binomial_p(2000, 2000, 0.9) == pytest.approx(0.9**2000, rel=1e-9)
    with pytest.raises(UsageError, match="0 <= successes <= n"):
        binomial_p(4, 3, 0.5)
