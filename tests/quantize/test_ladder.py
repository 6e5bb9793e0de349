from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekd.errors import DataError, GateFailed, ModelError
from edgekd.formats import tflite_file
from edgekd.quantize.ladder import Judge, climb, climb_ladder
from edgekd.quantize.op_names import OpNames
from edgekd.quantize.ptq import quantize_int8, to_float32
from edgekd.quantize.rungs import Rung, ladder
from edgekd.quantize.sensitivity import compute_divergence, measure_sensitivities


def judge_of(source: Any, unseen: Any, labels: Any) -> Judge:
    return Judge.from_float_file(to_float32(source).content, unseen, labels, "accuracy")


def test_the_first_step_that_holds_is_taken(source: Any, images: Any, unseen: Any, float_answers: Any) -> None:
    said: list[str] = []
    climbed = climb_ladder(source, images, (unseen, float_answers.argmax(axis=1)), "accuracy", 5.0, say=said.append)
    assert [step.name for step in climbed.steps] == ["ranges by min-max"]
    assert climbed.float_score.value == 1.0
    assert climbed.require().record["calibration_method"] == "min-max"
    assert said[0] == "float student: 100.0% on 64 validation photos; may lose 5 points"
    assert said[-1].endswith("holds")


def test_steps_get_dearer_and_where_none_holds_all_are_told(
    source: Any, calibrated: Any, unseen: Any, float_answers: Any
) -> None:
    labels = float_answers.argmax(axis=1)
    judge = judge_of(source, unseen, labels)
    # Answers that no file of three classes gives: every step loses everything.
    nowhere = Judge(judge.images, labels, np.eye(3)[labels], "accuracy")
    broken = Rung("wrong", lambda: quantize_int8(calibrated))
    said: list[str] = []
    worst: list[Any] = []
    rungs = list(ladder(calibrated, "float32", worst.extend, train_qat=broken.make))
    assert len(worst) == 12
    names = [rung.name for rung in rungs]
    assert names[:3] == ["ranges by min-max", "ranges by percentile", "ranges by mse"]
    assert names[3] in {f"{name}, biases corrected" for name in names[:3]}
    assert [name.split(", ")[1].split(" ")[0] for name in names[4:-1]] == ["1", "2", "4"]
    assert names[-1] == "quantization-aware training"
    upside_down = Judge(nowhere.images, (labels + 1) % 3, np.eye(3)[(labels + 1) % 3], "accuracy")
    climbed = climb(rungs[:2], upside_down, 0.5, said.append)
    assert climbed.conversion is None
    assert all(step.drop_points > 90 and not step.holds and step.gained == 0 for step in climbed.steps)
    assert climbed.steps[0].p_value < 1e-9
    with pytest.raises(GateFailed, match=r"within 0.5 points of the float student's 100.0%(.|\n)*ranges by percentile"):
        climbed.require()
    assert climbed.to_json()["steps"][1]["name"] == "ranges by percentile"


def test_without_validation_photos_there_is_no_guarantee(source: Any) -> None:
    with pytest.raises(DataError, match="needs validation photos"):
        Judge.from_float_file(
            to_float32(source).content, np.zeros((0, 48, 48, 3), np.uint8), np.zeros(0, np.int64), "accuracy"
        )


def test_sensitivity_finds_the_op_whose_range_was_spoilt(calibrated: Any) -> None:
    from dataclasses import replace

    model = tflite_file.parse(calibrated.content, "tiny")
    victim = next(op for op in OpNames.read(calibrated.content).ops if str(op) == "CONV_2D:conv2d_3")
    for tensor in model.subgraphs[0].tensors:
        if tensor.name.decode() == victim.tensor:
            tensor.quantization.max = tensor.quantization.max * 200
    spoilt = replace(calibrated, content=tflite_file.pack(model))
    found = measure_sensitivities(spoilt)
    # The op itself and the sum that takes its output over are the worst by far.
    assert str(victim) in [str(one.op) for one in found[:2]]
    assert found[0].divergence > 3 * found[3].divergence
    assert "SOFTMAX" not in {one.op.kind for one in found}


def test_divergence_by_hand() -> None:
    one, other = np.array([[0.5, 0.5]], np.float32), np.array([[0.25, 0.75]], np.float32)
    assert compute_divergence(one, one) == 0.0
    assert compute_divergence(one, other) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))


def test_a_step_that_cannot_be_taken_is_told_and_passed_over(
    source: Any, calibrated: Any, unseen: Any, float_answers: Any
) -> None:
    def refuse() -> Any:
        raise ModelError("layer 'odd' has no int8 form")

    judge, said = judge_of(source, unseen, float_answers.argmax(axis=1)), []
    climbed = climb(
        [Rung("training", refuse), Rung("plain", lambda: quantize_int8(calibrated))], judge, 5.0, said.append
    )
    assert climbed.conversion is not None
    assert climbed.failures == ("training: not possible: layer 'odd' has no int8 form",)
    assert climbed.failures[0] in said
    with pytest.raises(ModelError, match="no int8 form"):
        climb([Rung("training", refuse)], judge, 5.0, said.append)
