"""From the cheapest int8 file to the dearest, until one keeps the accuracy that was asked for.

The steps: ranges from the least to the largest value; ranges by percentile, then by mean squared error; the ops that
lose most, in float; training with the quantization in the loop. Each is judged by what its file answers for validation
photos, beside the float student's .tflite.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import DataError, EdgekdError, ExportError, GateFailed, ModelError
from edgekd.metrics import Interval, accuracy, balanced_accuracy, mcnemar_p
from edgekd.quantize.calibration import Calibrated, calibrate
from edgekd.quantize.float_model import Source
from edgekd.quantize.ladder_step import Step
from edgekd.quantize.ptq import Conversion, Output, for_any_cpu, int8_of, to_float32
from edgekd.quantize.ranges import RANGE_METHODS, with_ranges
from edgekd.quantize.run_tflite import probabilities_of
from edgekd.quantize.sensitivity import Sensitivity, mean_divergence, sensitivities

Metric = Literal["accuracy", "balanced_accuracy"]
Say = Callable[[str], None]
# Beyond this share of its ops in float a file is hardly int8 any more.
_MOST_FLOAT = 0.5


@dataclass(frozen=True)
class Rung:
    """A step's ``name``, and what makes its file; nothing is computed before it is reached."""

    name: str
    make: Callable[[], Conversion]


@dataclass(frozen=True)
class Judge:
    """Validation ``images`` uint8 [N, H, W, 3] with ``labels`` [N], and the float student's ``answers`` [N] to them."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    answers: NDArray[np.int64]
    metric: Metric

    @classmethod
    def of(cls, float32: bytes, images: NDArray[np.uint8], labels: NDArray[np.int64], metric: Metric) -> Judge:
        """With the answers of the float .tflite. Raises DataError where there are no photos."""
        if not len(images):
            raise DataError("max_drop is judged by validation photos, and there are none. Set their share in the split")
        return cls(images, labels, probabilities_of(float32, images).argmax(axis=1), metric)

    def score(self, answers: NDArray[np.int64]) -> Interval:
        """The metric of answers [N]."""
        return (balanced_accuracy if self.metric == "balanced_accuracy" else accuracy)(self.labels, answers)


@dataclass(frozen=True)
class Climb:
    """The ``steps`` that were taken, and the ``conversion`` of the one that holds; None where none does.

    ``sensitivities`` of the ops, the highest first, where it came to measuring them; ``failures`` say which steps
    could not be taken, and why.
    """

    max_drop: float
    metric: Metric
    photos: int
    float_score: Interval
    steps: tuple[Step, ...]
    conversion: Conversion | None
    sensitivities: tuple[Sensitivity, ...] = ()
    failures: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All but the file, as a JSON object."""
        return {
            "max_drop": self.max_drop, "metric": self.metric, "photos": self.photos,
            "float": self.float_score.as_json(), "steps": [step.to_json() for step in self.steps],
            "failures": list(self.failures),
            "sensitivities": [{"op": str(one.op), "divergence": one.divergence} for one in self.sensitivities],
        }  # fmt: skip

    def required(self) -> Conversion:
        """The conversion that holds. Raises GateFailed saying what each step gave."""
        if self.conversion is None:
            best = min(self.steps, key=lambda step: step.drop_points)
            raise GateFailed(
                f"no int8 file is within {self.max_drop:g} points of the float student's {self.float_score.value:.1%} "
                f"on {self.photos} validation photos; the best, {best.name}, is {best.drop_points:.2f} below. Allow "
                "more (max_drop), give more photos to calibrate and to judge with, or take another student\n  "
                + "\n  ".join([*map(str, self.steps), *self.failures])
            )
        return self.conversion


def climb_ladder(
    source: Source,
    calibration: NDArray[np.uint8],
    validation: tuple[NDArray[np.uint8], NDArray[np.int64]],
    metric: Metric,
    max_drop: float,
    *,
    output: Output = "float32",
    any_cpu: bool = False,
    aware: Callable[[], Conversion] | None = None,
    say: Say = lambda _text: None,
    reference: Source | None = None,
) -> Climb:
    """Climb the ladder for a float student: ``calibration`` uint8 [N, H, W, 3], ``validation`` images and labels.

    The drop is counted from ``reference``, where that is another than the ``source`` itself. ``any_cpu``: every step is
    judged as the file that an .onnx is made of, see ``saturation``.

    Raises: DataError where there is no validation photo; ExportError.
    """
    judge = Judge.of(to_float32(reference or source).content, *validation, metric)
    found: list[Sensitivity] = []

    def measured(worst: tuple[Sensitivity, ...]) -> None:
        found.extend(worst)
        say("most sensitive: " + ", ".join(f"{one.op} ({one.divergence:.2g} nats)" for one in worst[:5]))

    rungs = ladder(calibrate(source, calibration), output, measured, aware, any_cpu=any_cpu)
    climbed = climb(rungs, judge, max_drop, say)
    return replace(climbed, sensitivities=tuple(found))


