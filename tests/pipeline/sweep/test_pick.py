from __future__ import annotations

import pytest

from edgekd.errors import UsageError
from edgekd.metrics import Interval
from edgekd.pipeline.sweep.choose import front, pick
from edgekd.pipeline.sweep.pick import Condition, parse_pick
from edgekd.pipeline.sweep.records import SweptStudent
from edgekd.pipeline.sweep.student_run import slug


def student(
    name: str, size: int, accuracy: float, val: float | None = None, failed: tuple[str, ...] = ()
) -> SweptStudent:
    score, steer = Interval(accuracy, accuracy, accuracy), Interval(val or accuracy, 0.0, 1.0)
    return SweptStudent(name, name, size // 4, size, steer, score, None, None, 1.0, failed)


def test_conditions_and_their_units() -> None:
    assert parse_pick("size<=300KB and accuracy>=95%") == (
        Condition("size", "<=", 300_000.0),
        Condition("accuracy", ">=", 0.95),
    )
    assert parse_pick(" latency < 0.5 and  parameters>=1K") == (
        Condition("latency", "<", 0.5),
        Condition("parameters", ">=", 1000.0),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a condition"),
        ("size=300", "is not a condition"),
        ("__import__('os')<1", "is not a condition"),
        ("weight<=3", "'weight' is not a quantity to choose by; known: size, accuracy, latency, parameters"),
        ("size<=3GiB", "'GiB' is not a known unit"),
        ("accuracy>=95", "a share from 0 to 1"),
        ("size<=1KB or accuracy>=0.9", "is not a condition"),
    ],
)
def test_what_is_not_a_condition_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        parse_pick(text)


def test_the_best_that_fits_is_picked_by_validation_photos() -> None:
    small = student("small", 100_000, 0.99, val=0.90)
    medium = student("medium", 200_000, 0.95, val=0.96)
    large = student("large", 900_000, 1.0, val=1.0)
    broken = student("broken", 90_000, 1.0, val=1.0, failed=("agreement",))
    chosen = pick([small, medium, large, broken], parse_pick("size<=300KB"))
    assert chosen is not None and chosen.student == "medium"
    assert pick([small, medium, large, broken], parse_pick("size<=50KB")) is None
    # What was not measured meets nothing.
    assert pick([small], parse_pick("latency<=9")) is None


def test_the_front_is_what_no_other_beats() -> None:
    marked = front([student("c", 300, 0.9), student("a", 100, 0.8), student("b", 200, 0.7), student("d", 300, 0.85)])
    assert [(one.student, one.on_front) for one in marked] == [("a", True), ("b", False), ("c", True), ("d", False)]


def test_directories_of_students() -> None:
    assert slug("cnn:16@96") == "cnn-16@96"
    odd = slug("../../it's/a file.keras")
    assert "/" not in odd and not odd.startswith(".") and odd != slug("../../it-s/a file.keras")
