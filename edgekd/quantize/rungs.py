"""The steps of the ladder, from the cheapest int8 conversion to the most expensive; each is made when it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError
from edgekd.quantize.bias_correction import correct_bias
from edgekd.quantize.calibration import CalibratedModel
from edgekd.quantize.calibration_method import CALIBRATION_METHODS, set_ranges
from edgekd.quantize.ptq import Conversion, Output, prevent_saturation, quantize_int8
from edgekd.quantize.run_tflite import find_task, run_tflite
from edgekd.quantize.sensitivity import Sensitivity, compute_divergence, measure_sensitivities

# With a larger share of its ops in float, a file is no longer meaningfully int8.
_MOST_FLOAT = 0.5


@dataclass(frozen=True)
class Rung:
    """A step's ``name`` and the function that makes its file, called only when the step is reached."""

    name: str
    make: Callable[[], Conversion]


def ladder(
    calibrated: CalibratedModel,
    output: Output,
    report: Callable[[tuple[Sensitivity, ...]], None],
    train_qat: Callable[[], Conversion] | None = None,
    *,
    any_cpu: bool = False,
    float_ops: tuple[str, ...] = (),
) -> Iterator[Rung]:
    """Yield the rungs, the cheapest first; ``report`` receives each op's sensitivity, ``train_qat`` trains in int8.

    ``float_ops`` stay float in every rung.
    """
    by_method = {str(CALIBRATION_METHODS[0]): calibrated}
    for method in CALIBRATION_METHODS:

        def calibrate_by(method: Any = method) -> Conversion:
            by_method[method] = set_ranges(calibrated, method)
            return quantize_int8(by_method[method], output, float_ops=float_ops, any_cpu=any_cpu)

        yield Rung(f"ranges by {method}", calibrate_by)
    # The float graph ignores the ranges, so one run of it serves all methods.
    expected = run_tflite(calibrated.content, np.concatenate(list(calibrated.inputs())))
    base = min(by_method.values(), key=lambda entry: _divergence(expected, entry, float_ops))
    method = base.record["calibration_method"]
    yield Rung(f"ranges by {method}, biases corrected", lambda: _corrected(base, output, float_ops, any_cpu))
    ops = measure_sensitivities(base)
    report(ops)
    count = 1
    while count <= _MOST_FLOAT * len(ops):
        sensitive = tuple(str(entry.op) for entry in ops[:count])

        def keep_float(sensitive: tuple[str, ...] = sensitive) -> Conversion:
            return quantize_int8(base, output, float_ops=(*float_ops, *sensitive), any_cpu=any_cpu)

        yield Rung(f"ranges by {method}, {count} op{'s' * (count > 1)} of {len(ops)} in float", keep_float)
        count *= 2
    if train_qat is not None:
        train = train_qat
        yield Rung("quantization-aware training", lambda: prevent_saturation(train()) if any_cpu else train())


def _corrected(base: CalibratedModel, output: Output, float_ops: tuple[str, ...], any_cpu: bool) -> Conversion:
    """The int8 file of a calibrated model with corrected biases. Raises ExportError where it has none to correct."""
    corrected = correct_bias(quantize_int8(base, output, float_ops=float_ops, any_cpu=any_cpu), base)
    if corrected is None:
        raise ExportError("no layer has a bias in integers")
    return corrected


def _divergence(expected: NDArray[np.float32], calibrated: CalibratedModel, float_ops: tuple[str, ...]) -> float:
    """How far the int8 file's probabilities are from the float graph's [N, C] over the calibration images, in nats."""
    actual = run_tflite(quantize_int8(calibrated, float_ops=float_ops).content, calibrated.images)
    return compute_divergence(expected, actual, find_task(calibrated.content))
