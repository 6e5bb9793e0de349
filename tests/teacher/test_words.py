"""Tables of class words: what is read, what is refused, and the logits that follow from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekd.errors import ModelError
from edgekd.teacher.class_prior import estimate_prior
from edgekd.teacher.words import read_words, shares_of
from edgekd.teacher.words_head import zero_shot_head

_VECTORS = np.array([[3.0, 0.0, 4.0], [0.0, 2.0, 0.0]], np.float32)


def _table(folder: Path, **changes: Any) -> Path:
    arrays: dict[str, Any] = {"classes": np.array(["rose", "daisy"]), "vectors": _VECTORS, "logit_scale": 50.0}
    path = folder / "words.npz"
    np.savez(path, **{name: value for name, value in {**arrays, **changes}.items() if value is not None})
    return path


def test_logits_are_scaled_cosines_in_the_order_of_the_data(tmp_path: Path) -> None:
    words = read_words(_table(tmp_path)).of_classes(("daisy", "rose"))
    features = np.array([[0.0, 0.0, 5.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], np.float32)
    expected = [[0.0, 40.0], [50 / np.sqrt(2), 30 / np.sqrt(2)], [0.0, 0.0]]
    assert zero_shot_head(words, None).logits(features) == pytest.approx(np.array(expected), abs=1e-4)
    shares = np.array([0.25, 0.75])
    assert zero_shot_head(words, shares).logits(features)[2] == pytest.approx(np.log(shares))


def test_prompts_are_averaged_after_each_is_normalized(tmp_path: Path) -> None:
    # The long prompt has no more weight than the short one.
    vectors = np.array([[[100.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [3.0, 0.0]]], np.float32)
    words = read_words(_table(tmp_path, vectors=vectors))
    assert words.prompts == 2
    assert words.vectors == pytest.approx(np.array([[np.sqrt(0.5), np.sqrt(0.5)], [1.0, 0.0]]))


def test_a_table_may_hold_more_classes_and_its_prior_is_that_of_those_used(tmp_path: Path) -> None:
    more = np.concatenate([_VECTORS, [[1.0, 1.0, 1.0]]]).astype(np.float16)
    path = _table(tmp_path, classes=np.array(["rose", "daisy", "tulip"]), vectors=more, prior=[0.2, 0.6, 0.2])
    words = read_words(path).of_classes(("tulip", "daisy"))
    assert words.prior == pytest.approx([0.25, 0.75])
    assert words.classes == ("tulip", "daisy")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"logit_scale": None}, r"has no logit_scale: the factor .*CLIP's is 100.*teachers\.md"),
        ({"classes": None, "vectors": None}, r"has no classes and no vectors"),
        ({"logit_scale": np.float32(np.log(100))}, r"is 4\.6052, the logarithm of 100.*np\.exp"),
        ({"logit_scale": -1.0}, r"above 0 and finite, got -1\.0"),
        ({"logit_scale": np.nan}, r"above 0 and finite, got nan"),
        ({"logit_scale": [1.0, 2.0]}, r"float64 \[2\]\. It must be one number"),
        ({"classes": np.array([1, 2])}, r"classes is int64 \[2\].*dtype=str"),
        ({"classes": np.array(["rose", "daisy"], object)}, r"pickle.*dtype=str"),
        ({"classes": np.array(["rose", " rose"])}, r"has 'rose' twice.*\[C, P, D\]"),
        ({"classes": np.array(["rose", ""])}, r"nothing\) as a name"),
        ({"vectors": _VECTORS[:1]}, r"vectors is float32 \[1, 3\]\. It must be float32 \[2, D\]"),
        ({"vectors": _VECTORS.astype(int)}, r"vectors is int64"),
        ({"vectors": _VECTORS[:, :0]}, r"vectors is float32 \[2, 0\]"),
        ({"vectors": np.array([[1.0, np.inf], [1, 0]])}, r"class 'rose' hold a number that is not finite"),
        ({"vectors": np.array([[1.0, 1.0], [0, 0]])}, r"class 'daisy' hold a vector of zeros"),
        ({"vectors": np.array([[[1.0, 1], [-1, -1]], [[1, 0], [0, 1]]])}, r"'rose' cancel each other out"),
        ({"prior": [0.5, 0.6]}, r"prior must be 2 shares above 0 that sum to 1.*is \[0\.5, 0\.6\]"),
        ({"prior": [1.0, 0.0]}, r"prior must be 2 shares above 0"),
        ({"prior": [[0.5, 0.5]]}, r"is float64 \[1, 2\]"),
    ],
)
def test_each_mistake_in_a_table_is_one_clear_error(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = _table(tmp_path, **changes)
    with pytest.raises(ModelError, match=message) as error:
        read_words(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_what_is_not_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"does not exist\. \[teacher\] words is the path of a \.npz"):
        read_words(tmp_path / "gone.npz")
    with pytest.raises(ModelError, match=r"cannot be read as a \.npz"):
        read_words(tmp_path)
    (tmp_path / "text.npz").write_text("rose daisy")
    with pytest.raises(ModelError, match=r"cannot be read as a \.npz"):
        read_words(tmp_path / "text.npz")
    np.savez_compressed(tmp_path / "bomb.npz", vectors=np.zeros((2, 6_000_000)))
    with pytest.raises(ModelError, match=r"unpacks to 96,000,\d+ bytes"):
        read_words(tmp_path / "bomb.npz")


def test_classes_and_dimensions_that_do_not_fit_are_named(tmp_path: Path) -> None:
    words = read_words(_table(tmp_path))
    with pytest.raises(
        ModelError, match=r"no vector for the data's class 'Rose' .*has rose, daisy.*differ only in case"
    ):
        words.of_classes(("Rose", "daisy"))
    with pytest.raises(ModelError, match=r"photos\.onnx gives features of 512 dimensions.*have 3\..*projection"):
        words.require_dimensions(512, "photos.onnx")
    words.require_dimensions(3, "photos.onnx")


def test_a_prior_by_class_name_is_ordered_and_checked() -> None:
    classes = ("rose", "daisy")
    assert shares_of({"daisy": 0.7, "rose": 0.3}, classes, "[teacher] prior") == pytest.approx([0.3, 0.7])
    with pytest.raises(ModelError, match=r"\[teacher\] prior .*'tulip' is not among them"):
        shares_of({"daisy": 0.7, "tulip": 0.3}, classes, "[teacher] prior")
    with pytest.raises(ModelError, match=r"'rose' is missing"):
        shares_of({"daisy": 1.0}, classes, "[teacher] prior")
    with pytest.raises(ModelError, match=r"sum to 1"):
        shares_of({"daisy": 0.7, "rose": 0.7}, classes, "[teacher] prior")


def test_em_finds_the_shares_that_answers_were_drawn_with() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 4_000, p=[0.7, 0.2, 0.1])
    x = labels + rng.normal(size=4_000) * 0.7
    # The likelihoods of three normals are the logits under equal shares.
    logits = -((x[:, None] - np.arange(3)) ** 2) / (2 * 0.7**2)
    estimated = estimate_prior(logits)
    assert estimated.converged
    assert estimated.photos == 4_000
    assert estimated.shares == pytest.approx([0.7, 0.2, 0.1], abs=0.03)
    assert estimated.shares.sum() == pytest.approx(1)
    # Without photos of a class it still does not become impossible.
    assert estimate_prior(np.array([[50.0, 0.0]] * 8)).shares == pytest.approx([0.9, 0.1])
