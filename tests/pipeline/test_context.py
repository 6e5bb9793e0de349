"""Which photos a pass of distillation shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekd.data.dataset import Sample
from edgekd.pipeline.context import Pool
from edgekd.training.joined_order import ExtendedLabels


def pool(labelled: int, unlabelled: int) -> Pool:
    labels = [0] * labelled + [-1] * unlabelled
    samples = [
        Sample(str(n), Path(str(n)), None, "", None if label < 0 else label, "unlabelled" if label < 0 else "train", n)
        for n, label in enumerate(labels)
    ]
    return Pool(tuple(samples), np.asarray(labels, np.int64))


@pytest.mark.parametrize(("share", "times"), [(0.5, [3, 3, 2, 2]), (0.25, [1, 1, 1, 1]), (None, [1, 1, 1, 1])])
def test_labelled_photos_make_up_their_share_of_a_pass(share: float | None, times: list[int]) -> None:
    shown = np.bincount(np.asarray(pool(4, 10).distillation_order(share)), minlength=14)
    assert shown.tolist() == times + [1] * 10


@pytest.mark.parametrize("share", [None, 0.25, 0.5])
def test_photos_of_stored_columns_are_shown_as_unlabelled_ones_are(share: float | None) -> None:
    whole, part = pool(4, 10), pool(4, 3)
    shown, labels = part.distillation_order(share, 7), ExtendedLabels(part.labels, 7)
    rows = np.arange(len(shown))
    assert shown[rows].tolist() == np.asarray(whole.distillation_order(share)).tolist()
    assert labels[shown[rows]].tolist() == whole.labels[shown[rows]].tolist()
    assert len(labels) == 14


def test_where_labels_are_many_or_none_nothing_is_repeated() -> None:
    assert np.asarray(pool(10, 4).distillation_order(0.5)).tolist() == list(range(14))
    assert np.asarray(pool(0, 4).distillation_order(0.5)).tolist() == list(range(4))
    assert pool(0, 4).distillation_order(0.5, 2)[np.arange(6)].tolist() == list(range(6))
