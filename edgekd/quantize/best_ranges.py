"""The calibration method of the int8 file that answers most like the float student.

Which method is best depends on the network and the photos: outliers of activations are noise in one and carry the
answer in another. All of them are made, which takes seconds, with and without corrected biases, and held against the
float student's .tflite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError
from edgekd.metrics import OUTPUT_STEP, Agreement
from edgekd.quantize.bias_correction import correct_bias
from edgekd.quantize.calibration import CalibratedModel, calibrate, check_images
from edgekd.quantize.calibration_method import CALIBRATION_METHODS, CalibrationMethod, Ranges, set_ranges
from edgekd.quantize.float_model import FloatModel
from edgekd.quantize.histogram import compute_histograms
from edgekd.quantize.ptq import Conversion, Output, quantize_int8, to_int8
from edgekd.quantize.run_tflite import find_task, run_tflite
from edgekd.quantize.sensitivity import compute_divergence
from edgekd.scoring import agreement

# Photos that methods are compared on: enough to tell them apart, few enough for seconds.
_MOST_PHOTOS = 256
# A divergence is smaller by more than chance from this share of another on.
_CLEARLY = 0.9


@dataclass(frozen=True)
class Candidate:
    """An int8 conversion by one ``method``, its agreement with the float student, and its divergence in nats.

    ``bias_corrected`` are those whose biases were corrected after it, see ``bias_correction``.
    """

    method: CalibrationMethod
    conversion: Conversion
    agreement: Agreement
    divergence: float
    bias_corrected: bool = False

    def is_better_than(self, other: Candidate) -> bool:
        """Whether it answers more like the float student; between equals a clearly smaller divergence decides."""
        if self.agreement.value != other.agreement.value:
            return self.agreement.value > other.agreement.value
        return self.divergence < _CLEARLY * other.divergence

    def __str__(self) -> str:
        return f"{self.method}{' with bias correction' * self.bias_corrected} {self.agreement.value:.1%}"


def convert_int8(
    float_model: FloatModel,
    calibration: NDArray[np.uint8],
    output: Output = "float32",
    *,
    ranges: Ranges = "best",
    validation: NDArray[np.uint8] | None = None,
    float_ops: tuple[str, ...] = (),
    any_cpu: bool = False,
    per_channel: bool = True,
) -> Conversion:
    """``to_int8`` by the method of ``ranges``, or by the best one on ``validation`` and ``calibration`` photos.

    ``validation`` is uint8 [N, H, W, 3] like ``calibration``; labels take no part. Of equally good ones the first of
    ``CALIBRATION_METHODS`` is taken.

    Raises: what ``to_int8`` raises; with "best", where every method fails.
    """
    if ranges != "best":
        return to_int8(
            float_model, calibration, output, ranges=ranges, float_ops=float_ops, any_cpu=any_cpu,
            per_channel=per_channel,
        )  # fmt: skip
    calibrated = calibrate(float_model, calibration, per_channel=per_channel)
    photos = calibration if validation is None else np.concatenate([validation, calibration])
    check_images(photos, float_model.height, float_model.width)
    compared_on = photos[:_MOST_PHOTOS]
    expected = _expected(calibrated, compared_on)
    found = candidates(calibrated, compared_on, output, float_ops=float_ops, any_cpu=any_cpu, expected=expected)
    corrected = [with_bias_correction(candidate, calibrated, compared_on, expected) for candidate in found]
    found += [candidate for candidate in corrected if candidate is not None]
    best = choose(found)
    agreements = ", ".join(map(str, found))
    what = "decisions on tags" if find_task(calibrated.content) == "multi-label" else "photos"
    compared = f"{agreements} of {best.agreement.n} {what} answered like the float student"
    return replace(best.conversion, record={**best.conversion.record, "calibration_methods_compared": compared})


def with_bias_correction(
    candidate: Candidate, calibrated: CalibratedModel, photos: NDArray[np.uint8], expected: NDArray[np.float32]
) -> Candidate | None:
    """The candidate of a calibrated model with corrected biases, compared with what the float model gives for photos.

    ``photos`` are uint8 [N, H, W, 3], ``expected`` [N, C]. None if it has no biases to correct.
    """
    conversion = correct_bias(candidate.conversion, calibrated)
    if conversion is None:
        return None
    return _compare(candidate.method, conversion, photos, expected, bias_corrected=True)


def _compare(
    method: CalibrationMethod,
    conversion: Conversion,
    photos: NDArray[np.uint8],
    expected: NDArray[np.float32],
    *,
    bias_corrected: bool = False,
) -> Candidate:
    """A conversion, held against what the float model gives for photos."""
    actual = run_tflite(conversion.content, photos)
    task = find_task(conversion.content)
    same = agreement(actual, expected, task, OUTPUT_STEP)
    return Candidate(method, conversion, same, compute_divergence(expected, actual, task), bias_corrected)


def _expected(calibrated: CalibratedModel, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The float model's probabilities [N, C] for photos."""
    return run_tflite(calibrated.content, np.concatenate(list(replace(calibrated, images=photos).inputs())))


def choose(found: Sequence[Candidate]) -> Candidate:
    """The best candidate; the first of those that are equally good."""
    best = found[0]
    for candidate in found[1:]:
        if candidate.is_better_than(best):
            best = candidate
    return best


def candidates(
    calibrated: CalibratedModel,
    photos: NDArray[np.uint8],
    output: Output = "float32",
    *,
    float_ops: tuple[str, ...] = (),
    any_cpu: bool = False,
    expected: NDArray[np.float32] | None = None,
) -> list[Candidate]:
    """Convert by every method, and compare each with the float model on ``photos`` uint8 [N, H, W, 3].

    ``expected`` [N, C] is what the float model gives for them, where that is known already. Methods that fail are left
    out. Raises the first ExportError if all fail.
    """
    histograms = compute_histograms(calibrated)
    expected = _expected(calibrated, photos) if expected is None else expected
    found: list[Candidate] = []
    errors: list[ExportError] = []
    for method in CALIBRATION_METHODS:
        try:
            conversion = quantize_int8(
                set_ranges(calibrated, method, histograms), output, float_ops=float_ops, any_cpu=any_cpu
            )
            found.append(_compare(method, conversion, photos, expected))
        except ExportError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    return found
