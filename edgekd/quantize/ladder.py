"""Tries int8 conversions in order of cost until one meets the accuracy bound.

The steps: min-max calibration; percentile calibration; calibration by mean squared error; the best of these with
corrected biases; the most sensitive ops kept in float; quantization-aware training. Each step is judged by the
predictions of its file on validation photos, compared with those of the float student's .tflite.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import DataError, EdgekdError, ExportError, GateFailed, ModelError
from edgekd.metrics import OUTPUT_STEP, Interval
from edgekd.quantize.calibration import calibrate
from edgekd.quantize.float_model import FloatModel
from edgekd.quantize.ladder_step import Step, StepRecord
from edgekd.quantize.ptq import Conversion, Output, find_float_ops, to_float32
from edgekd.quantize.run_tflite import run_tflite
from edgekd.quantize.rungs import Rung, ladder
from edgekd.quantize.sensitivity import Sensitivity
from edgekd.scoring import Answers, Truth, agreement, answers_of, changes, difference_p, has_tags, score, task_of
from edgekd.task import METRICS, Metric

Say = Callable[[str], None]
# Agreement with the float student that a guarantee includes where no other is set.
_MIN_AGREEMENT = 0.98


@dataclass(frozen=True)
class Judge:
    """Validation ``images`` uint8 [N, H, W, 3] with ``labels`` [N], and the float student's probabilities [N, C].

    A file must predict the float student's class on a share ``min_agreement`` of the images, the
    ``unlabelled`` ones [M, H, W, 3] included; near ties (see ``same_answers``) count as equal. Where ``labels`` are
    tags [N, C], it is the share of decisions on tags, from a probability of 0.5 on.
    """

    images: NDArray[np.uint8]
    labels: Truth
    expected: NDArray[np.floating]
    metric: Metric
    min_agreement: float = 0.0
    unlabelled: NDArray[np.uint8] | None = None
    unlabelled_expected: NDArray[np.floating] | None = None

    @property
    def predictions(self) -> Answers:
        """The float student's answers, as ``scoring`` takes them."""
        return self.answers(self.expected)

    def answers(self, probabilities: NDArray[np.floating]) -> Answers:
        """What probabilities [N, C] answer, as ``scoring`` takes it."""
        return answers_of(probabilities, task_of(self.labels))

    @classmethod
    def from_float_file(
        cls,
        float32: bytes,
        images: NDArray[np.uint8],
        labels: Truth,
        metric: Metric,
        min_agreement: float = 0.0,
        unlabelled: NDArray[np.uint8] | None = None,
    ) -> Judge:
        """Run the float .tflite for the reference predictions. Raises DataError if there are no photos."""
        if not len(images):
            raise DataError("max_drop needs validation photos, and there are none. Set their share in the split")
        expected = run_tflite(float32, images)
        if unlabelled is None:
            return cls(images, labels, expected, metric, min_agreement)
        return cls(images, labels, expected, metric, min_agreement, unlabelled, run_tflite(float32, unlabelled))

    def agreement(self, content: bytes, probabilities: NDArray[np.floating]) -> float:
        """Share of images for which a .tflite, which gives ``probabilities`` [N, C], predicts the float class."""
        expected = self.expected
        if self.unlabelled is not None and self.unlabelled_expected is not None:
            probabilities = np.concatenate([probabilities, run_tflite(content, self.unlabelled)])
            expected = np.concatenate([expected, self.unlabelled_expected])
        return agreement(probabilities, expected, task_of(self.labels), OUTPUT_STEP).value

    def score(self, answers: Answers) -> Interval:
        """The metric of answers."""
        return score(self.metric, self.labels, answers)


def least_agreement(min_agreement: float | None) -> float:
    """The agreement with the float student that a guarantee includes: the user's, else 98 %."""
    return _MIN_AGREEMENT if min_agreement is None else min_agreement


class SensitivityRecord(TypedDict):
    """An op's sensitivity in JSON."""

    op: str
    divergence: float


class LadderRecord(TypedDict):
    """A ``Climb`` in JSON, without its file."""

    max_drop: float
    metric: Metric
    photos: int
    float: dict[str, float]
    steps: list[StepRecord]
    failures: list[str]
    sensitivities: list[SensitivityRecord]


@dataclass(frozen=True)
class Climb:
    """The ``steps`` that were tried, and the ``conversion`` of the one that holds; None if none does.

    ``sensitivities`` of the ops, the highest first, if they were measured; ``failures`` are the steps that
    could not be tried, with the reason.
    """

    max_drop: float
    metric: Metric
    photos: int
    float_score: Interval
    steps: tuple[Step, ...]
    conversion: Conversion | None
    sensitivities: tuple[Sensitivity, ...] = ()
    failures: tuple[str, ...] = ()
    min_agreement: float = 0.0

    def to_json(self) -> LadderRecord:
        """Everything but the file, as a JSON object."""
        return {
            "max_drop": self.max_drop, "metric": self.metric, "photos": self.photos,
            "float": self.float_score.as_json(), "steps": [step.to_json() for step in self.steps],
            "failures": list(self.failures),
            "sensitivities": [{"op": str(entry.op), "divergence": entry.divergence} for entry in self.sensitivities],
        }  # fmt: skip

    def require(self) -> Conversion:
        """Return the conversion that holds. Raises GateFailed listing the result of each step."""
        if self.conversion is None:
            best = min(self.steps, key=self._shortfall)
            same = f" and {self._agrees(self.min_agreement)}" if self.min_agreement else ""
            sensitive = ", ".join(str(entry.op) for entry in self.sensitivities[:3])
            side = "above" if best.drop_points < 0 else "below"
            by_hand = f"float_ops: {sensitive}" if sensitive else "float_ops"
            raise GateFailed(
                f"no int8 file is within {self.max_drop:g} points of the float student's {self.float_score.value:.1%} "
                f"on {self.photos} validation photos{same}; the nearest, {best.name}, is "
                f"{abs(best.drop_points):.2f} points {side} and agrees on {best.agreement or 0.0:.1%}. Allow more "
                "(max_drop, min_agreement), use more photos to calibrate and to judge with, add the precision int16x8, "
                f"keep more ops in float by hand ({by_hand}), or choose another student\n  "
                + "\n  ".join([*map(str, self.steps), *self.failures])
            )
        return self.conversion

    def _agrees(self, share: float) -> str:
        if self.metric in METRICS["multi-label"]:
            return f"takes {share:.1%} of its decisions on tags"
        return f"predicts its class on {share:.1%} of them"

    def _shortfall(self, step: Step) -> float:
        missing = self.min_agreement - (step.agreement or 0.0)
        return max(step.drop_points - self.max_drop, 0.0) + 100 * max(missing, 0.0)