def climb(rungs: Iterable[Rung], judge: Judge, max_drop: float, say: Say) -> Climb:
    """Take the steps in order until one loses no more than ``max_drop`` points; ``say`` is told of each.

    A step that cannot be taken is told and passed over. Raises its error where none can.
    """
    reference = judge.score(judge.answers)
    say(f"float student: {reference.value:.1%} on {len(judge.labels)} validation photos; may lose {max_drop:g} points")
    if len(judge.labels) * max_drop < 100 and max_drop > 0:
        say(f"a single photo of {len(judge.labels)} is {100 / len(judge.labels):.1f} points: none may be lost")
    steps: list[Step] = []
    errors: dict[str, EdgekdError] = {}
    kept: Conversion | None = None
    for rung in rungs:
        started = time.monotonic()
        try:
            conversion = rung.make()
            seconds = time.monotonic() - started
            steps.append(_judged(rung.name, conversion, judge, reference, max_drop, seconds))
        except (ModelError, ExportError) as error:
            errors[f"{rung.name}: not possible: {error}"] = error
            say(next(reversed(errors)))
            continue
        say(str(steps[-1]))
        if steps[-1].holds:
            kept = conversion
            break
    if not steps and errors:
        raise next(iter(errors.values()))
    return Climb(max_drop, judge.metric, len(judge.labels), reference, tuple(steps), kept, failures=tuple(errors))


def ladder(
    calibrated: Calibrated,
    output: Output,
    measured: Callable[[tuple[Sensitivity, ...]], None],
    aware: Callable[[], Conversion] | None = None,
    *,
    any_cpu: bool = False,
) -> Iterator[Rung]:
    """The rungs, the cheapest first; ``measured`` is told what each op loses, ``aware`` trains in int8."""
    ranged = {str(RANGE_METHODS[0]): calibrated}
    for method in RANGE_METHODS:

        def by_ranges(method: Any = method) -> Conversion:
            ranged[method] = with_ranges(calibrated, method)
            return int8_of(ranged[method], output, any_cpu=any_cpu)

        yield Rung(f"ranges by {method}", by_ranges)
    # Ranges are of no account in float: one run of it serves all.
    wanted = probabilities_of(calibrated.content, np.concatenate(list(calibrated.inputs())))
    best = min(ranged.values(), key=lambda one: _divergence(wanted, one))
    worst = sensitivities(best)
    measured(worst)
    count = 1
    while count <= _MOST_FLOAT * len(worst):
        kept = tuple(str(one.op) for one in worst[:count])

        def with_floats(kept: tuple[str, ...] = kept) -> Conversion:
            return int8_of(best, output, float_ops=kept, any_cpu=any_cpu)

        method = best.record["calibration_method"]
        yield Rung(f"ranges by {method}, {count} op{'s' * (count > 1)} of {len(worst)} in float", with_floats)
        count *= 2
    if aware is not None:
        trained = aware
        yield Rung("quantization-aware training", lambda: for_any_cpu(trained()) if any_cpu else trained())


def _divergence(wanted: NDArray[np.float32], calibrated: Calibrated) -> float:
    """How far the int8 file's probabilities are from the float graph's [N, C] over the calibration images, in nats."""
    return mean_divergence(wanted, probabilities_of(int8_of(calibrated).content, calibrated.images))


def _judged(
    name: str, conversion: Conversion, judge: Judge, reference: Interval, max_drop: float, seconds: float
) -> Step:
    answers = probabilities_of(conversion.content, judge.images).argmax(axis=1)
    score = judge.score(answers)
    drop = 100 * (reference.value - score.value)
    right, wanted = answers == judge.labels, judge.answers == judge.labels
    return Step(
        name, score, drop, int((wanted & ~right).sum()), int((right & ~wanted).sum()),
        mcnemar_p(judge.labels, judge.answers, answers), len(conversion.content), round(seconds, 1),
        # A difference of rounding is not one of photos.
        drop <= max_drop + 1e-9,
    )  # fmt: skip
