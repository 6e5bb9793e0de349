"""Conversions of students of tags are judged by the decisions on tags and by their metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgekd.errors import GateFailed
from edgekd.quantize.ladder import Judge, climb
from edgekd.quantize.ptq import quantize_int8, to_float32
from edgekd.quantize.run_tflite import find_task, run_tflite
from edgekd.quantize.rungs import Rung
from edgekd.quantize.sensitivity import compute_divergence, measure_sensitivities
from edgekd.tag_metrics import tag_value
from tests.tag_files import swap_softmax


def test_sigmoids_at_the_end_of_a_file_are_tags(source: Any) -> None:
    content = to_float32(source).content
    assert (find_task(content), find_task(swap_softmax(content))) == ("single-label", "multi-label")


def test_divergence_of_tags_by_hand() -> None:
    one, other = np.array([[0.5, 0.9]], np.float32), np.array([[0.25, 0.9]], np.float32)
    by_hand = 0.5 * np.log(2) + 0.5 * np.log(0.5 / 0.75)
    assert compute_divergence(one, other, "multi-label") == pytest.approx(by_hand, abs=1e-6)


def test_a_ladder_of_tags_is_climbed_by_their_metric(source: Any, calibrated: Any, unseen: Any) -> None:
    content = swap_softmax(to_float32(source).content)
    expected = run_tflite(content, unseen)
    truth = (expected >= 0.5).astype(np.int8)
    truth[::8, 0] ^= 1
    judge = Judge.from_float_file(content, unseen, truth, "macro_f1", 0.9, unseen[:8])
    int8 = quantize_int8(calibrated)
    good = Rung("good", lambda: replace(int8, content=swap_softmax(int8.content)))
    said: list[str] = []
    climbed = climb([good], judge, 3.0, said.append)
    (step,) = climbed.steps
    assert step.holds and step.agreement is not None and step.agreement > 0.95
    assert climbed.float_score.value == pytest.approx(tag_value("macro_f1", truth, expected))
    assert step.score.value == pytest.approx(
        tag_value("macro_f1", truth, run_tflite(good.make().content, unseen)), abs=1e-9
    )
    assert step.p_value > 0.05
    # A softmax in their place gives at most one tag a photo.
    with pytest.raises(GateFailed, match=r"and takes 90.0% of its decisions on tags"):
        climb([Rung("softmax", lambda: int8)], judge, 3.0, said.append).require()


def test_sensitivities_of_tags_leave_the_sigmoids_out(calibrated: Any) -> None:
    found = measure_sensitivities(
        replace(calibrated, content=swap_softmax(calibrated.content), images=calibrated.images[:4])
    )
    assert len(found) == 12
    assert "LOGISTIC" not in {entry.op.kind for entry in found}
