"""Heads on stored features: an MLP is taken only where held-out photos are for it, and a file holds them exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekd.errors import RunError
from edgekd.teacher.encoder_heads import (
    HeadTrainer,
    LabelledFeatures,
    describe_heads,
    load_heads,
    save_heads,
    train_heads,
)
from edgekd.teacher.head import LinearHead, moments_of
from edgekd.teacher.mlp_head import MlpHead


def features(count: int, *, crossed: bool) -> LabelledFeatures:
    """Two encoders' features in two views; whether a photo is of class 1 is one sign, or whether two signs differ."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(count, 2, 6))
    labels = ((rows[:, 0, 0] > 0) ^ (crossed and rows[:, 0, 1] > 0)).astype(np.int64)
    # Both views show the same photo, the second a little changed.
    rows[:, 1] = rows[:, 0] + 0.1 * rows[:, 1]
    return LabelledFeatures((rows[..., :3].astype(np.float16), rows[..., 3:].astype(np.float16)), labels)


def trainer(data: LabelledFeatures, average: str | None = None) -> HeadTrainer:
    return HeadTrainer(data, 2, average, "single-label", "accuracy", 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("cross_validated", [False, True])
@pytest.mark.parametrize("crossed", [False, True])
def test_an_mlp_is_taken_where_no_plane_divides_the_classes(crossed: bool, cross_validated: bool) -> None:
    data = features(240, crossed=crossed)
    training, held_out = np.arange(120), np.arange(120, 240)
    groups = np.arange(240) if cross_validated else None
    heads, records = train_heads(trainer(data), ("linear", "mlp"), training, held_out, groups)
    assert isinstance(heads[0], MlpHead) is crossed
    assert [record["kept"] for record in records] == [not crossed, crossed]
    assert {(record["n"], record["cross_validated"]) for record in records} == {
        (240 if cross_validated else 120, cross_validated)
    }
    assert records[1]["score"] > 0.8
    text = "cross-validated" if cross_validated else "on validation photos"
    assert f"({text}); taken: {'an MLP' if crossed else 'a linear head'}" in describe_heads(records)
    (answers,) = {trainer(data).answers(heads, held_out).shape}
    assert answers == (120, 2)


def test_heads_of_encoders_are_averaged_and_a_file_holds_them_exactly(tmp_path: Path) -> None:
    data, photos = features(60, crossed=False), np.arange(60)
    for kind in ("linear", "mlp"):
        judge = trainer(data, "probabilities")
        heads, records = train_heads(judge, (kind,), photos[:40], photos[40:])
        assert (len(heads), records, describe_heads(records)) == (2, [], "")
        save_heads(tmp_path / "heads.npz", heads, data.rows(photos[:40])[0])
        loaded = load_heads(tmp_path / "heads.npz")
        np.testing.assert_array_equal(judge.answers(loaded.heads, photos), judge.answers(heads, photos))
        assert (loaded.mean.shape, loaded.scale.shape) == ((6,), (6,))
    before = (tmp_path / "heads.npz").read_bytes()
    save_heads(tmp_path / "heads.npz", heads, data.rows(photos[:40])[0])
    assert (tmp_path / "heads.npz").read_bytes() == before
    (tmp_path / "heads.npz").write_bytes(before[:-40])
    with pytest.raises(RunError, match=r"heads\.npz is damaged .*Delete its folder"):
        load_heads(tmp_path / "heads.npz")


def test_heads_of_tags(tmp_path: Path) -> None:
    single = features(120, crossed=False)
    tags = np.stack([single.labels, 1 - single.labels, single.labels * 0], axis=1).astype(np.int8)
    judge = HeadTrainer(LabelledFeatures(single.views, tags), 3, None, "multi-label", "mean_average_precision", 0)
    for kind in ("linear", "mlp"):
        heads, _ = train_heads(judge, (kind,), np.arange(80), np.arange(80, 120))
        present = judge.answers(heads, np.arange(80, 120)) > 0
        assert (present == tags[80:]).mean() > 0.9


def test_a_feature_that_hardly_varies_stays_small() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 4))
    rows[:, 3] = 0
    mean, scale = moments_of(rows)
    assert abs(float((1 - mean[3]) / scale[3])) < 20
    np.testing.assert_allclose(scale[:3], rows[:, :3].std(axis=0), rtol=1e-6)
    assert LinearHead(np.eye(4, dtype=np.float32), np.zeros(4, np.float32), 0.0).logits(rows).shape == (50, 4)
