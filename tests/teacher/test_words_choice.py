"""Words alone, labels alone or both: what is fitted, and which of them held-out photos choose."""

from __future__ import annotations

import numpy as np
import pytest

from edgekd.teacher.head import LinearHead
from edgekd.teacher.words import ClassWords
from edgekd.teacher.words_choice import LabelledFeatures, WordsHead, choose_head, words_row

_CENTRES = np.random.default_rng(9).normal(size=(3, 12)).astype(np.float32)


def _words(vectors: np.ndarray, scale: float = 20.0) -> ClassWords:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return ClassWords("words.npz", "key", ("a", "b", "c"), np.asarray(unit, np.float32), scale)


def _photos(count: int, seed: int, noise: float = 1.5, views: int = 2) -> LabelledFeatures:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    rows = _CENTRES[labels][:, None] + noise * rng.normal(size=(count, views, 12))
    return LabelledFeatures(rows.astype(np.float32), labels)


@pytest.mark.parametrize("few_photos_judge", [False, True])
@pytest.mark.parametrize(
    ("vectors", "noise", "per_class", "chosen"),
    [
        # Vectors of the classes' own centres beat what two noisy photos a class say.
        (_CENTRES, 1.5, 2, {"words", "both"}),
        # Vectors that know nothing leave it to the labels.
        (np.random.default_rng(1).normal(size=(3, 12)), 0.5, 40, {"labels"}),
    ],
)
def test_held_out_photos_choose(
    vectors: np.ndarray, noise: float, per_class: int, chosen: set[str], few_photos_judge: bool
) -> None:
    training, validation = _photos(3 * per_class, 0, noise), _photos(90, 1, noise)
    groups = np.arange(3 * per_class + 90) if few_photos_judge else None
    head, rows = choose_head(_words(vectors), None, training, validation, "accuracy", groups=groups)
    assert [row["source"] for row in rows] == ["words", "labels", "both"]
    assert {row["source"] for row in rows if row["chosen"]} == {head.source}
    assert {row["n"] for row in rows} == {len(groups) if groups is not None else 90}
    assert {row["cross_validated"] for row in rows} == {few_photos_judge}
    if not few_photos_judge:
        assert head.source in chosen
        alone = words_row(_words(vectors), None, validation, "accuracy")
        assert {**alone, "chosen": rows[0]["chosen"]} == rows[0]


def test_both_together_beat_each_where_each_knows_a_part_however_sure_the_table_is() -> None:
    # The words know class a from the others, and nothing of b and c.
    blind = np.stack([_CENTRES[0], _CENTRES[1] + _CENTRES[2], _CENTRES[1] + _CENTRES[2]])
    test, answers = _photos(900, 2), []
    for scale in (4.0, 100.0):
        words = _words(blind, scale)
        head, _ = choose_head(words, None, _photos(9, 0), _photos(150, 1), "accuracy")
        alone = WordsHead(words, None, None)
        right = [(one.logits(test.views[:, 0]).argmax(axis=1) == test.labels).mean() for one in (head, alone)]
        assert head.source == "both"
        assert right[0] > right[1] + 0.1
        answers.append(head.logits(test.views[:9, 0]))
    assert answers[0] == pytest.approx(answers[1], abs=0.05)


def test_a_head_of_both_adds_the_two() -> None:
    words, features = _words(_CENTRES), _photos(6, 3).views[:, 0]
    prior = np.array([0.5, 0.25, 0.25])
    linear = LinearHead(np.ones((12, 3), np.float32), np.array([1.0, 0.0, 0.0], np.float32), 0.1)
    expected = 0.5 * (words.logits(features) + np.log(prior)) + features @ linear.kernel + linear.bias
    assert WordsHead(words, prior, linear, 0.5).logits(features) == pytest.approx(expected, abs=1e-3)
