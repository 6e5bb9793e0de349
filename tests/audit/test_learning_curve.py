"""What more labels bring: who judges whom, what scores are, and when nothing can be told."""

from __future__ import annotations

import numpy as np
import pytest
from feature_tables import clouds

from edgekd.audit.labelled_features import (
    LabelledFeatures,
    labelled_features,
    nested_ranks,
    photo_scores,
    rotate,
    spread_folds,
)
from edgekd.audit.learning_curve import Gain, LearningCurve, NoForecast, forecast_gains, round_number
from edgekd.audit.rehearsal import rehearse
from edgekd.pipeline.feature_table import FeatureTable
from edgekd.tag_metrics import mean_average_precision


def photos_of(table: FeatureTable) -> LabelledFeatures:
    rows = table.labelled
    fitted = np.isin(np.array(table.splits)[rows], ("train", "val"))
    return labelled_features(table, rows, fitted, "balanced_accuracy")


@pytest.mark.parametrize("tags", [False, True])
def test_duplicates_are_in_one_fold_and_in_one_part(tags: bool) -> None:
    photos = photos_of(clouds({"train": 60, "val": 15, "test": 30}, group_size=3, tags=tags))
    folds = spread_folds(photos, 0)
    fitted = np.flatnonzero(photos.fitted & (folds != 0))
    rank = nested_ranks(photos, fitted, np.random.default_rng(0))
    for group in np.unique(photos.groups):
        members = np.flatnonzero(photos.groups == group)
        assert len(set(folds[members].tolist())) == 1
        places = np.sort(rank[members])
        between = (rank > places[0]) & (rank < places[-1]) & same_class(photos, members)
        assert set(photos.groups[between].tolist()) <= {group}
    assert (rank[~photos.fitted | (folds == 0)] == 2).all()


def same_class(photos: LabelledFeatures, members: np.ndarray) -> np.ndarray:
    if photos.truth.ndim == 2:
        return np.ones(len(photos.truth), np.bool_)
    return np.asarray(photos.truth == photos.truth[members[0]])


def test_scores_of_photos_add_up_to_the_metric() -> None:
    rng = np.random.default_rng(0)
    labels = photos_of(clouds({"train": 50}))
    logits = rng.normal(size=(50, 3))
    recalls = [(logits.argmax(axis=1) == number)[labels.truth == number].mean() for number in range(3)]
    assert photo_scores(labels, logits).sum() == pytest.approx(np.mean(recalls))
    tags = photos_of(clouds({"train": 50}, tags=True))
    expected = mean_average_precision(tags.truth, 1 / (1 + np.exp(-logits))).value
    assert photo_scores(tags, logits).sum() == pytest.approx(expected)


def test_main_directions_keep_the_distances_of_photos() -> None:
    table = clouds({"train": 40, "test": 10})
    x = rotate(table.features, np.arange(50) < 40)
    own = table.features[:40]
    standardized = (table.features - own.mean(axis=0)) / own.std(axis=0)
    assert np.linalg.norm(x[45] - x[2]) == pytest.approx(np.linalg.norm(standardized[45] - standardized[2]), rel=1e-4)


@pytest.mark.parametrize("tags", [False, True])
def test_a_forecast_of_every_class(tags: bool) -> None:
    table = clouds({"train": 42, "val": 12, "test": 30, "unlabelled": 20}, tags=tags)
    curve = forecast_gains(table, "accuracy", 0)
    assert isinstance(curve, LearningCurve)
    assert tags or curve == forecast_gains(table, "accuracy", 0)
    assert curve.labels == 54
    assert curve.judges == 84
    assert curve.metric == ("mean_average_precision" if tags else "accuracy")
    assert {each.name for each in curve.classes} == set(table.classes)
    assert all(each.more in (10, 20) for each in curve.classes)
    assert curve.doubled.low <= curve.doubled.value <= curve.doubled.high
    assert 0 <= curve.doubled.value <= curve.quadrupled.value
    scores = [point.score for point in curve.rehearsed]
    assert scores[-1] > scores[0]


def test_too_few_labels_are_said() -> None:
    few = forecast_gains(clouds({"train": 20, "test": 30}), "accuracy", 0)
    assert isinstance(few, NoForecast)
    assert "20 labels" in few.reason
    table = clouds({"train": 60, "test": 30})
    rare = table.truth.copy()
    rare[np.flatnonzero(rare == 2)[4:]] = 1
    scarce = forecast_gains(
        FeatureTable(table.samples, table.splits, rare, table.features, table.classes), "accuracy", 0
    )
    assert isinstance(scarce, LearningCurve)
    assert scarce.not_asked == ("class 2",)


def test_parts_of_so_few_photos_that_they_are_the_same_still_give_numbers() -> None:
    photos = photos_of(clouds({"train": 15}))
    rehearsal = rehearse(photos, range(3), 2, 0)
    assert np.isfinite([rehearsal.draw, rehearsal.draw_of_class, *rehearsal.scores, *rehearsal.ratios]).all()
    assert (np.linalg.eigvalsh(rehearsal.covariance) > 0).all()


def test_a_wide_interval_that_holds_zero_tells_nothing() -> None:
    assert Gain(0.015, 0.004, 0.026).can_tell
    assert Gain(0.001, -0.004, 0.006).can_tell
    assert not Gain(0.015, -0.01, 0.04).can_tell


@pytest.mark.parametrize(("count", "rounded"), [(0.4, 1), (7, 6), (23, 20), (87, 80), (113, 100), (640, 600)])
def test_amounts_are_round(count: float, rounded: int) -> None:
    assert round_number(count) == rounded
