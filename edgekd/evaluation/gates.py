"""The gates of an exported file: integers only, its labels, and that it is not worse than its float twin."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgekd.evaluation.label_order import EXPORT_AGAIN, check_label_order
from edgekd.evaluation.rows import CheckRow, GateResult
from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Decision
from edgekd.metrics import OUTPUT_STEP, loss_p, paired_changes, same_answers, wilson
from edgekd.section import Section

# A loss that chance explains with less than this probability is one.
_SIGNIFICANT = 0.05
# Without a bound of the recipe: an agreement surely below this is of a broken file, whatever its accuracy.
_LEAST_AGREEMENT = 0.9


class ParityGates(Section):
    """What an exported file must reach on the test photos; otherwise the run ends with exit code 3."""

    LATER: ClassVar[tuple[str, ...]] = ("max_accuracy_drop",)

    max_accuracy_drop: float | None = Field(None, ge=0, le=100, examples=[1.0])
    """Largest loss of accuracy against the float twin, in points on the test photos.

    Unset, a file fails where it gets so many more photos wrong than right that its twin does not that chance explains
    it with less than 5 % (exact one-sided test of the photos on which they differ).
    """
    min_agreement: float | None = Field(None, ge=0, le=1, examples=[0.98])
    """Least share of test photos for which the file predicts the class that its float twin predicts, 0 to 1.

    Photos for which either gives both classes the same probability, to less than 1/256, count as equal. Unset, the
    share is shown, and a file fails only where it is surely below 90 %.
    """
    max_difference: float | None = Field(None, ge=0, le=1, examples=[0.1])
    """Largest difference of any probability from the float twin's, 0 to 1. Unset, it is not checked."""
    min_accuracy: float | None = Field(None, ge=0, le=1, examples=[0.9])
    """Least accuracy, 0 to 1. Unset, it is not checked."""
    min_balanced_accuracy: float | None = Field(None, ge=0, le=1, examples=[0.9])
    """Least balanced accuracy (mean recall of the classes), 0 to 1. Unset, it is not checked."""


def judge_label_order(
    result: CheckRow, outputs: tuple[str, ...], classes: tuple[str, ...], truth: NDArray[np.int64], advice: str
) -> tuple[GateResult, ...]:
    """The gate of ``label_gate`` on the row's predictions, as a tuple of one or none."""
    predictions = np.array(result.predictions, np.int64)
    gate = label_gate(result.row, truth, predictions, outputs, classes, advice)
    return () if gate is None else (gate,)


def label_gate(
    row: str, truth: NDArray[np.int64], predictions: NDArray[np.int64], outputs: tuple[str, ...],
    classes: tuple[str, ...], advice: str = EXPORT_AGAIN,
) -> GateResult | None:  # fmt: skip
    """The gate on labels in the wrong order and on accuracy at chance; None where too few photos tell.

    Args:
        row: Name of what is judged.
        truth: Class numbers [N] of the photos; ``predictions`` are those that were predicted.
        outputs: What the model calls its outputs, in their order.
        classes: Names of the data's classes [C].
        advice: What to do about a wrong order; "{order}" in it is the right one.
    """
    order = check_label_order(truth, predictions, len(classes))
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
    """The gates on accuracy and balanced accuracy that are set."""
    results = []
    for name, interval, floor in (
        ("accuracy", result.accuracy, gates.min_accuracy),
        ("balanced accuracy", result.balanced_accuracy, gates.min_balanced_accuracy),
    ):
        if floor is not None:
            text = f"{name} {interval.value:.1%} [{interval.low:.1%}, {interval.high:.1%}], {floor:.1%} required"
            results.append(GateResult(f"{result.row}: {name}", interval.value, floor, interval.value >= floor, text))
    return tuple(results)


def judge_twin(
    result: CheckRow,
    gates: ParityGates,
    truth: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    expected: NDArray[np.float32],
    ids: list[str],
) -> tuple[GateResult, ...]:
    """The gates of a file against its float twin, from the probabilities [N, C] of both."""
    results = [
        _loss_gate(result, gates.max_accuracy_drop, truth, expected),
        _agreement_gate(result, gates.min_agreement, ids, probabilities, expected),
    ]
    if gates.max_difference is not None:
        value, bar = float(result.largest_difference or 0.0), gates.max_difference
        text = f"a probability differs from {result.agreement_with} by up to {value:.3f} (allowed {bar:.3f})"
        results.append(GateResult(f"{result.row}: largest difference", value, bar, value <= bar, text))
    return tuple(results)


def _loss_gate(
    result: CheckRow, max_drop: float | None, truth: NDArray[np.int64], expected: NDArray[np.float32]
) -> GateResult:
    predictions, twin = np.array(result.predictions, np.int64), expected.argmax(axis=1)
    lost, gained = paired_changes(truth, twin, predictions)
    points = 100 * (lost - gained) / len(truth)
    text = f"{100 * (gained - lost) / len(truth):+.1f} points of accuracy against {result.agreement_with}: "
    text += f"{lost} photos lost, {gained} gained"
    if max_drop is not None:
        # Rounding in the points themselves is no loss.
        passed, bar = points <= max_drop + 1e-9, max_drop
        text += f", {max_drop:g} points allowed"
    else:
        p_value = loss_p(truth, twin, predictions)
        passed, bar = p_value >= _SIGNIFICANT, 0.0
        text += "" if lost <= gained else f", {'not ' if passed else ''}significant (p = {p_value:.2g})"
    return GateResult(f"{result.row}: loss", points, bar, passed, text)


def _agreement_gate(
    result: CheckRow,
    bar: float | None,
    ids: list[str],
    probabilities: NDArray[np.float32],
    expected: NDArray[np.float32],
) -> GateResult:
    same, agreement = same_answers(probabilities, expected, OUTPUT_STEP), result.agreement
    assert agreement is not None
    equal = agreement.n - agreement.differing
    text = f"the same prediction as {result.agreement_with} on {equal} of {agreement.n} photos"
    if agreement.near_ties:
        text += f", {agreement.near_ties} near tie{'s' * (agreement.near_ties > 1)} among them"
    if bar is None:
        passed = wilson(equal, agreement.n).high >= _LEAST_AGREEMENT
        text += "" if passed else f", surely below {_LEAST_AGREEMENT:.0%}"
    else:
        passed = agreement.value >= bar
        text += f", {bar:.1%} required"
    if not passed:
        where = [ids[i] for i in np.flatnonzero(~same)[:5]]
        text += f"; it differs on {', '.join(where)}{' and more' if agreement.differing > 5 else ''}"
    bar = _LEAST_AGREEMENT if bar is None else bar
    return GateResult(f"{result.row}: agreement", agreement.value, bar, passed, text)
