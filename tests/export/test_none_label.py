"""What the files of an export say of photos that show none of the classes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgekd.decisions.fit import FileDecision
from edgekd.export.job import Job
from edgekd.export.options import ExportOptions
from edgekd.formats.decision import Decision
from edgekd.preprocess import Preprocessing

LABELS = ("clean", "littered", "none of these")
FITTED = Decision(none_label="none of these", reject_below=0.5)


@pytest.mark.parametrize(
    ("none_label", "fitted", "expected"),
    [
        (None, None, None),
        ("none of these", None, Decision(none_label="none of these")),
        ("none of these", FITTED, FITTED),
    ],
)
def test_a_record_names_the_class_of_none_of_these(none_label: Any, fitted: Any, expected: Any) -> None:
    model: Any = SimpleNamespace(task="single-label", parameters=1, range_in_graph={})
    decisions = {} if fitted is None else {"int8": FileDecision(decision=fitted)}
    size, options = Preprocessing(height=8, width=8), ExportOptions()
    job = Job(model, Path(), "student", LABELS, size, {}, "", options, (), None, decisions, none_label)
    assert job.record("int8", {}).decision == expected
