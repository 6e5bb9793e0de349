"""The gates of a file against its float twin: that it is not worse, and that it gives the same answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.evaluation.gates import ParityGates
from edgekd.evaluation.rows import CheckRow, GateResult
from edgekd.metrics import OUTPUT_STEP, Agreement, Interval, paired_changes, same_answers, wilson
from edgekd.metrics import loss_p as label_loss_p
from edgekd.scoring import Truth, gain, has_tags, loss_p
from edgekd.tag_metrics import decide_tags, f1_of_share, same_tags
from edgekd.task import Metric, metric_name

# A loss that chance explains with less than this probability is one.
_SIGNIFICANT = 0.05
# Without a bound of the recipe: an agreement surely below this is of a broken file, whatever its accuracy.
_LEAST_AGREEMENT = 0.9
_MOST_NAMED = 5


@dataclass(frozen=True)
class Twin:
    """Probabilities of photos [N, C] of a file and as ``expected``, those of its float twin, with the ``truth``.

    ``metric`` is what the loss is measured by, and both have thresholds where photos have tags.
    """

    truth: Truth
    probabilities: NDArray[np.float32]
    expected: NDArray[np.float32]
    ids: tuple[str, ...]
    metric: Metric
    thresholds: tuple[float, ...] = ()
    expected_thresholds: tuple[float, ...] = ()


def judge_twin(result: CheckRow, gates: ParityGates, twin: Twin) -> tuple[GateResult, ...]:
    """The gates of a file against its float twin."""
    loss, agreement = (_tag_loss_gate, _tag_agreement_gate) if has_tags(twin.truth) else (_loss_gate, _agreement_gate)
    results = [loss(result, gates.max_accuracy_drop, twin), agreement(result, gates.min_agreement, twin)]
    if gates.max_difference is not None:
        value, bar = float(result.largest_difference or 0.0), gates.max_difference
        text = f"a probability differs from {result.agreement_with} by up to {value:.3f} (allowed {bar:.3f})"
        results.append(GateResult(f"{result.row}: largest difference", value, bar, value <= bar, text))
    return tuple(results)


def _loss_gate(result: CheckRow, max_drop: float | None, twin: Twin) -> GateResult:
    predictions, expected = twin.probabilities.argmax(axis=1), twin.expected.argmax(axis=1)
    lost, gained = paired_changes(twin.truth, expected, predictions)
    points = 100 * (lost - gained) / len(twin.truth)
    text = f"{100 * (gained - lost) / len(twin.truth):+.1f} points of accuracy against {result.agreement_with}: "
    text += f"{lost} photos lost, {gained} gained"
    if max_drop is not None:
        # Rounding in the points themselves is no loss.
        passed, bar = points <= max_drop + 1e-9, max_drop
        text += f", {max_drop:g} points allowed"
    else:
        p_value = label_loss_p(twin.truth, expected, predictions)
        passed, bar = p_value >= _SIGNIFICANT, 0.0
        text += "" if lost <= gained else f", {'not ' if passed else ''}significant (p = {p_value:.2g})"
    return GateResult(f"{result.row}: loss", points, bar, passed, text)


def _agreement_gate(result: CheckRow, bar: float | None, twin: Twin) -> GateResult:
    same, agreement = same_answers(twin.probabilities, twin.expected, OUTPUT_STEP), result.agreement
    assert agreement is not None
    equal = agreement.n - agreement.differing
    text = f"the same prediction as {result.agreement_with} on {equal} of {agreement.n} photos"
    text += _near_ties(agreement)
    if bar is None:
        passed = wilson(equal, agreement.n).high >= _LEAST_AGREEMENT
        text += "" if passed else f", surely below {_LEAST_AGREEMENT:.0%}"
    else:
        passed = agreement.value >= bar
        text += f", {bar:.1%} required"
    if not passed:
        text += _where(twin.ids, same)
    bar = _LEAST_AGREEMENT if bar is None else bar
    return GateResult(f"{result.row}: agreement", agreement.value, bar, passed, text)


def _tag_loss_gate(result: CheckRow, max_drop: float | None, twin: Twin) -> GateResult:
    name = metric_name(twin.metric)
    expected, answers = twin.expected.astype(np.float64), twin.probabilities.astype(np.float64)
    if twin.metric != "mean_average_precision":
        # Each file decides by its own thresholds.
        expected = decide_tags(expected, twin.expected_thresholds).astype(np.float64)
        answers = decide_tags(answers, twin.thresholds).astype(np.float64)
    change = gain(twin.metric, twin.truth, expected, answers)
    points = -100 * change.value
    text = f"{_points(change)} points of {name} against {result.agreement_with}"
    if max_drop is not None:
        # Rounding in the points themselves is no loss.
        passed, bar = points <= max_drop + 1e-9, max_drop
        text += f", {max_drop:g} points allowed"
    else:
        p_value = loss_p(twin.metric, twin.truth, expected, answers)
        passed, bar = p_value >= _SIGNIFICANT, 0.0
        text += "" if points <= 0 else f", {'not ' if passed else ''}significant (p = {p_value:.2g})"
    return GateResult(f"{result.row}: loss", points, bar, passed, text)


def _tag_agreement_gate(result: CheckRow, bar: float | None, twin: Twin) -> GateResult:
    agreement = result.agreement
    assert agreement is not None
    same = same_tags(twin.probabilities, twin.expected, OUTPUT_STEP, twin.thresholds, twin.expected_thresholds)
    twin_tags = decide_tags(twin.expected, twin.expected_thresholds)
    # Most tags are absent from most photos: a file that gives none agrees on these.
    either = twin_tags | decide_tags(twin.probabilities, twin.thresholds)
    shared, of_given = int((either & same).sum()), int(either.sum())
    f1 = f1_of_share(wilson(shared, of_given)) if of_given else Interval(1.0, 1.0, 1.0)
    equal = agreement.n - agreement.differing
    text = f"the same decision as {result.agreement_with} on {equal} of {agreement.n} tags of {len(same)} photos"
    text += f"{_near_ties(agreement)}; F1 with its tags as the truth {f1.value:.1%}"
    if bar is None:
        passed = f1.high >= _LEAST_AGREEMENT
        text += "" if passed else f", surely below {_LEAST_AGREEMENT:.0%}"
    else:
        passed = agreement.value >= bar
        text += f", {bar:.1%} of the decisions required"
    if not passed:
        text += _where(twin.ids, np.asarray(same.all(axis=1)))
    value, least = (f1.value, _LEAST_AGREEMENT) if bar is None else (agreement.value, bar)
    return GateResult(f"{result.row}: agreement", value, least, passed, text)


def _points(change: Interval) -> str:
    low, high = (f"{100 * end:+.1f}" for end in (change.low, change.high))
    return f"{100 * change.value:+.1f} ({low} to {high})"


def _near_ties(agreement: Agreement) -> str:
    count = agreement.near_ties
    return f", {count} near tie{'s' * (count > 1)} among them" if count else ""


def _where(ids: Sequence[str], same: NDArray[np.bool_]) -> str:
    places = np.flatnonzero(~same)
    names = ", ".join(ids[place] for place in places[:_MOST_NAMED])
    return f"; it differs on {names}{' and more' if len(places) > _MOST_NAMED else ''}"
