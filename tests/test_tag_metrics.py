"""Average precision, F1 and exact match of tags: by hand, by their definitions, and how often intervals hold."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.errors import UsageError
from edgekd.metrics import wilson
from edgekd.tag_metrics import (
    agreement_of_tags,
    average_precision,
    decide_tags,
    exact_match,
    f1_by_tag,
    f1_scores,
    macro_f1,
    mean_average_precision,
    paired_tag_gain,
    same_tags,
    tag_counts,
    tag_score,
    tag_value,
)


def column(*values: float) -> NDArray[np.float64]:
    return np.array(values)[:, None]


def photos(
    count: int, tags: int, distance: float, seed: int, shared: float = 0.0
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Tags of a third of the photos each, and probabilities that tell them apart by ``distance`` spreads."""
    rng = np.random.default_rng(seed)
    truth = rng.random((count, tags)) < 1 / 3
    logits = (2 * truth - 1) * distance + rng.normal(size=(count, tags)) + shared * rng.normal(size=(count, 1))
    return truth.astype(np.int8), 1 / (1 + np.exp(-logits))


def test_average_precision_of_worked_examples() -> None:
    # Ranks 1, 3 and 4 of five have the tag: (1 + 2/3 + 3/4) / 3.
    truth, scores = column(1, 0, 1, 1, 0).astype(int), column(0.9, 0.8, 0.7, 0.6, 0.1)
    assert average_precision(truth, scores)[0] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    # The example of scikit-learn's page, whose answer is 0.83.
    assert average_precision(column(0, 0, 1, 1).astype(int), column(0.1, 0.4, 0.35, 0.8))[0] == pytest.approx(5 / 6)


def test_photos_of_one_probability_are_one_step() -> None:
    # Whatever their order, half of the first two have the tag: 1/2 * 1/2 + 1/2 * 2/3.
    for truth in ((1, 0, 1), (0, 1, 1)):
        assert average_precision(column(*truth).astype(int), column(0.8, 0.8, 0.3))[0] == pytest.approx(7 / 12)
    # A constant answer has the share of photos with the tag.
    assert average_precision(column(1, 0, 0, 1, 0).astype(int), column(*[0.5] * 5))[0] == pytest.approx(0.4)


def test_average_precision_is_the_sum_of_its_definition() -> None:
    truth, scores = photos(120, 3, 0.7, 5)
    scores = np.round(scores, 1)
    for tag in range(3):
        total, recall = 0.0, 0.0
        for level in np.unique(scores[:, tag])[::-1]:
            chosen = scores[:, tag] >= level
            reached = (truth[chosen, tag].sum()) / truth[:, tag].sum()
            total, recall = total + (reached - recall) * truth[chosen, tag].mean(), reached
        assert average_precision(truth, scores)[tag] == pytest.approx(total)


def test_f1_of_a_worked_example() -> None:
    truth = np.array([[1, 1], [1, 0], [0, 0], [1, 0]], np.int8)
    predicted = np.array([[1, 0], [1, 1], [1, 0], [0, 0]], bool)
    # Of the first tag 2 hits, 1 too many, 1 missed; of the second no hit.
    assert f1_scores(truth, predicted).tolist() == [4 / 6, 0.0]
    assert tag_counts(truth, predicted).tolist() == [[2, 1, 1, 0], [0, 1, 1, 2]]
    assert macro_f1(truth, predicted).value == pytest.approx(1 / 3)
    assert exact_match(truth, predicted) == wilson(0, 4)
    assert exact_match(truth[1:2], truth[1:2].astype(bool)) == wilson(1, 1)
    first, second = f1_by_tag(truth, predicted)
    # Of the 4 photos that have the first tag or get it, 2 are hits: J = 1/2, F1 = 2 J / (1 + J).
    share = wilson(2, 4)
    assert first is not None
    assert second is not None
    assert (first.low, first.high) == (2 * share.low / (1 + share.low), 2 * share.high / (1 + share.high))
    assert second.low == 0 < second.high


def test_a_tag_that_no_photo_has_is_left_out_of_means() -> None:
    truth, scores = np.array([[1, 0], [0, 0]], np.int8), np.array([[0.9, 0.7], [0.1, 0.2]])
    assert np.isnan(average_precision(truth, scores)).tolist() == [False, True]
    assert f1_by_tag(truth, scores >= 0.5)[1] is None
    assert (mean_average_precision(truth, scores).value, macro_f1(truth, scores >= 0.5).value) == (1.0, 1.0)
    for judge in (mean_average_precision, lambda t, p: macro_f1(t, p >= 0.5), lambda t, p: tag_value("macro_f1", t, p)):
        with pytest.raises(UsageError, match="no photo has any of the tags"):
            judge(np.zeros_like(truth), scores)


