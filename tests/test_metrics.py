from __future__ import annotations

import math

import numpy as np
import pytest

from edgekd.errors import UsageError
from edgekd.metrics import (
    Agreement,
    accuracy,
    agreement,
    agreement_of_probabilities,
    balanced_accuracy,
    binomial_p,
    confusion,
    loss_p,
    mcnemar_p,
    paired_changes,
    same_answers,
    wilson,
)


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
    interval = balanced_accuracy(truth, predicted)
    half = 1.96 * math.sqrt(0.8 * 0.2 / 400)
    assert interval.low == pytest.approx(0.8 - half, abs=0.004)
    assert interval.high == pytest.approx(0.8 + half, abs=0.004)


def test_balanced_interval_is_not_a_point_when_all_are_right() -> None:
    interval = balanced_accuracy([0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1])
    assert interval.value == interval.high == 1.0
    assert interval.low < 0.9


def test_balanced_interval_of_a_worked_example() -> None:
    # 24 of 24 twice: the likeliest shares of mean p are p and p, their mean's variance p (1 - p) / 23 / 2, so the bound
    # solves (1 - p)^2 = z2 p (1 - p) / 46: p = 46 / (46 + z2).
    interval = balanced_accuracy([0] * 24 + [1] * 24, [0] * 24 + [1] * 24)
    assert interval.low == pytest.approx(46 / (46 + 1.959964**2), abs=1e-6)
    assert (interval.value, interval.high) == (1.0, 1.0)


def test_balanced_interval_is_the_same_for_right_and_wrong() -> None:
    truth = np.repeat([0, 1, 2], [134, 226, 11])
    right = np.concatenate([np.arange(134) < 120, np.arange(226) < 220, np.arange(11) < 8])
    one = balanced_accuracy(truth, np.where(right, truth, 9))
    other = balanced_accuracy(truth, np.where(right, 9, truth))
    assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low), abs=1e-9)


def test_balanced_interval_of_many_small_classes_has_room_on_both_sides() -> None:
    # 30 classes of 8, 12 photos wrong, each of another class: 95 %.
    truth = np.repeat(np.arange(30), 8)
    predicted = truth.copy()
    predicted[:96:8] = 99
    interval = balanced_accuracy(truth, predicted)
    assert interval.value == pytest.approx(0.95)
    assert interval.low == pytest.approx(0.912, abs=0.005)
    assert interval.high == pytest.approx(0.972, abs=0.005)


@pytest.mark.parametrize("photos", [(24, 24), (134, 226, 11), (8,) * 30], ids=["2x24", "134+226+11", "30x8"])
@pytest.mark.parametrize("share", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("spread", [1.0, 4.0], ids=["alike", "last class 4x as often wrong"])
def test_balanced_interval_covers_the_truth(photos: tuple[int, ...], share: float, spread: float) -> None:
    wrong = np.ones(len(photos))
    wrong[-max(1, len(photos) // 3) :] = spread
    recalls = 1 - np.minimum((1 - share) * wrong / wrong.mean(), 0.9)
    generator = np.random.default_rng(0)
    truth = np.repeat(np.arange(len(photos)), photos)
    seen: dict[tuple[int, ...], bool] = {}
    covered = 0
    for _ in range(400):
        right = generator.binomial(photos, recalls)
        key = tuple(sorted(right)) if len(set(photos)) == 1 else tuple(right)
        if key not in seen:
            predicted = np.concatenate(
                [np.where(np.arange(n) < k, c, 99) for c, (k, n) in enumerate(zip(right, photos, strict=True))]
            )
            interval = balanced_accuracy(truth, predicted)
            seen[key] = interval.low - 1e-9 <= recalls.mean() <= interval.high + 1e-9
        covered += seen[key]
    # 95 % less what counts of few photos cannot avoid (Wilson's interval of 48 photos covers 92 % at 0.99), and noise.
    assert 0.90 <= covered / 400 <= 0.995


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


def test_near_ties_are_the_same_answer() -> None:
    first = np.array([[0.5, 0.5, 0.0], [0.6, 0.4, 0.0], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    second = np.array([[0.1, 0.9, 0.0], [0.499, 0.501, 0.0], [0.5, 0.3, 0.2], [0.1, 0.8, 0.1]])
    # A tie of the first, a near tie of the second, a disagreement, the same class.
    assert same_answers(first, second, 1 / 256).tolist() == [True, True, False, True]
    assert same_answers(first, second).tolist() == [False, False, False, True]
    assert agreement_of_probabilities(first, second, 1 / 256) == Agreement(0.75, 1, 4, 2)


def test_a_loss_is_judged_by_the_photos_that_changed() -> None:
    truth = [0] * 20
    reference, other = [0] * 20, [1] * 5 + [0] * 15
    assert paired_changes(truth, reference, other) == (5, 0)
    # One side of a fair coin, five times: 1/32.
    assert loss_p(truth, reference, other) == pytest.approx(1 / 32)
    assert loss_p(truth, other, reference) == 1.0
    assert loss_p(truth, reference, reference) == 1.0
