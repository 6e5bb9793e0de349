"""One set of functions judges labels and tags: with labels the ones of ``metrics``, with tags their own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import rankdata

from edgekd import metrics, scoring
from edgekd.tag_metrics import agreement_of_tags, mean_average_precision, paired_tag_gain, tag_value
from edgekd.tag_randomization import ChangeP, change_p


def test_labels_are_judged_as_ever() -> None:
    rng = np.random.default_rng(0)
    truth, first, second = (rng.integers(0, 3, 90) for _ in range(3))
    assert scoring.score("accuracy", truth, first) == metrics.accuracy(truth, first)
    assert scoring.score("balanced_accuracy", truth, first) == metrics.balanced_accuracy(truth, first)
    for metric in ("accuracy", "balanced_accuracy"):
        balanced = metric == "balanced_accuracy"
        assert scoring.gain(metric, truth, first, second) == metrics.paired_gain(
            truth, first, second, balanced=balanced
        )
        assert scoring.loss_p(metric, truth, first, second) == metrics.loss_p(truth, first, second)
        assert scoring.difference_p(metric, truth, first, second) == metrics.mcnemar_p(truth, first, second)
    assert scoring.changes(truth, first, second) == metrics.paired_changes(truth, first, second)
    rows = rng.random((90, 3))
    assert scoring.answers_of(rows, "single-label").tolist() == rows.argmax(axis=1).tolist()
    assert scoring.agreement(rows, rows[::-1], "single-label", 0.1) == metrics.agreement_of_probabilities(
        rows, rows[::-1], 0.1
    )
    assert scoring.task_of(truth) == "single-label"
    assert scoring.as_answers([0, 2], truth).dtype == np.int64


def test_tags_are_judged_by_their_own_metrics() -> None:
    rng = np.random.default_rng(1)
    truth, first, second = (rng.random((90, 3)) < 0.4).astype(np.int8), rng.random((90, 3)), rng.random((90, 3))
    assert scoring.score("mean_average_precision", truth, first) == mean_average_precision(truth, first)
    assert scoring.gain("macro_f1", truth, first, second, 0.3) == paired_tag_gain("macro_f1", truth, first, second, 0.3)
    assert scoring.answers_of(first, "multi-label").tolist() == first.tolist()
    assert scoring.agreement(first, second, "multi-label", 0.1, 0.4, 0.6) == agreement_of_tags(
        first, second, 0.1, 0.4, 0.6
    )
    right = ((first >= 0.5) == truth).all(axis=1), ((second >= 0.5) == truth).all(axis=1)
    assert scoring.changes(truth, first, second) == (
        int((right[0] & ~right[1]).sum()),
        int((right[1] & ~right[0]).sum()),
    )
    assert scoring.task_of(truth) == "multi-label"
    assert scoring.as_answers(first.tolist(), truth).dtype == np.float64


def swapped_gains(metric: str, truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> list[float]:
    """The gain of every way to swap the photos' answers, one by one."""
    gains = []
    for choice in itertools.product([False, True], repeat=len(truth)):
        flags = np.array(choice)[:, None]
        ours, theirs = np.where(flags, second, first), np.where(flags, first, second)
        gains.append(tag_value(metric, truth, theirs) - tag_value(metric, truth, ours))  # type: ignore[arg-type]
    return gains


@pytest.mark.parametrize("metric", ["mean_average_precision", "macro_f1"])
def test_the_test_counts_every_way_to_swap_few_photos(metric: str) -> None:
    rng = np.random.default_rng(3)
    truth = np.array([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0], [0, 1], [0, 0]], np.int8)
    # One decimal, so that there are ties.
    first, second = np.round(0.4 * truth + 0.5 * rng.random((7, 2)), 1), np.round(rng.random((7, 2)), 1)
    mixed = (first, second) if metric == "macro_f1" else (rankdata(first, axis=0), rankdata(second, axis=0))
    gains = swapped_gains(metric, truth, *mixed)
    found = change_p(metric, truth, first, second)  # type: ignore[arg-type]
    assert found.loss == pytest.approx(np.mean(np.array(gains) <= gains[0] + 1e-12))
    assert found.either == pytest.approx(np.mean(np.abs(gains) >= abs(gains[0]) - 1e-12))


def test_the_test_of_one_tag_that_is_lost_is_mcnemar_s() -> None:
    truth = np.ones((40, 1), np.int8)
    worse = np.where(np.arange(40) < 5, 0.0, 1.0)[:, None]
    assert change_p("macro_f1", truth, truth * 1.0, worse).loss == pytest.approx(1 / 32)
    assert change_p("macro_f1", truth, worse, worse).loss == 1.0


@pytest.mark.parametrize("metric", ["mean_average_precision", "macro_f1"])
def test_the_test_of_many_photos_draws_some_ways(metric: str) -> None:
    rng = np.random.default_rng(5)
    truth = (rng.random((150, 3)) < 0.4).astype(np.int8)
    good = np.clip(0.6 * truth + 0.5 * rng.random((150, 3)), 0, 1)
    bad = np.clip(0.3 * truth + 0.6 * rng.random((150, 3)), 0, 1)
    found, reverse = (change_p(metric, truth, *pair) for pair in ((good, bad), (bad, good)))  # type: ignore[arg-type]
    assert found.loss < 0.005 and found.either < 0.005
    assert reverse.loss == 1.0
    # What is no difference of order is none, whatever the scale of the probabilities.
    if metric == "mean_average_precision":
        assert change_p(metric, truth, good, good * 0.01) == ChangeP(1.0, 1.0)  # type: ignore[arg-type]
    # Two that differ by chance alone.
    noisy = [np.clip(good + rng.normal(scale=0.02, size=good.shape), 0, 1) for _ in range(2)]
    assert change_p(metric, truth, *noisy).either > 0.05  # type: ignore[arg-type]