def test_photos_without_labels_and_other_shapes_are_refused() -> None:
    with pytest.raises(UsageError, match="no labels"):
        average_precision(np.array([[1, 0], [-1, -1]]), np.zeros((2, 2)))
    for truth, scores in (((2, 2), (2, 3)), ((0, 2), (0, 2)), ((2,), (2,))):
        with pytest.raises(UsageError, match="at least one photo"):
            mean_average_precision(np.zeros(truth, int), np.zeros(scores))


def test_scores_by_name_and_by_thresholds() -> None:
    truth, scores = photos(80, 3, 1.0, 2)
    assert tag_score("mean_average_precision", truth, scores) == mean_average_precision(truth, scores)
    thresholds = (0.2, 0.5, 0.8)
    assert tag_score("macro_f1", truth, scores, thresholds) == macro_f1(truth, scores >= np.array(thresholds))
    for metric in ("mean_average_precision", "macro_f1"):
        assert tag_value(metric, truth, scores, thresholds) == tag_score(metric, truth, scores, thresholds).value
    # A threshold counts as reached, whatever the number's width.
    assert decide_tags(np.array([[0.5, 0.1]], np.float32), (0.5, 0.1)).tolist() == [[True, True]]


def test_all_right_on_few_photos_leaves_doubt() -> None:
    truth = np.array([[1, 0], [0, 1]] * 10, np.int8)
    for interval in (mean_average_precision(truth, truth * 0.9), macro_f1(truth, truth.astype(bool))):
        assert interval.value == interval.high == 1.0
        assert 0.75 < interval.low < 0.95


@pytest.mark.parametrize(("count", "distance", "shared"), [(60, 1.5, 0.0), (150, 1.0, 1.0)])
def test_intervals_hold_what_is_true(count: int, distance: float, shared: float) -> None:
    truth, scores = photos(100_000, 4, distance, 0, shared)
    meant = [tag_value(metric, truth, scores) for metric in ("mean_average_precision", "macro_f1")]
    inside, trials = np.zeros(2), 40
    for trial in range(trials):
        truth, scores = photos(count, 4, distance, trial + 1, shared)
        found = (mean_average_precision(truth, scores), macro_f1(truth, scores >= 0.5))
        inside += [interval.low <= value <= interval.high for interval, value in zip(found, meant, strict=True)]
    # 95 % of 40 are 38; fewer than 34 have a chance of 1 %.
    assert (inside >= 34).all(), inside


def test_a_gain_is_judged_on_the_same_photos() -> None:
    truth, scores = photos(200, 3, 1.0, 7)
    noisy = np.clip(scores + np.random.default_rng(0).normal(scale=0.4, size=scores.shape), 0, 1)
    for metric in ("mean_average_precision", "macro_f1"):
        gain = paired_tag_gain(metric, truth, noisy, scores)
        assert gain.value == pytest.approx(tag_value(metric, truth, scores) - tag_value(metric, truth, noisy))
        assert 0 < gain.low < gain.value < gain.high
        loss = paired_tag_gain(metric, truth, scores, noisy)
        assert loss.value == pytest.approx(-gain.value)
        assert paired_tag_gain(metric, truth, scores, scores) == type(gain)(0.0, 0.0, 0.0)
    both = paired_tag_gain("macro_f1", truth, scores, scores, 0.5, 0.9)
    assert both.value == pytest.approx(tag_value("macro_f1", truth, scores, 0.9) - tag_value("macro_f1", truth, scores))


def test_decisions_that_rounding_explains_are_the_same() -> None:
    ours, theirs = np.array([[0.499, 0.9], [0.1, 0.2]]), np.array([[0.501, 0.9], [0.9, 0.2]])
    assert same_tags(ours, theirs).tolist() == [[False, True], [False, True]]
    assert same_tags(ours, theirs, 1 / 256).tolist() == [[True, True], [False, True]]
    agreement = agreement_of_tags(ours, theirs, 1 / 256)
    assert (agreement.value, agreement.differing, agreement.n, agreement.near_ties) == (0.75, 1, 4, 1)
    assert agreement_of_tags(ours, theirs, 0.0, (0.05, 0.5)).value == 1.0
