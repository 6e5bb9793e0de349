"""Splits that the data gives: labelled photos that only measure."""

from __future__ import annotations

import pytest

from edgekd.data.splitting import Candidate, SplitPolicy, assign
from edgekd.errors import SplitError


def candidate(name: str, label: int | None, split: str | None) -> Candidate:
    return Candidate(name, label, split, hash(name))


def test_labelled_photos_may_only_measure_where_others_have_no_label() -> None:
    measuring = [candidate(f"t{i}", i % 2, "test") for i in range(6)]
    pool = [candidate(f"u{i}", None, None) for i in range(5)]
    assert [photo.split for photo in assign([*measuring, *pool], ("a", "b"), SplitPolicy())] == [
        *["test"] * 6, *["unlabelled"] * 5,
    ]  # fmt: skip
    # Every class must still be measured, and without a pool there is nothing to train on.
    with pytest.raises(SplitError, match=r"no photos of 'b' in test"):
        assign([*measuring[::2], *pool], ("a", "b"), SplitPolicy())
    with pytest.raises(SplitError, match=r"has 0 photo"):
        assign(measuring, ("a", "b"), SplitPolicy())
