from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekd.errors import UsageError
from edgekd.metrics import Interval
from edgekd.pipeline.sweep.choose import (
    Predictions,
    front,
    mark_left_out,
    pick,
    pick_with_teacher,
    steps_of,
)
from edgekd.pipeline.sweep.pick import Condition, parse_pick
from edgekd.pipeline.sweep.records import DeviceCost, SweptStudent
from edgekd.pipeline.sweep.student_run import slug


def student(
    name: str, size: int, accuracy: float, val: float | None = None, failed: tuple[str, ...] = ()
) -> SweptStudent:
    score, steer = Interval(accuracy, accuracy, accuracy), Interval(val or accuracy, 0.0, 1.0)
    return SweptStudent(name, name, size // 4, size, steer, score, None, None, 1.0, failed)


def test_conditions_and_their_units() -> None:
    assert parse_pick("size<=300KB and accuracy>=95%") == (
        Condition("size", "<=", 300_000.0, text="size<=300KB"),
        Condition("accuracy", ">=", 0.95, text="accuracy>=95%"),
    )
    assert parse_pick(" latency < 0.5 and  parameters>=1K") == (
        Condition("latency", "<", 0.5, text="latency < 0.5"),
        Condition("parameters", ">=", 1000.0, text="parameters>=1K"),
    )


def test_times_and_devices() -> None:
    here, pi, core, share = parse_pick(
        "p50[host]<=5ms and p50[ssh:pi@pi5] < 800us and instructions[emulated:cortex-a76]<=40M and agreement>=97%"
    )
    assert (here.key, here.bar) == ("p50", 5.0)
    assert (pi.key, pi.device, pi.bar) == ("p50[ssh:pi@pi5]", "ssh:pi@pi5", 0.8)
    assert (core.key, core.bar) == ("instructions[emulated:cortex-a76]", 40e6)
    assert share.bar == 0.97


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a condition"),
        ("size=300", "is not a condition"),
        ("__import__('os')<1", "is not a condition"),
        ("weight<=3", "'weight' is not a quantity to choose by; known: size, accuracy, latency, parameters"),
        ("size<=3GiB", "'GiB' is not a known unit"),
        ("accuracy>=95", "a share from 0 to 1"),
        ("p50<=5", "5 of p50 needs a unit: us, ms, s"),
        ("p50<=5MB", "'MB' is not a known unit of p50"),
        ("p50[sssh:pi]<=5ms", "unknown device 'sssh:pi'"),
        ("p50[emulated:cortex-a76]<=5ms", "an emulated core has no times"),
        ("instructions[ssh:pi@pi5]<=5M", "instructions are counted on an emulated core"),
        ("size[ssh:pi@pi5]<=5KB", "size is not of a device"),
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


def test_what_is_left_out_has_its_reasons() -> None:
    conditions = parse_pick("size<=300KB and p50[ssh:pi@pi5]<=5ms")
    fast, slow = (DeviceCost("ssh:pi@pi5", ms, None, "valid") for ms in (4.0, 6.0))
    fits = replace(student("fits", 100_000, 0.6), devices=(fast,))
    better = replace(student("better", 200_000, 0.9, failed=("int8_tflite: loss",)), devices=(slow,))
    unmeasured = student("unmeasured", 400_000, 0.9)
    marked = mark_left_out([fits, better, unmeasured], conditions)
    assert [one.left_out for one in marked] == [
        (),
        ("the gate int8_tflite: loss failed", "not p50[ssh:pi@pi5]<=5ms"),
        ("not size<=300KB", "p50[ssh:pi@pi5] has no valid number"),
    ]
    assert all(not one.left_out for one in mark_left_out([better], ()))
    # An invalid measurement meets nothing, though it has a number.
    doubtful = replace(student("doubtful", 1, 0.5), p50_ms=1.0, standing="invalid")
    assert mark_left_out([doubtful], parse_pick("p50<=5ms"))[0].left_out == ("p50 has no valid number",)


def _predictions(n: int, wrong: dict[str, int]) -> Predictions:
    labels = np.zeros(n, np.int64)
    return Predictions(labels, {name: np.arange(n) < count for name, count in wrong.items()})


def test_the_teacher_decides_where_validation_photos_are_few() -> None:
    students = [
        replace(student("a", 100_000, 0.90), agreement=0.99),
        replace(student("b", 200_000, 0.95), agreement=0.96),
        replace(student("bad", 90_000, 0.4), agreement=1.0),
    ]
    conditions = parse_pick("size<=1MB")
    few = _predictions(40, {"a": 4, "b": 2, "bad": 24})
    chosen, record = pick_with_teacher(students, conditions, few, pool_n=300)
    assert chosen is not None and chosen.student == "a" and record.by == "agreement"
    assert "40 validation photos are fewer than 100, and can't tell 2 students" in record.rule
    for validation, pool_n in ((few, 150), (_predictions(400, {"a": 40, "b": 20, "bad": 240}), 300)):
        chosen, record = pick_with_teacher(students, conditions, validation, pool_n)
        assert chosen is not None and chosen.student == "b" and record.by == "accuracy"


def test_steps_along_the_front_are_paired() -> None:
    students = [student("a", 100_000, 0.90), student("b", 140_000, 0.95), student("worse", 150_000, 0.5)]
    students = [replace(one, p50_ms=ms) for one, ms in zip(students, (1.0, 1.5, 0.5), strict=True)]
    steps = steps_of(students, _predictions(200, {"a": 20, "b": 12, "worse": 100}))
    sizes = [step for step in steps if step.of == "size"]
    assert [(one.student, one.next_student, one.cost) for one in sizes] == [("a", "b", 40_000.0)]
    assert sizes[0].gain.value == pytest.approx(0.04) and 0 < sizes[0].gain.low < 0.04 < sizes[0].gain.high
    assert [(one.student, one.next_student) for one in steps if one.of == "latency"] == [("worse", "a"), ("a", "b")]


def test_the_front_is_what_no_other_beats() -> None:
    marked = front([student("c", 300, 0.9), student("a", 100, 0.8), student("b", 200, 0.7), student("d", 300, 0.85)])
    assert [(one.student, one.on_front) for one in marked] == [("a", True), ("b", False), ("c", True), ("d", False)]


def test_directories_of_students() -> None:
    assert slug("cnn:16@96") == "cnn-16@96"
    odd = slug("../../it's/a file.keras")
    assert "/" not in odd and not odd.startswith(".") and odd != slug("../../it-s/a file.keras")
