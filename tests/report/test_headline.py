from __future__ import annotations

from dataclasses import replace

import pytest

from edgekd.bench.statistics import Comparison, Verdict
from edgekd.metrics import Interval
from edgekd.report.headline import headline
from edgekd.report.model import Gate, Row


def row(name: str, size_bytes: int | None, score: float | None, comparison: Comparison | None = None) -> Row:
    accuracy = None if score is None else Interval(score, score - 0.02, score + 0.01)
    return Row(name, name, None, None, 1000, size_bytes, accuracy, accuracy, None, None, None, comparison)


def against(value: float, verdict: Verdict, *reasons: str) -> Comparison:
    return Comparison(value, Interval(value, value * 0.97, value * 1.03), verdict, reasons)


def semi_valid(value: float, verdict: Verdict) -> Comparison:
    return replace(against(value, verdict, "other programs took 50% of one core"), standing="semi-valid")


def line(comparison: Comparison | None, size_bytes: int = 412_000) -> str:
    rows = (row("teacher", 7_416_000, 0.98), row("int8_tflite", size_bytes, 0.971, comparison))
    return headline(rows, "balanced_accuracy", ()).text.replace("\u00a0", " ")


def test_the_one_line() -> None:
    assert line(against(0.11, "faster")) == (
        "18x smaller and 9.1x faster (8.8–9.4) than the teacher: 412 kB int8, 97.1 % balanced accuracy (95.1–98.1) "
        "against the teacher's 98.0 %"
    )


def test_like_for_like_against_the_teacher_in_int8() -> None:
    rows = (
        row("teacher", 7_416_000, 0.98), row("teacher_int8", 1_854_000, 0.975),
        row("int8_tflite", 412_000, 0.971, against(0.11, "faster")),
    )  # fmt: skip
    found = headline(rows, "accuracy", (), over_int8=against(0.25, "faster"))
    text = found.text.replace("\u00a0", " ")
    assert text.endswith(
        "against the teacher's 98.0 %; like for like 4.5x smaller and 4.0x faster (3.9–4.1) than the teacher in int8 "
        "(1.85 MB, 97.5 %)"
    )
    assert found.int8_teacher is not None and found.int8_teacher.smaller == pytest.approx(4.5)
    # An invalid measurement gives no number, and a teacher that could not be converted no claim.
    invalid = replace(against(0.25, "faster"), standing="invalid")
    unsure = headline(rows, "accuracy", (), over_int8=invalid)
    assert "like for like 4.5x smaller than the teacher in int8" in unsure.text.replace("\u00a0", " ")
    assert unsure.int8_teacher is not None and unsure.int8_teacher.faster is None
    # Of an average one network is a file.
    network = replace(rows[1], network="efficientnet-lite0")
    text = headline((rows[0], network, rows[2]), "accuracy", ()).text
    assert "than the efficientnet-lite0 of the teacher in int8" in text
    missing = (rows[0], row("teacher_int8", None, None), rows[2])
    assert "like for like" not in headline(missing, "accuracy", ()).text


@pytest.mark.parametrize(
    ("comparison", "size_bytes", "said"),
    [
        (against(1.4, "slower"), 412_000, "18x smaller and 1.40x slower (1.36–1.44) than the teacher: 412 kB"),
        (against(1.0, "no difference"), 412_000, "; no difference in speed"),
        (
            against(0.9, "inconclusive", "the CPU was busy"),
            412_000,
            "; speed inconclusive (about 1.11x as fast): the CPU was",
        ),
        (None, 412_000, "; speed not measured"),
        (against(0.11, "faster"), 14_832_000, "2.0x larger and 9.1x faster"),
        (semi_valid(0.11, "faster"), 412_000, "9.1x faster (8.8–9.4, semi-valid) than the teacher: 412 kB"),
        (semi_valid(0.11, "faster"), 412_000, "98.0 %; semi-valid: other programs took 50% of one core"),
        (semi_valid(1.4, "slower"), 412_000, "1.40x slower (1.36–1.44, semi-valid) than the teacher"),
        (semi_valid(1.0, "no difference"), 412_000, "; no difference in speed; semi-valid: other programs"),
        (Comparison(0.2, None, "inconclusive", ("few launches: 3",)), 412_000, "(about 5.0x as fast): few launches: 3"),
    ],
)
def test_it_says_no_more_than_was_found(comparison: Comparison | None, size_bytes: int, said: str) -> None:
    text = line(comparison, size_bytes)
    assert said in text
    assert ("faster" in text) == (comparison is not None and comparison.verdict == "faster")


def test_an_invalid_measurement_gives_no_number() -> None:
    invalid = replace(against(0.037, "inconclusive", "other programs took the CPU"), standing="invalid")
    rows = (row("teacher", 7_416_000, 0.98), row("int8_tflite", 412_000, 0.971, invalid))
    told = headline(rows, "accuracy", ())
    assert told.text.endswith("; speed unknown, the measurement is invalid: other programs took the CPU")
    assert "27" not in told.text and (told.faster, told.standing) == (None, "invalid")


def test_partial_runs() -> None:
    assert headline((), "accuracy", ()).text == "No exported file has been checked yet."
    only = headline((row("int8_onnx", 412_000, None),), "accuracy", ())
    assert only.text.replace("\u00a0", " ") == "412 kB int8; speed not measured"
    assert only.row == "int8_onnx" and only.smaller is None and only.score is None


def test_failed_gates_are_carried() -> None:
    gates = (Gate("a", 1.0, 0.5, True, ""), Gate("b", 0.2, 0.5, False, ""))
    assert headline((), "accuracy", gates).failed_gates == ("b",)
