"""Fits what a file says of its own probabilities: temperature, threshold of rejection, thresholds of tags."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.decisions.graph import cut_to_logits, finish_graph, output_step
from edgekd.decisions.quality import measure_calibration
from edgekd.decisions.rejection import (
    FEW_PHOTOS,
    Rejection,
    certainty,
    choose_threshold,
    rejection_curve,
    separation,
    shares_at,
)
from edgekd.decisions.temperature import Temperature, fit_temperature
from edgekd.decisions.thresholds import best_f1_thresholds
from edgekd.errors import ExportError
from edgekd.formats.decision import Decision
from edgekd.quantize.run_tflite import run_tflite
from edgekd.task import Task


@dataclass(frozen=True)
class LabelledImages:
    """Model inputs uint8 [N, H, W, 3], and what is true of them: labels [N] or, where they are tags, targets [N, C]."""

    images: NDArray[np.uint8]
    truth: NDArray[np.integer]


@dataclass(frozen=True)
class DecisionPlan:
    """What to fit for files of ``labels``. ``reject`` goes with one label a photo, ``thresholds`` with tags.

    ``must_calibrate`` makes a graph that can't take a temperature an error, where it is otherwise a note.
    """

    labels: tuple[str, ...]
    task: Task = "single-label"
    none_label: str | None = None
    calibrate: bool = True
    must_calibrate: bool = False
    reject: bool = False
    keep: float = 0.95
    thresholds: Literal["f1"] | float = "f1"

    @property
    def has_tags(self) -> bool:
        """Whether photos have any number of labels."""
        return self.task == "multi-label"

    @property
    def none_class(self) -> int | None:
        """The number of the class of foreign photos, where there is one."""
        return None if self.none_label is None else self.labels.index(self.none_label)


@dataclass(frozen=True)
class FileDecision:
    """What is written into one file: the temperature that divides its logits, and the decision in its record."""

    temperature: float = 1.0
    decision: Decision = field(default_factory=Decision)

    @property
    def is_default(self) -> bool:
        """Whether nothing was fitted: the file is as the converter made it."""
        return self == FileDecision()

    def finish(self, content: bytes) -> bytes:
        """The converted .tflite with what was fitted in its graph. Raises ExportError."""
        return content if self.is_default else finish_graph(content, self.temperature)

    @property
    def decision_or_none(self) -> Decision | None:
        """The decision for a record; None for the default, which is what a file without one has."""
        return None if self.decision == Decision() else self.decision

    def as_json(self) -> dict[str, Any]:
        """What ``from_json`` reads."""
        return {"temperature": self.temperature, "decision": self.decision.as_json()}

    @classmethod
    def from_json(cls, value: Any, labels: Sequence[str]) -> FileDecision:
        """Read what ``as_json`` wrote. Raises ValueError."""
        return cls(float(value["temperature"]), Decision.from_json(value["decision"], labels))


def fit_file(
    content: bytes, plan: DecisionPlan, validation: LabelledImages, test: LabelledImages | None = None
) -> tuple[FileDecision, dict[str, Any]]:
    """Fit a converted .tflite of batch 1 on validation photos; test photos only measure what was chosen.

    Returns:
        What to write into every file made of it, and the summary: ``temperature``, ``calibration``, ``rejection`` and
        ``thresholds``, each None where it was not asked for; edgekd/reference/decisions.md describes the keys.

    Raises:
        ExportError: The graph does not take a temperature, and ``must_calibrate`` is set.
    """
    before = run_tflite(content, validation.images)
    temperature, calibrated, after = _calibrate(content, plan, validation, before)
    summary: dict[str, Any] = {"temperature": None, "calibration": None, "rejection": None, "thresholds": None}
    tested = [] if test is None or not len(test.images) else [("test", test, run_tflite(calibrated, test.images))]
    splits = [("validation", validation, after), *tested]
    if temperature is not None:
        summary["temperature"] = {**vars(temperature), "note": temperature.note}
        untouched = {"validation": before} | {name: run_tflite(content, one.images) for name, one, _ in tested}
        summary["calibration"] = {
            name: {
                "before": measure_calibration(untouched[name], photos.truth).as_json(),
                "after": measure_calibration(rows, photos.truth).as_json(),
            }
            for name, photos, rows in splits
        }
    step = _step_of(calibrated)
    rejection = None
    if plan.reject:
        rejection, summary["rejection"] = _reject(plan, splits, step)
    thresholds: tuple[float, ...] = ()
    if plan.has_tags:
        thresholds, summary["thresholds"] = _tag_thresholds(plan, validation.truth, after, step)
    decision = Decision(
        plan.task, thresholds, None if rejection is None else rejection.below, plan.none_label, _words(temperature)
    )
    return FileDecision(1.0 if temperature is None else temperature.value, decision), summary


def _calibrate(
    content: bytes, plan: DecisionPlan, photos: LabelledImages, before: NDArray[np.float32]
) -> tuple[Temperature | None, bytes, NDArray[np.float32]]:
    """The temperature, the .tflite with it, and what that gives for the photos."""
    finished = finish_graph(content, 1.0)
    same = finished, before if finished == content else run_tflite(finished, photos.images)
    if not plan.calibrate:
        return None, *same
    try:
        logits = run_tflite(cut_to_logits(content), photos.images)
        fitted = fit_temperature(logits, photos.truth)
        calibrated = finish_graph(content, fitted.value)
    except ExportError as error:
        if plan.must_calibrate:
            raise
        return _uncalibrated(len(before), f"not calibrated: {error}"), *same
    after = run_tflite(calibrated, photos.images)
    changed = 0 if plan.has_tags else int((same[1].argmax(axis=1) != after.argmax(axis=1)).sum())
    if changed:
        reason = f"not calibrated: {changed} of {len(after)} answers would change, where two classes become equal"
        return _uncalibrated(len(before), reason), *same
    return fitted, calibrated, after


def _uncalibrated(photos: int, reason: str) -> Temperature:
    return Temperature(1.0, photos, 0.0, 0.0, reason)


def _words(temperature: Temperature | None) -> dict[str, Any] | None:
    """What the record says of the calibration."""
    if temperature is None or temperature.value == 1.0:
        return None
    return {
        "method": "temperature", "temperature": temperature.value, "fitted_on": "validation",
        "photos": temperature.photos,
    }  # fmt: skip


def _reject(
    plan: DecisionPlan, splits: list[tuple[str, LabelledImages, NDArray[np.float32]]], step: float
) -> tuple[Rejection, dict[str, Any]]:
    pairs = {}
    for name, photos, rows in splits:
        sure = certainty(rows, plan.none_class)
        foreign = np.zeros(len(sure), bool) if plan.none_class is None else photos.truth == plan.none_class
        pairs[name] = sure[~foreign], sure[foreign]
    chosen = choose_threshold(pairs["validation"][0], plan.keep)
    if chosen.below is not None:
        chosen = Rejection(between_steps(chosen.below, step), chosen.kept, chosen.photos)
    note = chosen.reason
    if note is None and chosen.photos < FEW_PHOTOS:
        note = f"the threshold was chosen on {chosen.photos} validation photos, which are few"
    return chosen, {
        "keep": plan.keep,
        "reject_below": chosen.below,
        **{name: shares_at(chosen.below or 0.0, *pair) for name, pair in pairs.items()},
        "curve": {name: rejection_curve(*pair) for name, pair in pairs.items()},
        "separation": {name: separation(*pair) for name, pair in pairs.items()},
        "note": note,
    }


def _tag_thresholds(
    plan: DecisionPlan, targets: NDArray[np.integer], rows: NDArray[np.float32], step: float
) -> tuple[tuple[float, ...], dict[str, Any]]:
    if plan.thresholds != "f1":
        values: tuple[float, ...] = (float(plan.thresholds),) * len(plan.labels)
        return values, {"values": list(values), "chosen_by": "the recipe", "shared": []}
    best = best_f1_thresholds(targets, rows)
    values = tuple(between_steps(value, step) for value in best.values)
    return values, {
        "values": list(values), "chosen_by": "f1", "shared": [plan.labels[tag] for tag in best.shared]
    }  # fmt: skip


def between_steps(threshold: float, step: float) -> float:
    """A threshold halfway between two values that a file with this output ``step`` can give; 0 leaves it as it is."""
    return threshold if step == 0 else (math.ceil(threshold / step - 1e-9) - 0.5) * step


def _step_of(content: bytes) -> float:
    try:
        return output_step(content)
    except ExportError:
        # A file whose last op computes in float, or one that is no softmax.
        return 0.0
