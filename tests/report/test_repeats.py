"""Means, pairing, agreement and the recovered gap, by hand and against what is known of their spread."""

from __future__ import annotations

import numpy as np
import pytest

from edgekd.report.repeats import repeats

TRUTH = [0] * 100


def answers(right: int, n: int = 100) -> list[int]:
    return [0] * right + [1] * (n - right)


def test_three_seeds_by_hand() -> None:
    without, taught = [answers(k) for k in (60, 64, 62)], [answers(k) for k in (80, 78, 82)]
    found = repeats(TRUTH, answers(90), without, taught, seeds=[4, 5, 6], metric="accuracy")
    assert [(row.seed, row.without, row.taught) for row in found.rows][1] == (
        5,
        pytest.approx(0.64),
        pytest.approx(0.78),
    )
    assert found.without is not None and found.gain is not None and found.recovered_interval is not None
    assert (found.without.value, found.taught.value) == (pytest.approx(0.62), pytest.approx(0.8))
    assert found.gain.value == pytest.approx(0.18) and 0.08 < found.gain.low < 0.15
    # 0.18 of the 0.28 that the teacher is ahead.
    assert found.recovered == pytest.approx(0.18 / 0.28)
    assert found.recovered_interval.low < found.recovered < found.recovered_interval.high < 1
    # The teacher is right where a student is, and on 10 to 12 photos more.
    assert found.agreement_taught is not None and found.agreement_taught.value == pytest.approx(0.9)
    text = " ".join(found.sentences)
    assert "Over 3 seeds: from scratch 62.0\u00a0% (" in text and "a difference of +18.0 points" in text
    assert "recovered 64\u00a0% of the 28.0 points that the teacher is ahead, (S_kd − S)/(T − S) (" in text
    assert "One seed" not in text


def test_balanced_counts_classes_alike_and_agreement_counts_photos_alike() -> None:
    truth = [0] * 30 + [1] * 10
    taught = [[0] * 30 + [0] * 10]
    found = repeats(truth, truth, [[1] * 40], taught, seeds=[0], metric="balanced_accuracy")
    assert found.taught.value == pytest.approx(0.5)
    assert found.agreement_taught is not None and found.agreement_taught.value == pytest.approx(0.75)


def test_one_seed_is_one_draw() -> None:
    found = repeats(TRUTH, answers(90), [answers(60)], [answers(80)], seeds=[0], metric="accuracy")
    assert found.sentences[-1].startswith("One seed is one draw")
    # Photos alone: 20 of 100 put right, so the spread of the mean is sqrt(0.2 * 0.8 / 100) = 0.04.
    assert found.gain is not None and found.gain.low == pytest.approx(0.2 - 1.96 * 0.04, abs=0.015)
    two = repeats(TRUTH, None, [answers(60)] * 2, [answers(80)] * 2, seeds=[0, 1], metric="accuracy")
    assert (
        two.sentences[-1].startswith("Two seeds say little") and two.recovered is None and two.agreement_taught is None
    )


def test_the_spread_of_the_seeds_is_in_the_interval() -> None:
    # So many photos that only the seeds differ: gains of 10, 20 and 30 points, whose mean has a spread of 10 / sqrt(3).
    n = 20_000
    taught = [answers(n // 100 * k, n) for k in (60, 70, 80)]
    found = repeats([0] * n, None, [answers(n // 2, n)] * 3, taught, seeds=[0, 1, 2], metric="accuracy")
    assert found.gain is not None and found.gain.value == pytest.approx(0.2)
    assert 0.2 < found.gain.high - found.gain.low < 0.26
    same = repeats([0] * n, None, [answers(n // 2, n)] * 3, [taught[1]] * 3, seeds=[0, 1, 2], metric="accuracy")
    assert same.gain is not None and same.gain.high - same.gain.low < 0.02


def test_a_teacher_that_is_not_ahead_has_no_gap_and_an_unsure_one_no_interval() -> None:
    behind = repeats(TRUTH, answers(60), [answers(62)], [answers(70)], seeds=[0], metric="accuracy")
    assert behind.recovered is None and "no gap that distillation could close" in " ".join(behind.sentences)
    rng = np.random.default_rng(0)
    shuffled = [int(value) for value in rng.permutation(answers(64))]
    unsure = repeats(TRUTH, shuffled, [answers(62)], [answers(70)], seeds=[0], metric="accuracy")
    assert unsure.recovered == pytest.approx(4.0) and unsure.recovered_interval is None
    assert "within chance on 100 photos" in " ".join(unsure.sentences)


def test_without_labels_there_is_nobody_from_scratch() -> None:
    found = repeats(TRUTH, answers(90), None, [answers(80)] * 3, seeds=[0, 1, 2], metric="accuracy")
    assert found.without is None and found.gain is None and found.recovered is None
    assert "No label took part in training" in found.sentences[0]
    assert found.agreement_taught is not None and "from scratch" not in found.sentences[1]
