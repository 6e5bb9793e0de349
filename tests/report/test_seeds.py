"""Means, pairing, agreement and the recovered gap, by hand and against what is known of their spread."""

from __future__ import annotations

import numpy as np
import pytest

from edgekd.report.distillation_gain import distillation_gain
from edgekd.report.seeds import _Draws, compare_seeds, half_width, share_recovered

TRUTH = [0] * 100


def answers(right: int, n: int = 100) -> list[int]:
    return [0] * right + [1] * (n - right)


def test_three_seeds_by_hand() -> None:
    without, taught = [answers(k) for k in (60, 64, 62)], [answers(k) for k in (80, 78, 82)]
    found = compare_seeds(TRUTH, answers(90), without, taught, seeds=[4, 5, 6], metric="accuracy")
    assert [(row.seed, row.from_scratch, row.distilled) for row in found.rows][1] == (
        5,
        pytest.approx(0.64),
        pytest.approx(0.78),
    )
    assert found.from_scratch is not None and found.gain is not None and found.recovered_interval is not None
    assert (found.from_scratch.value, found.distilled.value) == (pytest.approx(0.62), pytest.approx(0.8))
    assert found.gain.value == pytest.approx(0.18) and 0.05 < found.gain.low < 0.12
    # 0.18 of the 0.28 that the teacher is ahead.
    assert found.recovered == pytest.approx(0.18 / 0.28)
    assert found.recovered_interval.low < found.recovered < found.recovered_interval.high < 1
    # The teacher is right where a student is, and on 10 to 12 photos more.
    assert found.agreement_distilled is not None and found.agreement_distilled.value == pytest.approx(0.9)
    text = " ".join(found.sentences)
    assert "Over 3 seeds: from scratch 62.0\u00a0% (" in text and "a difference of +18.0 points" in text
    assert "recovered 64\u00a0% of the 28.0 points that the teacher is ahead, (S_kd − S)/(T − S) (" in text
    assert "One seed" not in text


def test_balanced_counts_classes_alike_and_agreement_counts_photos_alike() -> None:
    truth = [0] * 30 + [1] * 10
    taught = [[0] * 30 + [0] * 10]
    found = compare_seeds(truth, truth, [[1] * 40], taught, seeds=[0], metric="balanced_accuracy")
    assert found.distilled.value == pytest.approx(0.5)
    assert found.agreement_distilled is not None and found.agreement_distilled.value == pytest.approx(0.75)


def test_one_seed_is_one_draw() -> None:
    found = compare_seeds(TRUTH, answers(90), [answers(60)], [answers(80)], seeds=[0], metric="accuracy")
    assert found.sentences[-1].startswith("One seed is one draw")
    # Photos alone: 20 of 100 put right, so the spread of the mean is sqrt(0.2 * 0.8 / 100) = 0.04.
    assert found.gain is not None and found.gain.low == pytest.approx(0.2 - 1.96 * 0.04, abs=0.015)
    two = compare_seeds(TRUTH, None, [answers(60)] * 2, [answers(80)] * 2, seeds=[0, 1], metric="accuracy")
    assert (
        two.sentences[-1].startswith("Two seeds say little")
        and two.recovered is None
        and two.agreement_distilled is None
    )


