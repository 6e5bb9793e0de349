from __future__ import annotations

import pytest

from edgekd.report.distillation_gain import distillation_gain


def test_gain_by_hand() -> None:
    # Of 10: labels alone 5 right, distilled 8; four put right, one broken.
    truth = [0] * 10
    without, taught = [0] * 5 + [1] * 5, [0] * 4 + [1] + [0] * 4 + [1]
    found = distillation_gain(truth, without, taught, "accuracy")
    assert (found.gain.value, found.fixed, found.broken, found.n) == (pytest.approx(0.3), 4, 1, 10)
    # Exact McNemar on 4 against 1: 2 * (C(5,0) + C(5,1)) / 32.
    assert found.p_value == pytest.approx(0.375)
    assert found.gain.low < 0 < found.gain.high
    assert found.text.startswith("Distillation made no difference that 10 photos can show: +30.0 points (")


def test_balanced_gain_counts_classes_alike() -> None:
    # The one photo of class 1 is put right (gain 1), of ten of class 0 one is broken (gain -0.1).
    truth, without, taught = [0] * 10 + [1], [0] * 10 + [0], [0] * 9 + [1] + [1]
    assert distillation_gain(truth, without, taught, "balanced_accuracy").gain.value == pytest.approx(0.45)
    assert distillation_gain(truth, without, taught, "accuracy").gain.value == pytest.approx(0.0)


def test_a_clear_gain_and_a_clear_loss() -> None:
    truth = [0] * 200
    bad, good = [1] * 60 + [0] * 140, [1] * 10 + [0] * 190
    gain = distillation_gain(truth, bad, good, "accuracy")
    assert gain.text.startswith("Distillation added 25.0 points of accuracy (+1") and gain.gain.low > 0.18
    assert distillation_gain(truth, good, bad, "accuracy").text.startswith(
        "Distillation cost 25.0 points of accuracy (−3"
    )


def test_the_interval_is_that_of_a_paired_difference() -> None:
    # 200 photos, 50 put right: sd of the mean is sqrt(0.25 * 0.75 / 200) = 0.0306.
    gain = distillation_gain([0] * 200, [1] * 60 + [0] * 140, [1] * 10 + [0] * 190, "accuracy").gain
    assert gain.low == pytest.approx(0.25 - 1.96 * 0.0306, abs=0.006)
    assert gain.high == pytest.approx(0.25 + 1.96 * 0.0306, abs=0.006)
