"""Fits every precision of a Keras student: each from a conversion of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.decisions.fit import DecisionPlan, FileDecision, LabelledImages, fit_file
from edgekd.decisions.sentences import describe_file
from edgekd.errors import DataError
from edgekd.progress import Progress
from edgekd.quantize.float_model import FloatModel
from edgekd.quantize.ptq import Conversion, to_dynamic_range, to_float16, to_float32, to_int16x8


def fit_model(
    float_model: FloatModel,
    int8: Conversion | None,
    precisions: tuple[str, ...],
    plan: DecisionPlan,
    validation: LabelledImages,
    test: LabelledImages,
    *,
    calibration: Callable[[], NDArray[np.uint8]],
    say: Callable[[str], None],
    progress: Progress | None = None,
) -> dict[str, tuple[FileDecision, dict[str, Any]]]:
    """What ``fit_file`` gives for each of ``precisions``; ``int8`` is that conversion, where it is among them.

    ``calibration`` gives the training images that int16x8 is converted with. ``say`` gets a sentence for each thing
    that was fitted.

    Raises: DataError where there is no validation photo; ExportError.
    """
    if not len(validation.images):
        raise DataError(
            "there is no validation photo to fit temperature, rejection and thresholds on. Give the val split a share "
            "of the photos, or leave calibration and rejection off"
        )
    makers: dict[str, Callable[[], Conversion]] = {
        "float32": lambda: to_float32(float_model),
        "float16": lambda: to_float16(float_model),
        "dynamic": lambda: to_dynamic_range(float_model),
        "int16x8": lambda: to_int16x8(float_model, calibration()),
        **({} if int8 is None else {"int8": lambda: int8}),
    }
    fitted: dict[str, tuple[FileDecision, dict[str, Any]]] = {}
    for number, precision in enumerate(precisions):
        if progress is not None:
            progress(number, len(precisions))
        fitted[precision] = fit_file(makers[precision]().content, plan, validation, test)
        for line in describe_file(fitted[precision][1]):
            say(f"{precision}: {line}")
    if progress is not None:
        progress(len(precisions), len(precisions))
    return fitted
