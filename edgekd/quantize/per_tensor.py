"""What one weight scale per tensor costs in predictions, against one per channel.

A depthwise filter of small weights beside one of large weights gets few of the 256 steps where they share a scale.
Source: Krishnamoorthi, arXiv:1806.08342, section 3.1.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgekd.metrics import OUTPUT_STEP
from edgekd.quantize.best_ranges import convert_int8
from edgekd.quantize.float_model import FloatModel
from edgekd.quantize.ptq import Conversion, Output, to_float32, to_int8
from edgekd.quantize.run_tflite import find_task, run_tflite
from edgekd.quantize.settings import QuantizeSection
from edgekd.scoring import agreement

_MOST_PHOTOS = 256
# The fact's name in a file's provenance.
COST = "weight_scales_compared"


def convert_by_section(
    float_model: FloatModel,
    calibration: NDArray[np.uint8],
    output: Output,
    section: QuantizeSection,
    validation: NDArray[np.uint8] | None,
    any_cpu: bool,
) -> Conversion:
    """``convert_int8`` as ``section`` asks; with one scale per tensor, what that costs is added to the record."""
    conversion = convert_int8(
        float_model, calibration, output, ranges=section.ranges, validation=validation, float_ops=section.float_ops,
        any_cpu=any_cpu, per_channel=section.per_channel,
    )  # fmt: skip
    if section.per_channel:
        return conversion
    photos = calibration if validation is None else np.concatenate([validation, calibration])
    return with_cost(conversion, float_model, calibration, photos[:_MOST_PHOTOS])


def with_cost(
    conversion: Conversion, float_model: FloatModel, calibration: NDArray[np.uint8], photos: NDArray[np.uint8]
) -> Conversion:
    """Add to a per-tensor conversion's record how it and its per-channel twin agree with the float student.

    ``calibration`` is what its ranges were set by, ``photos`` what they are compared on; uint8 [N, H, W, 3].
    Raises ExportError.
    """
    method, floats = conversion.record["calibration_method"], tuple(conversion.record.get("float_ops", ()))
    twin = to_int8(float_model, calibration, ranges=method, float_ops=floats)
    expected = run_tflite(to_float32(float_model).content, photos)
    per_tensor, per_channel = (
        agreement(run_tflite(content, photos), expected, find_task(content), OUTPUT_STEP)
        for content in (conversion.content, twin.content)
    )
    what = "decisions on tags" if find_task(conversion.content) == "multi-label" else "photos"
    compared = (
        f"one per tensor {per_tensor.value:.1%}, one per channel {per_channel.value:.1%} of {per_tensor.n} {what} "
        "answered like the float student"
    )
    return replace(conversion, record={**conversion.record, COST: compared})
