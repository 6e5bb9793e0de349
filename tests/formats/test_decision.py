"""How an answer follows from probabilities, and how the rule travels in a record."""

from __future__ import annotations

import numpy as np
import pytest

from edgekd.formats.decision import Answer, Decision

LABELS = ("dry", "wet", "none of these")


@pytest.mark.parametrize(
    ("decision", "row", "labels"),
    [
        (Decision(), (0.5, 0.5, 0.0), ("dry",)),
        (Decision(reject_below=0.6), (0.59, 0.41, 0.0), ()),
        (Decision(reject_below=0.6), (0.4, 0.6, 0.0), ("wet",)),
        (Decision(none_label="none of these"), (0.2, 0.3, 0.5), ()),
        (Decision("multi-label", (0.5, 0.25, 0.75)), (0.5, 0.25, 0.74), ("dry", "wet")),
        (Decision("multi-label", (0.5, 0.5, 0.5)), (0.1, 0.2, 0.3), ()),
    ],
)
def test_probabilities_become_an_answer(decision: Decision, row: tuple[float, ...], labels: tuple[str, ...]) -> None:
    assert decision.decide(np.array(row), LABELS) == Answer(labels)
    assert Decision.from_json(decision.as_json(), LABELS) == decision


def test_a_file_without_a_decision_gives_its_most_probable_class() -> None:
    assert Decision.from_json(None, LABELS) == Decision()


@pytest.mark.parametrize(
    "value",
    [
        {"task": "both"},
        {"task": "multi-label", "thresholds": [0.5]},
        {"task": "single-label", "thresholds": [0.5, 0.5, 0.5]},
        {"task": "single-label", "reject_below": float("nan")},
        {"task": "single-label", "none_label": "snow"},
    ],
)
def test_a_damaged_decision_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="decision"):
        Decision.from_json(value, LABELS)


TAGS = Decision("multi-label", (0.5, 0.25, 0.75))


@pytest.mark.parametrize(
    ("decision", "row", "answer", "distance"),
    [
        (TAGS, (0.5, 0.25, 0.74), ("dry", "wet"), 0.0),
        (TAGS, (0.49, 0.3, 0.1), ("dry", "wet"), 0.01),
        (TAGS, (0.49, 0.3, 0.9), ("dry", "wet"), 0.15),
        (TAGS, (0.1, 0.1, 0.1), ("snow",), np.inf),
        (Decision(), (0.5, 0.48, 0.02), ("wet",), 0.01),
        (Decision(), (0.5, 0.48, 0.02), (), np.inf),
        (Decision(), (0.5, 0.48, 0.02), ("dry", "wet"), np.inf),
        (Decision(reject_below=0.6), (0.61, 0.39, 0.0), (), 0.01),
        (Decision(reject_below=0.6), (0.57, 0.43, 0.0), ("dry",), 0.03),
        (Decision(reject_below=0.6), (0.57, 0.55, 0.0), ("wet",), 0.05),
        (Decision(none_label=LABELS[2]), (0.45, 0.1, 0.45), (), 0.0),
        (Decision(none_label=LABELS[2]), (0.0, 0.1, 0.9), (LABELS[2],), np.inf),
    ],
)
def test_how_far_probabilities_are_from_an_answer(
    decision: Decision, row: tuple[float, ...], answer: tuple[str, ...], distance: float
) -> None:
    assert decision.distance_to(Answer(answer), np.array(row), LABELS) == pytest.approx(distance)


def test_a_number_that_is_none_is_no_near_tie() -> None:
    row = np.array([np.nan, 0.1, 0.1])
    assert not TAGS.distance_to(Answer(("dry",)), row, LABELS) <= 1
    assert not Decision().distance_to(Answer(("dry",)), row, LABELS) <= 1


def test_the_rule_is_the_same_however_it_was_calibrated() -> None:
    assert Decision(calibration={"temperature": 1.3}).has_rule_of(Decision())
    assert not Decision(reject_below=0.5).has_rule_of(Decision())
