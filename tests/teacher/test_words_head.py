"""Words alone, labels alone or both: what is fitted, which of them held-out photos choose, what their file holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekd.teacher.encoder_heads import HeadTrainer, LabelledFeatures, load_heads, save_heads, train_heads
from edgekd.teacher.head import LinearHead
from edgekd.teacher.words_head import WordsHead

_CENTRES = np.random.default_rng(9).normal(size=(3, 12)).astype(np.float32)
# They know class a from the others, and nothing of b and c.
_BLIND = np.stack([_CENTRES[0], _CENTRES[1] + _CENTRES[2], _CENTRES[1] + _CENTRES[2]])


def _words(vectors: np.ndarray, scale: float = 20.0) -> WordsHead:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return WordsHead(np.asarray(unit, np.float32), scale, np.zeros(3, np.float32))


def _photos(count: int, seed: int, noise: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(count) % 3
    rows = _CENTRES[labels][:, None] + noise * np.random.default_rng(seed).normal(size=(count, 2, 12))
    return rows.astype(np.float16), labels


def _trainer(words: WordsHead, training: int, noise: float) -> HeadTrainer:
    parts = _photos(training, 0, noise), _photos(90, 1, noise)
    features = LabelledFeatures(
        (np.concatenate([views for views, _ in parts]),), np.concatenate([labels for _, labels in parts])
    )
    return HeadTrainer(features, 3, None, "single-label", "accuracy", 0, words)


@pytest.mark.parametrize(
    ("vectors", "noise", "training", "kept", "few_photos_judge"),
    [
        # Vectors of the classes' own centres beat what two noisy photos a class say.
        (_CENTRES, 1.5, 6, {"words", "both"}, False),
        # Vectors that know nothing leave it to the labels.
        (np.random.default_rng(1).normal(size=(3, 12)), 0.5, 60, {"linear"}, False),
        (_CENTRES, 1.5, 6, {"words", "linear", "both"}, True),
    ],
)
def test_held_out_photos_choose(
    vectors: np.ndarray, noise: float, training: int, kept: set[str], few_photos_judge: bool
) -> None:
    numbers = np.arange(training + 90)
    trainer, groups = _trainer(_words(vectors), training, noise), numbers if few_photos_judge else None
    _, records = train_heads(
        trainer, ("words", "linear", "both"), numbers[:training], numbers[training:], groups
    )  # fmt: skip
    assert [record["head"] for record in records] == ["words", "linear", "both"]
    assert sum(record["kept"] for record in records) == 1
    assert all(record["low"] <= record["score"] <= record["high"] for record in records)
    assert {record["n"] for record in records} == {training + 90 if few_photos_judge else 90}
    assert {record["head"] for record in records if record["kept"]} <= kept


def test_both_together_beat_each_where_each_knows_a_part_however_sure_the_table_is() -> None:
    (test, truth), answers = _photos(900, 2), []
    for scale in (4.0, 100.0):
        words, numbers = _words(_BLIND, scale), np.arange(99)
        (both,) = _trainer(words, 9, 1.5).fit("both", numbers[:9], numbers[9:])
        right = [(head.logits(test[:, 0]).argmax(axis=1) == truth).mean() for head in (both, words)]
        assert right[0] > right[1] + 0.1
        answers.append(both.logits(test[:9, 0]))
    assert answers[0] == pytest.approx(answers[1], abs=0.05)


def test_a_head_of_both_adds_the_two_and_survives_its_file(tmp_path: Path) -> None:
    prior = np.log(np.array([0.5, 0.25, 0.25])).astype(np.float32)
    alone = WordsHead(_words(_CENTRES).vectors, 20.0, prior)
    linear = LinearHead(np.ones((12, 3), np.float32), np.array([1.0, 0.0, 0.0], np.float32), 0.1)
    both, rows = alone.with_labels(0.5, linear), _photos(6, 3)[0][:, 0].astype(np.float32)
    expected = 0.5 * alone.logits(rows) + linear.logits(rows)
    assert both.logits(rows) == pytest.approx(expected, abs=1e-3)
    for head in (alone, both):
        save_heads(tmp_path / "heads.npz", [head], [rows])
        (loaded,) = load_heads(tmp_path / "heads.npz").heads
        assert (loaded.logits(rows) == head.logits(rows)).all()
