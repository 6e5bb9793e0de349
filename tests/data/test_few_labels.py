"""Few labels or none: how many are kept, of what, and that the rest goes on as photos without a label."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import photo_makers as make
import pytest

from edgekd.data import Dataset, SplitPolicy, load_dataset
from edgekd.errors import SplitError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make.class_folders(tmp_path / "photos", {"a": 20, "b": 12, "c": 6})


def labels_of(photos: Path, train: int | float | None) -> tuple[Dataset, Counter[int | None]]:
    dataset = load_dataset(photos, policy=SplitPolicy(train=train))
    return dataset, Counter(sample.label for sample in dataset.split("train"))


def test_a_number_is_spread_evenly_and_a_share_is_of_each_class(photos: Path) -> None:
    everything, all_labels = labels_of(photos, None)
    assert all_labels == {0: 13, 1: 8, 2: 4}
    few, kept = labels_of(photos, 9)
    assert kept == {0: 3, 1: 3, 2: 3} and len(few.split("unlabelled")) == 25 - 9
    assert [len(few.split(s)) for s in ("val", "test")] == [len(everything.split(s)) for s in ("val", "test")]
    # Class c has four: the others make up for it.
    assert labels_of(photos, 16)[1] == {0: 6, 1: 6, 2: 4}
    assert labels_of(photos, 500)[1] == all_labels == labels_of(photos, 1.0)[1]
    assert labels_of(photos, 0.25)[1] == {0: 3, 1: 2, 2: 1}
    assert labels_of(photos, 0)[1] == labels_of(photos, 0.0)[1] == {}


def test_fewer_labels_are_some_of_the_more(photos: Path) -> None:
    few, more = ({s.id for s in labels_of(photos, n)[0].split("train")} for n in (6, 12))
    assert few < more


def test_fewer_labels_than_classes_are_refused(photos: Path) -> None:
    with pytest.raises(SplitError, match="fewer than one label for each of 3 classes"):
        labels_of(photos, 1)
