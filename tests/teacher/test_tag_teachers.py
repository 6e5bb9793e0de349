"""Teachers of tags: files of any format that end in sigmoids, averages of them, and heads that are fitted to tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved_networks import save_saved_model, save_tflite
from scipy.optimize import check_grad
from teacher_files import CLASSES, PHOTOS, build, logits_of_net, photos_at, save_onnx

from edgekd.errors import ModelError
from edgekd.models.outputs import judge_outputs
from edgekd.teacher.average import average_logits
from edgekd.teacher.head import PENALTIES, _tag_loss_and_gradient, fit_head
from edgekd.teacher.opening import open_fixed_teacher
from edgekd.teacher.self_training import _is_sure
from edgekd.teacher.settings import TeacherSection
from edgekd.training.scores import tag_probabilities


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file by format and ending."""
    folder = tmp_path_factory.mktemp("tag-teachers")
    saved = {}
    for ending, op in (("sigmoid", "Sigmoid"), ("softmax", "Softmax"), ("logits", "")):
        model = build(ending)
        model.save(folder / f"{ending}.keras")
        saved[f"keras {ending}"] = folder / f"{ending}.keras"
        saved[f"savedmodel {ending}"] = save_saved_model(folder / ending, model)
        saved[f"tflite {ending}"] = save_tflite(folder / f"{ending}.tflite", model)
        saved[f"onnx {ending}"] = save_onnx(folder / f"{ending}.onnx", op)
    return saved


def opened(path: Path, task: Any = "multi-label") -> Any:
    section = TeacherSection(model=str(path), train=False, pixel_range=(0.0, 1.0), classes=CLASSES)
    return open_fixed_teacher(section, CLASSES, photos_at, task=task)


@pytest.mark.parametrize("ending", ["sigmoid", "logits"])
@pytest.mark.parametrize("kind", ["keras", "savedmodel", "tflite", "onnx"])
def test_every_format_gives_the_logits_of_its_tags(files: dict[str, Path], kind: str, ending: str) -> None:
    outputs = opened(files[f"{kind} {ending}"]).logits(PHOTOS)
    # Not up to a constant: a tag's logit is its own.
    assert np.abs(outputs - logits_of_net()).max() < 1e-3


@pytest.mark.parametrize("kind", ["keras", "savedmodel", "tflite", "onnx"])
def test_each_task_refuses_the_others_ending(files: dict[str, Path], kind: str) -> None:
    with pytest.raises(ModelError, match=r"ends in a softmax, one choice among its classes.*data\.task"):
        opened(files[f"{kind} softmax"])
    with pytest.raises(ModelError, match=r'3 independent scores.*data\.task = "multi-label"'):
        opened(files[f"{kind} sigmoid"], "single-label")


def test_outputs_that_no_op_explains_are_judged_by_their_values() -> None:
    rows = np.float32([[0.9, 0.8, 0.1], [0.2, 0.1, 0.0]])
    scores = judge_outputs("unknown", rows, "net.onnx", task="multi-label")
    assert scores.kind == "sigmoids" and np.isfinite(scores.logits(rows)).all()
    assert scores.logits(rows)[0, 0] == pytest.approx(np.log(9), abs=1e-5)
    with pytest.raises(ModelError, match="ends in a softmax"):
        judge_outputs("unknown", rows / rows.sum(axis=1, keepdims=True), "net.onnx", task="multi-label")
    # Of int8 probabilities 0 is anything up to half a step.
    coarse = judge_outputs("sigmoid", rows, "net.tflite", step=1 / 256, task="multi-label").logits(rows)
    assert coarse[1, 2] == pytest.approx(np.log(1 / 512), abs=0.01)


def test_tags_are_averaged_one_by_one() -> None:
    one, other = np.float32([[np.log(3), 0]]), np.float32([[0, 40]])
    of_probabilities = average_logits([one, other], "probabilities", "multi-label")
    assert tag_probabilities(of_probabilities)[0] == pytest.approx([5 / 8, 3 / 4])
    assert average_logits([one, other], "logits", "multi-label")[0] == pytest.approx([np.log(3) / 2, 20])


def test_gradient_of_a_head_of_tags_is_the_derivative_of_its_loss() -> None:
    rng = np.random.default_rng(0)
    arguments = (rng.normal(size=(7, 3)), rng.integers(0, 2, (7, 4)), np.full(7, 1 / 7), 0.1, 4)
    difference = check_grad(
        lambda f: _tag_loss_and_gradient(f, *arguments)[0], lambda f: _tag_loss_and_gradient(f, *arguments)[1],
        rng.normal(size=16),
    )  # fmt: skip
    assert difference < 1e-5


def test_a_head_learns_each_tag_by_itself() -> None:
    rng = np.random.default_rng(1)
    tags = rng.integers(0, 2, (200, 3)).astype(np.int8)
    features = np.concatenate([tags * 4.0 + rng.normal(size=(200, 3)), rng.normal(size=(200, 2))], axis=1)
    head = fit_head(features[:150], tags[:150], (features[150:], tags[150:]), 3)
    assert ((head.logits(features[150:]) > 0) == (tags[150:] > 0)).mean() > 0.95
    assert head.penalty in PENALTIES
    # What one tag learns does not depend on the others.
    alone = fit_head(features[:150], tags[:150, :1], (features[150:], tags[150:, :1]), 1, (head.penalty,))
    same = fit_head(features[:150], tags[:150], (features[150:], tags[150:]), 3, (head.penalty,))
    assert alone.logits(features)[:, 0] == pytest.approx(same.logits(features)[:, 0], abs=0.02)


def test_an_answer_is_sure_where_every_tag_is() -> None:
    logits = np.float32([[3, -3], [3, 0.1], [-2, -2]])
    assert _is_sure(logits, np.zeros((1, 2), np.int8)).tolist() == [True, False, True]
