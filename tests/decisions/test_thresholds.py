from __future__ import annotations

import numpy as np
import pytest

from edgekd.decisions.fit import between_steps
from edgekd.decisions.rejection import certainty, choose_threshold, rejection_curve, separation, shares_at
from edgekd.decisions.thresholds import best_f1_thresholds


def test_the_threshold_lies_halfway_below_the_least_sure_photo_that_is_kept() -> None:
    own = np.arange(1, 21) / 20
    chosen = choose_threshold(own, 0.9)
    assert chosen.below == pytest.approx((0.10 + 0.15) / 2)
    assert chosen.kept.value == 0.9 and chosen.kept.low < 0.9 < chosen.kept.high
    # Equal photos are kept together, so that more than was asked for may be.
    assert choose_threshold(np.repeat([0.2, 0.3, 0.8], 10), 0.5).below == pytest.approx(0.25)


def test_what_the_none_class_takes_counts_as_lost() -> None:
    rows = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.3, 0.6, 0.1], [0.5, 0.3, 0.2]])
    sure = certainty(rows, 2)
    assert sure.tolist() == [0.7, -1.0, 0.6, 0.5]
    assert certainty(rows, None).tolist() == [0.7, 0.7, 0.6, 0.5]
    assert choose_threshold(sure, 0.75).below == pytest.approx(0.25)
    none = choose_threshold(sure, 0.95)
    assert none.below is None and "already takes more" in str(none.reason) and none.kept.value == 0.75


def test_no_photos_and_equal_photos_give_no_threshold() -> None:
    assert choose_threshold(np.zeros(0), 0.95).below is None
    assert "is less sure" in str(choose_threshold(np.full(30, 0.8), 0.95).reason)


def test_the_curve_goes_from_all_own_photos_to_half_of_them() -> None:
    random = np.random.default_rng(0)
    own, foreign = random.beta(8, 2, 400), random.beta(4, 4, 300)
    curve = rejection_curve(own, foreign)
    kept = [point["own_kept"]["value"] for point in curve]
    rejected = [point["foreign_rejected"]["value"] for point in curve]
    assert kept == sorted(kept, reverse=True) and kept[0] == 1.0 and kept[-1] == pytest.approx(0.5, abs=0.01)
    assert rejected == sorted(rejected) and rejected[-1] > 0.8
    assert shares_at(0.5, own, np.zeros(0))["foreign_rejected"] is None
    assert separation(np.array([0.5, 0.9]), np.array([0.1, 0.5])) == pytest.approx((1.5 + 2) / 4)
    assert separation(own, np.zeros(0)) is None


def test_a_tag_has_the_threshold_of_its_best_f1() -> None:
    scores = np.array([0.05, 0.1, 0.2, 0.3, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97])
    true = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    rare = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    found = best_f1_thresholds(np.stack([true, rare], axis=1), np.stack([scores, scores], axis=1))
    assert found.values[0] == pytest.approx(0.65) and found.shared == (1,)
    # One threshold for all of both tags' scores.
    assert 0.6 < found.values[1] < 0.95
    # None of a tag at all, and nothing that any tag could share.
    assert best_f1_thresholds(np.zeros((4, 1), np.int8), np.full((4, 1), 0.3)).values == (0.5,)


def test_thresholds_of_integer_files_lie_between_two_values_they_can_give() -> None:
    for value in (0.3, 0.5, 0.50390625, 0.999):
        between = between_steps(value, 1 / 256)
        assert (between * 256) % 1 == 0.5 and abs(between - value) <= 1 / 256
    assert between_steps(0.3, 0.0) == 0.3
