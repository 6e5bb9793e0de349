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