def climb_ladder(
    float_model: FloatModel,
    calibration: NDArray[np.uint8],
    validation: tuple[NDArray[np.uint8], Truth],
    metric: Metric,
    max_drop: float,
    *,
    output: Output = "float32",
    any_cpu: bool = False,
    train_qat: Callable[[], Conversion] | None = None,
    say: Say = lambda _text: None,
    reference: FloatModel | None = None,
    min_agreement: float = 0.0,
    per_channel: bool = True,
) -> Climb:
    """Climb the ladder for a float student: ``calibration`` uint8 [N, H, W, 3], ``validation`` images and labels.

    The labels are class numbers [N], or tags [N, C]. The drop is measured against ``reference`` (default:
    ``float_model``). With ``any_cpu`` every step is judged as the file that an .onnx is made from, see ``saturation``.
    ``train_qat`` trains and converts the last step.
    A step also fails if its file predicts the reference's class on less than ``min_agreement`` of the photos, those
    of ``calibration`` included. Ops without an int8 form stay float in every step. ``per_channel`` is as in
    ``to_int8``.

    Raises: DataError if there is no validation photo; ExportError.
    """
    judge = Judge.from_float_file(
        to_float32(reference or float_model).content, *validation, metric, min_agreement,
        calibration if min_agreement else None,
    )  # fmt: skip
    measured: list[Sensitivity] = []

    def report(worst: tuple[Sensitivity, ...]) -> None:
        measured.extend(worst)
        say("most sensitive: " + ", ".join(f"{entry.op} ({entry.divergence:.2g} nats)" for entry in worst[:5]))

    calibrated = calibrate(float_model, calibration, per_channel=per_channel)
    float_ops = find_float_ops(calibrated)
    if float_ops:
        say(f"no int8 form, stays float: {', '.join(float_ops)}")
    rungs = ladder(calibrated, output, report, train_qat, any_cpu=any_cpu, float_ops=float_ops)
    result = climb(rungs, judge, max_drop, say)
    return replace(result, sensitivities=tuple(measured))


def climb(rungs: Iterable[Rung], judge: Judge, max_drop: float, say: Say) -> Climb:
    """Try the steps in order until one loses at most ``max_drop`` points; each is reported through ``say``.

    A step that fails is reported and skipped. Raises the first error if all fail.
    """
    reference = judge.score(judge.predictions)
    say(f"float student: {reference.value:.1%} on {len(judge.labels)} validation photos; may lose {max_drop:g} points")
    if len(judge.labels) * max_drop < 100 and max_drop > 0 and not has_tags(judge.labels):
        say(f"a single photo of {len(judge.labels)} is {100 / len(judge.labels):.1f} points: none may be lost")
    steps: list[Step] = []
    errors: dict[str, EdgekdError] = {}
    best_conversion: Conversion | None = None
    for rung in rungs:
        started = time.monotonic()
        try:
            conversion = rung.make()
            seconds = time.monotonic() - started
            steps.append(_judge_step(rung.name, conversion, judge, reference, max_drop, seconds))
        except (ModelError, ExportError) as error:
            errors[f"{rung.name}: not possible: {error}"] = error
            say(next(reversed(errors)))
            continue
        say(str(steps[-1]))
        if steps[-1].holds:
            best_conversion = conversion
            break
    if not steps and errors:
        raise next(iter(errors.values()))
    return Climb(
        max_drop,
        judge.metric,
        len(judge.labels),
        reference,
        tuple(steps),
        best_conversion,
        failures=tuple(errors),
        min_agreement=judge.min_agreement,
    )


def _judge_step(
    name: str, conversion: Conversion, judge: Judge, reference: Interval, max_drop: float, seconds: float
) -> Step:
    probabilities = run_tflite(conversion.content, judge.images)
    answers, expected = judge.answers(probabilities), judge.predictions
    step_score = judge.score(answers)
    drop = 100 * (reference.value - step_score.value)
    same = judge.agreement(conversion.content, probabilities)
    return Step(
        name, step_score, drop, *changes(judge.labels, expected, answers),
        difference_p(judge.metric, judge.labels, expected, answers), len(conversion.content), round(seconds, 1),
        # Tolerates rounding in the drop itself.
        drop <= max_drop + 1e-9 and same >= judge.min_agreement,
        same,
    )  # fmt: skip
