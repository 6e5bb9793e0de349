from __future__ import annotations

from dataclasses import replace

import pytest

from edgekd.bench.statistics import Comparison
from edgekd.metrics import Interval
from edgekd.report import format as fmt
from edgekd.report.sweep_text import sweep_cells


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(None, "–"), (999, "999 B"), (1000, "1.00 kB"), (411_800, "412 kB"), (999_499, "999 kB"), (999_500, "1.00 MB"),
     (13_720_000, "13.7 MB"), (206_000_000, "206 MB")],
)  # fmt: skip
def test_size(size_bytes: int | None, text: str) -> None:
    assert fmt.size(size_bytes).replace(fmt.NBSP, " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.1094, "0.109"),
        (0.01096, "0.0110"),
        (1.314, "1.31"),
        (12.34, "12.3"),
        (123.4, "123"),
        (1234.0, "1,234"),
    ],
)
def test_significant(value: float, text: str) -> None:
    assert fmt.significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(18.4, "18x"), (9.96, "10x"), (9.14, "9.1x"), (1.314, "1.31x"), (0.8, "0.80x")]
)
def test_factor(value: float, text: str) -> None:
    assert fmt.factor(value) == text


def test_a_range_gets_the_decimals_it_needs() -> None:
    assert fmt.factor_range(Interval(9.1, 8.83, 9.42)) == "8.8–9.4"
    assert fmt.factor_range(Interval(18.0, 17.2, 18.9)) == "17–19"
    assert fmt.factor_range(Interval(18.0, 17.9, 18.1)) == "17.9–18.1"
    assert fmt.factor_range(Interval(9.12, 9.11, 9.13)) == "9.11–9.13"


def test_intervals_and_times() -> None:
    assert fmt.score(Interval(0.9712, 0.952, 0.9861)).replace(fmt.NBSP, " ") == "97.1 % (95.2–98.6)"
    assert fmt.ratio(Interval(0.1098, 0.106, 0.1137)) == "0.110 (0.106–0.114)"
    assert fmt.ratio(None, 0.11) == "0.110 (no interval)" and fmt.ratio(None) == "–"
    assert fmt.milliseconds(0.0432).replace(fmt.NBSP, " ") == "43.2 µs"
    assert fmt.milliseconds(7.31).replace(fmt.NBSP, " ") == "7.31 ms"
    assert fmt.points(-0.021) == "−2.1" and fmt.points(0.063) == "+6.3"
    assert fmt.duration(75.2).replace(fmt.NBSP, " ") == "75 s"
    assert fmt.duration(315).replace(fmt.NBSP, " ") == "5 min 15 s"


def test_a_comparison_carries_its_standing() -> None:
    found = Comparison(0.11, Interval(0.11, 0.106, 0.114), "faster")
    assert (fmt.comparison(found), fmt.verdict(found)) == ("0.110 (0.106–0.114)", "faster")
    semi = replace(found, standing="semi-valid")
    assert (fmt.comparison(semi), fmt.verdict(semi)) == ("0.110 (0.106–0.114) ~", "faster (semi-valid)")
    invalid = replace(found, verdict="inconclusive", standing="invalid")
    assert (fmt.comparison(invalid), fmt.verdict(invalid)) == ("invalid", "inconclusive (invalid)")
    assert fmt.comparison(Comparison(1.0, Interval(1.0, 1.0, 1.0), "baseline")) == "1"


@pytest.mark.parametrize(
    ("latency", "standing", "text"),
    [
        ({"value": 0.11, "low": 0.106, "high": 0.114}, "valid", "0.110 (0.106–0.114)"),
        ({"value": 0.11, "low": 0.106, "high": 0.114}, "semi-valid", "0.110 (0.106–0.114) ~"),
        # A sweep from before the standing was recorded.
        ({"value": 0.11, "low": 0.106, "high": 0.114}, None, "0.110 (0.106–0.114)"),
        (None, "invalid", "invalid"),
        (None, None, "–"),
    ],
)
def test_a_sweep_shows_the_standing_of_a_latency(
    latency: dict[str, float] | None, standing: str | None, text: str
) -> None:
    score = {"value": 0.9, "low": 0.85, "high": 0.95}
    student = {
        "student": "cnn:16@64", "parameters": 1000, "size_bytes": 1000, "val_accuracy": score, "accuracy": score,
        "latency": latency, "standing": standing, "p50_ms": 0.1, "on_front": False, "failed_gates": (),
    }  # fmt: skip
    assert sweep_cells({"metric": "accuracy", "students": [student], "winner": None}).rows[0][5] == text
