"""The gates of an exported file: integers only, its labels, and that it is not worse than its float twin."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from edgekd.errors import UsageError
from edgekd.evaluation.label_order import EXPORT_AGAIN, LabelOrder, check_label_order
from edgekd.evaluation.rows import CheckRow, GateResult
from edgekd.evaluation.tag_order import TagOrder, check_tag_order
from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Decision
from edgekd.scoring import Answers, Truth, has_tags
from edgekd.section import Section
from edgekd.task import METRICS, Metric, Task, metric_name


class ParityGates(Section):
    """What an exported file must reach on the test photos; otherwise the run ends with exit code 3."""

    LATER: ClassVar[tuple[str, ...]] = ("max_accuracy_drop", "min_mean_average_precision", "min_macro_f1")

    max_accuracy_drop: float | None = Field(None, ge=0, le=100, examples=[1.0])
    """Largest loss of accuracy against the float twin, in points on the test photos.

    Unset, a file fails where it gets so many more photos wrong than right that its twin does not that chance explains
    it with less than 5 % (exact one-sided test of the photos on which they differ). Where photos have tags, the loss is
    of the recipe's metric, and the test swaps the two files' answers at random.
    """
    min_agreement: float | None = Field(None, ge=0, le=1, examples=[0.98])
    """Least share of test photos for which the file predicts the class that its float twin predicts, 0 to 1.

    Photos for which either gives both classes the same probability, to less than 1/256, count as equal. Unset, the
    share is shown, and a file fails only where it is surely below 90 %. Where photos have tags, it is the share of all
    decisions on tags that are the same, or nearer to the threshold than 1/256; unset, a file fails only where F1 of its
    tags, with those of its twin as the truth, is surely below 90 %.
    """
    max_difference: float | None = Field(None, ge=0, le=1, examples=[0.1])
    """Largest difference of any probability from the float twin's, 0 to 1. Unset, it is not checked."""
    min_accuracy: float | None = Field(None, ge=0, le=1, examples=[0.9])
    """Least accuracy, 0 to 1. Unset, it is not checked."""
    min_balanced_accuracy: float | None = Field(None, ge=0, le=1, examples=[0.9])
    """Least balanced accuracy (mean recall of the classes), 0 to 1. Unset, it is not checked."""
    min_mean_average_precision: float | None = Field(None, ge=0, le=1, examples=[0.9])
    """Least mean average precision of the tags, where photos have tags, 0 to 1. Unset, it is not checked."""
    min_macro_f1: float | None = Field(None, ge=0, le=1, examples=[0.9])
    """Least mean F1 of the tags, where photos have tags, 0 to 1. Unset, it is not checked."""

    def floors(self) -> dict[Metric, float]:
        """The metrics whose least value is set."""
        values: dict[Metric, float | None] = {
            "accuracy": self.min_accuracy,
            "balanced_accuracy": self.min_balanced_accuracy,
            "mean_average_precision": self.min_mean_average_precision,
            "macro_f1": self.min_macro_f1,
        }
        return {metric: floor for metric, floor in values.items() if floor is not None}

    def floors_of_other_tasks(self, task: Task) -> list[str]:
        """Keys that are set and don't judge photos of this ``task``."""
        return [f"min_{metric}" for metric in self.floors() if metric not in METRICS[task]]

    def facts(self) -> dict[str, Any]:
        """What decides the check, for its key: the bounds of tags only where they are set."""
        later = {"min_mean_average_precision", "min_macro_f1"}
        return self.model_dump(mode="json", exclude={name for name in later if getattr(self, name) is None})


def judge_label_order(
    result: CheckRow, outputs: tuple[str, ...], classes: tuple[str, ...], truth: Truth, advice: str
) -> tuple[GateResult, ...]:
    """The gate of ``label_gate`` on the row's answers, as a tuple of one or none."""
    gate = label_gate(result.row, truth, result.answers(METRICS[result.task][0]), outputs, classes, advice)
    return () if gate is None else (gate,)


def label_gate(
    row: str, truth: Truth, answers: Answers, outputs: tuple[str, ...], classes: tuple[str, ...],
    advice: str = EXPORT_AGAIN,
) -> GateResult | None:  # fmt: skip
    """The gate on labels in the wrong order and on accuracy at chance; None where too few photos tell.

    Args:
        row: Name of what is judged.
        truth: Class numbers [N] of the photos, or their tags [N, C].
        answers: Class numbers [N] that were predicted, or the probabilities of tags [N, C].
        outputs: What the model calls its outputs, in their order.
        classes: Names of the data's classes [C].
        advice: What to do about a wrong order; "{order}" in it is the right one.
    """
    order: LabelOrder | TagOrder | None
    if has_tags(truth):
        order = check_tag_order(truth, answers)
    else:
        order = check_label_order(np.asarray(truth, np.int64), answers, len(classes))
    if order is None:
        return None
    text = order.describe(outputs, classes, advice)
    wrong_file = order.permutation is not None
    return GateResult(f"{row}: labels fit the predictions", order.score, order.chance, order.fits, text, wrong_file)


def judge_integers(result: CheckRow, artifact: Artifact) -> tuple[GateResult, ...]:
    """The gate on float ops left in an int8 file; none for other files."""
    # The gate is on what edgekd promises; of another tool's file inspect tells the float ops.
    if artifact.precision != "int8" or artifact.feed is not None:
        return ()
    float_ops = artifact.float_ops()
    whole = "every op" if artifact.decision == Decision() else "every op before the probabilities"
    text = (
        f"float ops left in {result.artifact}: {'; '.join(float_ops)}" if float_ops else f"{whole} computes in integers"
    )
    return (GateResult(f"{result.row}: integers only", float(len(float_ops)), 0.0, not float_ops, text),)


def judge_floors(result: CheckRow, gates: ParityGates) -> tuple[GateResult, ...]:
    """The gates on the least value of a metric that are set. Raises UsageError for a metric of another task."""
    if wrong := gates.floors_of_other_tasks(result.task):
        right = " or ".join(f"min_{metric}" for metric in METRICS[result.task])
        raise UsageError(f"{', '.join(wrong)} does not judge {result.task} photos. Set {right} instead")
    results = []
    for metric, floor in gates.floors().items():
        name, interval = metric_name(metric), result.score(metric)
        text = f"{name} {interval.value:.1%} [{interval.low:.1%}, {interval.high:.1%}], {floor:.1%} required"
        results.append(GateResult(f"{result.row}: {name}", interval.value, floor, interval.value >= floor, text))
    return tuple(results)
