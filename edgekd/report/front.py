"""The front of a run's files: those that no smaller one matches, and what each step to a larger one gains."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from edgekd.evaluation.tag_scores import answers_in, truth_in
from edgekd.report import format as fmt
from edgekd.report.gains import FrontStep
from edgekd.report.model import Report
from edgekd.scoring import gain
from edgekd.task import Metric

# Of one network in several formats the .tflite stands for all.
_ROWS = ("teacher", "teacher_int8", "labels_only", "distilled", "int8_tflite")


def front_steps(check: Mapping[str, Any]) -> tuple[FrontStep, ...]:
    """The steps from the smallest file to the largest, over those that score higher than every smaller one."""
    metric: Metric = check["metric"]
    rows = [row for row in check["rows"] if row["row"] in _ROWS and row.get("predictions") and row.get("size_bytes")]
    front, best = [], -1.0
    for row in sorted(rows, key=lambda row: (row["size_bytes"], -row[metric]["value"])):
        if row[metric]["value"] > best:
            front.append(row)
            best = row[metric]["value"]
    truth, classes = truth_in(check), len(check.get("classes", ()))
    answers = {row["row"]: answers_in(row, metric, classes) for row in front}
    return tuple(
        FrontStep(
            str(row["row"]), str(after["row"]), int(after["size_bytes"] - row["size_bytes"]),
            gain(metric, truth, answers[row["row"]], answers[after["row"]]),
        )
        for row, after in itertools.pairwise(front)
    )  # fmt: skip


def step_sentences(report: Report) -> tuple[str, ...]:
    """Each step in words: "int8 TFLite → teacher, int8: for 3.24 MB more +5.9 points (+2.1 to +9.7)."."""
    return tuple(
        f"{report.title_of(step.row)} → {report.title_of(step.next_row)}: for {fmt.size(step.more_bytes)} more "
        f"{fmt.gain(step.gain)}."
        for step in report.steps
    )


def step_caption(report: Report) -> str:
    """What the steps are; empty where there is none."""
    if not report.steps:
        return ""
    better = "scores higher" if report.tags else "is right more often"
    return (
        f"From each file to the next larger one that {better}: points of "
        f"{fmt.metric_name(report.metric)} on the same {report.test_n:,} test photos, with the 95{fmt.NBSP}% interval "
        "of the difference; one that holds 0 may be chance."
    )
