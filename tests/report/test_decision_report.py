"""A report shows what was fitted for the files: calibration before and after, and what a threshold rejects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_run import build_run

from edgekd import storage
from edgekd.decisions.rejection import choose_threshold, rejection_curve, shares_at
from edgekd.report.decisions import calibration_rows, decision_sentences, decisions_of, rejection_plot
from edgekd.report.render import render


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.02}


def quality(error: float) -> dict[str, Any]:
    return {
        "photos": 300,
        "calibration_error": interval(error),
        "brier": interval(0.1),
        "log_loss": interval(2 * error),
    }


def summary(*, foreign: int = 120) -> dict[str, Any]:
    """What the stage writes for an int8 and a float file, with foreign photos or without."""
    rng = np.random.default_rng(0)
    own, strange = np.sort(rng.beta(8, 1.2, 300)), rng.beta(3, 3, foreign)
    chosen = choose_threshold(own, 0.95)
    assert chosen.below is not None
    rejection = {
        "keep": 0.95, "reject_below": chosen.below, "note": None, "separation": {},
        "test": shares_at(chosen.below, own, strange), "curve": {"test": rejection_curve(own, strange)},
    }  # fmt: skip
    file = {
        "fitted": {}, "thresholds": None, "rejection": rejection,
        "temperature": {"value": 1.7, "photos": 60, "note": ""},
        "calibration": {"test": {"before": quality(0.09), "after": quality(0.03)}},
    }  # fmt: skip
    plain = {"fitted": {}, "thresholds": None, "rejection": None, "temperature": None, "calibration": None}
    return {"schema": 1, "files": {"float32": plain, "int8": file}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_run(tmp_path_factory.mktemp("decisions") / "run")
    storage.write_json(folder / "decide/summary.json", summary())
    render(folder)
    return folder


def test_numbers_of_the_file_that_ships_come_first() -> None:
    decisions = decisions_of(summary())
    assert [one.precision for one in decisions] == ["int8", "float32"]
    ((name, temperature, before, after, *_),) = calibration_rows(decisions)
    assert (name, temperature) == ("int8", "1.7")
    assert before.startswith("9.0") and after.startswith("3.0")
    curve = decisions[0].rejection
    assert curve is not None and curve.split == "test" and curve.threshold is not None
    # The higher the threshold, the more is rejected; what is kept and what is rejected are all.
    shares = [point.classes_rejected.value for point in curve.points]
    assert shares == sorted(shares) and 0 <= shares[0] < 0.01 and shares[-1] == pytest.approx(0.5, abs=0.01)
    assert all(
        point.classes_rejected.low <= point.classes_rejected.value <= point.classes_rejected.high
        for point in curve.points
    )
    sentences = decision_sentences(decisions)
    assert sentences[0].startswith("int8: temperature 1.7: calibration error on test photos 9.0%")
    assert "the answer is none of these" in sentences[1]


def test_the_report_has_the_curve_and_the_calibration(run: Path) -> None:
    assert (run / "plots/rejection.png").is_file()
    page, text = (run / "report.html").read_text(), (run / "report.md").read_text()
    for shown in (page, text):
        assert "How sure the files are" in shown and "calibration error before" in shown
        assert "temperature 1.7" in shown
    value = json.loads((run / "report.json").read_text())
    assert value["decisions"][0]["calibration"]["error_after"]["value"] == 0.03


def test_without_foreign_photos_the_curve_is_of_the_own_ones() -> None:
    decisions = decisions_of(summary(foreign=0))
    assert decisions[0].rejection is not None
    assert all(point.foreign_rejected is None for point in decisions[0].rejection.points)
    figure = rejection_plot(decisions)
    assert figure is not None and len(figure.axes[0].get_legend_handles_labels()[0]) == 1
    assert rejection_plot(decisions[1:]) is None
