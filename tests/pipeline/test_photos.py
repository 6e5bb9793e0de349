"""Which photos a pass of distillation shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekd.data.dataset import Sample
from edgekd.pipeline.photos import Pool


def pool(labelled: int, unlabelled: int) -> Pool:
    labels = [0] * labelled + [-1] * unlabelled
    samples = [
        Sample(str(n), Path(str(n)), None, "", None if label < 0 else label, "unlabelled" if label < 0 else "train", n)
        for n, label in enumerate(labels)
    ]
    return Pool(tuple(samples), np.asarray(labels, np.int64))


@pytest.mark.parametrize(("share", "times"), [(0.5, [3, 3, 2, 2]), (0.25, [1, 1, 1, 1]), (None, [1, 1, 1, 1])])
def test_labelled_photos_make_up_their_share_of_a_pass(share: float | None, times: list[int]) -> None:
    shown = np.bincount(pool(4, 10).shown(share), minlength=14)
    assert shown.tolist() == times + [1] * 10


def test_where_labels_are_many_or_none_nothing_is_repeated() -> None:
    assert pool(10, 4).shown(0.5).tolist() == list(range(14))
    assert pool(0, 4).shown(0.5).tolist() == list(range(4))