def test_the_interval_of_few_seeds_is_students() -> None:
    # Gains of 10, 20 and 30 points: their mean has a spread of 10 / sqrt(3), and t of 2 degrees of freedom is 4.303.
    assert half_width(np.array([0.1, 0.2, 0.3])) == pytest.approx(4.3027 * 0.1 / 3**0.5, rel=1e-4)
    assert half_width(np.array([0.2])) == 0
    # So many photos that only the seeds differ.
    n = 20_000
    taught = [answers(n // 100 * k, n) for k in (60, 70, 80)]
    found = compare_seeds([0] * n, None, [answers(n // 2, n)] * 3, taught, seeds=[0, 1, 2], metric="accuracy")
    assert found.gain is not None and found.gain.value == pytest.approx(0.2)
    assert (found.gain.low, found.gain.high) == (pytest.approx(-0.0484, abs=2e-3), pytest.approx(0.4484, abs=2e-3))
    assert found.distilled.high == pytest.approx(0.9484, abs=2e-3)
    same = compare_seeds([0] * n, None, [answers(n // 2, n)] * 3, [taught[1]] * 3, seeds=[0, 1, 2], metric="accuracy")
    assert same.gain is not None and same.gain.high - same.gain.low < 0.02
    # All right on a few photos is no certainty.
    few = compare_seeds(
        [0] * 20, None, [answers(15, 20)] * 3, [answers(20, 20)] * 3, seeds=[0, 1, 2], metric="accuracy"
    )
    assert few.distilled.value == 1.0 and 0.8 < few.distilled.low < 0.9


def test_intervals_over_seeds_and_photos_cover() -> None:
    rng, inside, recovered = np.random.default_rng(0), 0, 0
    truth, rounds = [0] * 150, 60
    for _ in range(rounds):
        # Photos differ in how hard they are, seeds in their luck; the gain is 10 points and half the lead.
        hard, luck = rng.normal(0, 0.15, 150), rng.normal(0, 0.03, (3, 2, 1))
        chance = np.clip(np.array([[0.6], [0.7]]) + hard + luck, 0, 1)
        wrong = rng.random((3, 2, 150)) >= chance
        teacher = rng.random(150) >= np.clip(0.8 + hard, 0, 1)
        found = compare_seeds(
            truth, teacher.astype(int).tolist(), wrong[:, 0].astype(int).tolist(), wrong[:, 1].astype(int).tolist(),
            seeds=[0, 1, 2], metric="accuracy",
        )  # fmt: skip
        assert found.gain is not None
        inside += found.gain.low <= 0.1 <= found.gain.high
        share = found.recovered_interval
        recovered += share is None or share.low <= 0.5 <= share.high
    assert inside >= 0.9 * rounds and recovered >= 0.9 * rounds


def test_one_difference_has_one_interval() -> None:
    gain = distillation_gain(TRUTH, answers(60), answers(80), "accuracy").gain
    found = compare_seeds(TRUTH, None, [answers(60)], [answers(80)], seeds=[0], metric="accuracy")
    assert found.gain == gain


def test_a_share_that_the_photos_leave_open_is_not_told() -> None:
    # The teacher is 8 points ahead beyond doubt, and half of the photos change sides between the students.
    truth = [0] * 100
    scratch, distilled = [0] * 70 + [1] * 30, [1] * 24 + [0] * 76
    found = compare_seeds(truth, answers(78), [scratch], [distilled], seeds=[0], metric="accuracy")
    interval = found.recovered_interval
    assert interval is not None and interval.high - interval.low > 1
    text = " ".join(found.sentences)
    assert "can't be told: the lead is 8.0 points" in text and "recovered 7" not in text


def test_a_lead_that_is_none_or_within_chance_has_no_share() -> None:
    behind = compare_seeds(TRUTH, answers(60), [answers(62)], [answers(70)], seeds=[0], metric="accuracy")
    assert behind.recovered is None
    sentence = "(S_kd − S)/(T − S): –, as its lead is not positive: the teacher has 60.0\u00a0%"
    assert sentence in " ".join(behind.sentences)
    rng = np.random.default_rng(0)
    shuffled = [int(value) for value in rng.permutation(answers(64))]
    unsure = compare_seeds(TRUTH, shuffled, [answers(62)], [answers(70)], seeds=[0], metric="accuracy")
    assert unsure.recovered is None and unsure.recovered_interval is None
    assert "–, as its lead of +2.0 points is within chance" in " ".join(unsure.sentences)


def test_the_share_has_fiellers_interval() -> None:
    # Only seeds differ: gains of 9, 10 and 11 points of a lead of 20 each; so the share's interval is the gain's / 0.2.
    gain = _Draws(np.array([0.09, 0.10, 0.11]), np.full((10, 3), 0.1))
    share = share_recovered(gain, _Draws(np.full(3, 0.2), np.full((10, 3), 0.2)))
    half = half_width(gain.value) / 0.2
    assert share is not None and share.value == pytest.approx(0.5)
    assert (share.low, share.high) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))
    # Seeds whose start was bad gain as much more as they are further behind: all of the lead, each time.
    even = _Draws(np.array([0.1, 0.2, 0.3]), np.full((10, 3), 0.2))
    assert share_recovered(even, even) is None
    narrow = _Draws(np.array([0.19, 0.2, 0.21]), np.full((10, 3), 0.2))
    whole = share_recovered(narrow, narrow)
    assert whole is not None and (whole.low, whole.high) == (pytest.approx(1), pytest.approx(1))


def test_without_labels_there_is_nobody_from_scratch() -> None:
    found = compare_seeds(TRUTH, answers(90), None, [answers(80)] * 3, seeds=[0, 1, 2], metric="accuracy")
    assert found.from_scratch is None and found.gain is None and found.recovered is None
    assert "Training used no labels" in found.sentences[0]
    assert found.agreement_distilled is not None and "from scratch" not in found.sentences[1]
