"""Corrected biases bring the mean outputs of an int8 file back to those of the float graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.formats import tflite_file
from edgekd.quantize.best_ranges import candidates, choose, convert_int8, with_bias_correction
from edgekd.quantize.bias_correction import correct_bias
from edgekd.quantize.calibration import calibrate
from edgekd.quantize.calibration_method import set_ranges
from edgekd.quantize.ptq import quantize_int8
from edgekd.quantize.run_tflite import run_tflite
from edgekd.runtime.litert import open_interpreter


def _shift(content: bytes, expected: bytes, pixels: Any, inputs: Any) -> float:
    """How far the mean logits of two .tflite files are apart over photos, in all."""

    def mean_logits(file: bytes, images: Any) -> NDArray[np.float64]:
        graph = tflite_file.read(file, "a file")
        (softmax,) = [op for op in graph.ops if op.name == "SOFTMAX"]
        tensor = graph.tensors[softmax.inputs[0]]
        interpreter = open_interpreter(file, threads=1, xnnpack=False, preserve_all_tensors=True)
        rows = []
        for image in images:
            interpreter.set_tensor(int(interpreter.get_input_details()[0]["index"]), image)
            interpreter.invoke()
            rows.append(interpreter.get_tensor(softmax.inputs[0])[0].astype(np.float64))
        logits = np.mean(rows, axis=0)
        return logits if tensor.type == "FLOAT32" else (logits - tensor.zero_points[0]) * tensor.scales[0]

    return float(np.abs(mean_logits(content, pixels) - mean_logits(expected, inputs)).sum())


def test_means_come_back_and_nothing_else_changes(source: Any, images: NDArray[np.uint8]) -> None:
    # Ranges that cut values off shift the means most.
    calibrated = set_ranges(calibrate(source, images), "mse")
    plain = quantize_int8(calibrated, any_cpu=True)
    corrected = correct_bias(plain, calibrated)
    assert corrected is not None and corrected.record["bias_corrected_on"] == len(images)
    before, after = (
        _shift(file.content, calibrated.content, (image[np.newaxis] for image in images), calibrated.inputs())
        for file in (plain, corrected)
    )
    assert after < 0.5 * before
    one, other = (tflite_file.read(file.content, "int8") for file in (plain, corrected))
    changed = {a.type for a, b in zip(one.tensors, other.tensors, strict=True)
               if a.data is not None and b.data is not None and (a.data != b.data).any()}  # fmt: skip
    assert changed == {"INT32"} and len(plain.content) == len(corrected.content)


def test_it_is_kept_only_where_it_answers_more_like_the_float_student(source: Any, images: NDArray[np.uint8]) -> None:
    calibrated = calibrate(source, images)
    plain = candidates(calibrated, images)
    expected = run_tflite(calibrated.content, np.concatenate(list(calibrated.inputs())))
    corrected = [with_bias_correction(candidate, calibrated, images, expected) for candidate in plain]
    best = choose([*plain, *(candidate for candidate in corrected if candidate is not None)])
    record = convert_int8(source, images, validation=images[:0]).record
    assert ("bias_corrected_on" in record) == best.bias_corrected
    assert record["calibration_method"] == best.method
    assert record["calibration_methods_compared"].count("with bias correction") == 3
