"""Photos with tags on their way from a dataset into batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekd.data.dataset import Dataset, Sample
from edgekd.data.duplicates import DuplicateSummary
from edgekd.data.views_mix import Mixing, MixPolicy
from edgekd.errors import UsageError
from edgekd.pipeline.context import pool_of
from edgekd.training.batches import BatchStream
from edgekd.training.joined_order import ExtendedLabels

TAGS = [(0, 1), (), (2,), None, (1,), (0,)]
SPLITS = ["train", "train", "train", "unlabelled", "val", "test"]
EMPTY = DuplicateSummary(0, 0, 0, 1, None, ())


def tagged() -> Dataset:
    samples = tuple(
        Sample(f"{n}.png", Path(f"{n}.png"), None, f"{n:064x}", None, split, n, tags)
        for n, (tags, split) in enumerate(zip(TAGS, SPLITS, strict=True))
    )
    return Dataset(("wet", "littered", "dark"), samples, (), EMPTY, "multi-label")


class StillViews:
    """Photo p is an image of the value p; where asked for, its view is mixed with photo p + 1."""

    views = 1

    def gather(self, sample_indices: Any, view_numbers: Any) -> Any:
        return np.broadcast_to(
            np.asarray(sample_indices, np.uint8)[:, None, None, None], (len(sample_indices), 4, 4, 3)
        )


class MixedViews(StillViews):
    def mixes(self, sample_indices: Any, view_numbers: Any) -> Any:
        numbers = np.asarray(sample_indices)
        return np.where(numbers == 0, -1, (numbers + 1) % 4), np.full(len(numbers), 0.5, np.float32)


def test_tags_are_rows_of_zeros_and_ones_and_minus_one_where_nothing_is_known() -> None:
    dataset = tagged()
    assert dataset.targets("train").tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert dataset.truth("unlabelled").tolist() == [[-1, -1, -1]]
    assert dataset.truth("train").dtype == np.int8
    with pytest.raises(UsageError, match="ask for targets"):
        dataset.labels("train")


def test_pool_of_tags_in_passes_and_batches() -> None:
    pool = pool_of(tagged())
    assert pool.labels.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1], [-1, -1, -1]]
    assert pool.labelled.tolist() == [0, 1, 2]
    assert sorted(np.asarray(pool.distillation_order(0.9)).tolist()) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    batch = BatchStream(StillViews(), np.arange(4), pool.labels, None, batch_size=4, seed=0).batch(0)
    assert batch.labels.dtype == np.int32
    assert batch.labels.tolist() == [pool.labels[p].tolist() for p in batch.images[:, 0, 0, 0]]
    extended = ExtendedLabels(pool.labels, 2)
    assert extended[np.array([0, 5])].tolist() == [[1, 1, 0], [-1, -1, -1]]
    assert pool_of(tagged(), label_free=True).labels.tolist() == [[-1, -1, -1]] * 4


def test_a_mixed_view_has_the_tags_of_both_photos_or_none() -> None:
    pool = pool_of(tagged())
    batch = BatchStream(MixedViews(), np.arange(4), pool.labels, None, batch_size=4, seed=0).batch(0)
    assert batch.second is not None
    unknown = ([-1, -1, -1], [-1, -1, -1])
    both = [([1, 1, 0], [1, 1, 0]), ([0, 0, 0], [0, 0, 1]), unknown, unknown]
    for row, photo in enumerate(batch.images[:, 0, 0, 0]):
        assert (batch.labels[row].tolist(), batch.second[row].tolist()) == both[photo]


def test_a_tagged_photo_is_mixed_with_tagged_ones_even_with_one_without_a_tag() -> None:
    samples = tagged().samples[:4]
    mixing = Mixing(MixPolicy(share=1, mixup=1), 0, samples)
    assert mixing.facts() == [True, True, True, False]
    partners = {mix.partner for number in range(1, 30) if (mix := mixing.of(0, number)) is not None}
    assert partners == {1, 2}


def test_tags_in_counts_lines_digests_and_files(tmp_path: Path) -> None:
    dataset = tagged()
    assert dataset.counts()["train"] == {"wet": 1, "littered": 1, "dark": 1, "none of these": 1}
    assert dataset.counts()["unlabelled"] == {"": 1}
    assert dataset.summary_line() == (
        "6 photos; tags: wet 2, littered 2, dark 1; without a tag: 1; splits: train 3, val 1, test 1, unlabelled 1"
    )
    dataset.save(tmp_path / "dataset.json")
    loaded = Dataset.load(tmp_path / "dataset.json")
    assert (loaded.task, loaded.digest()) == ("multi-label", dataset.digest())
    assert [sample.tags for sample in loaded.samples] == TAGS
    changed = replace(dataset, samples=(replace(dataset.samples[1], tags=(1,)), *dataset.samples[1:]))
    assert changed.digest() != dataset.digest()


def test_photos_with_one_label_are_saved_as_before(tmp_path: Path) -> None:
    sample = Sample("a.png", Path("a.png"), None, "0" * 64, 0, "train", 0)
    dataset = Dataset(("a", "b"), (sample,), (), EMPTY)
    dataset.save(tmp_path / "dataset.json")
    text = (tmp_path / "dataset.json").read_text()
    assert '"tags"' not in text and '"task"' not in text and '"none_class"' not in text
    assert dataset.digest() == "fcbaa0b2b812a4b507bf1f471cc1cb4a91c4f79d1c87345892accca41ce061ff"
    assert replace(dataset, none_class="b").digest() != dataset.digest()
    assert Dataset.load(tmp_path / "dataset.json").samples[0].tags is None
