"""Splits into train, val and test: stratified, seeded, with duplicates on one side."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from edgekd.data.duplicates import HAMMING_BITS
from edgekd.data.stratify import UncoveredTag, cover_every_part, stratify
from edgekd.errors import SplitError
from edgekd.section import Section


class SplitPolicy(Section):
    """How photos are divided into train, val and test where the data does not say so itself.

    Example:
        >>> SplitPolicy(seed=7, val=0.1, test=0).model_dump(include={"seed", "val", "test"})
        {'seed': 7, 'val': 0.1, 'test': 0.0}
    """

    LATER: ClassVar[tuple[str, ...]] = ("train",)

    seed: int = Field(default=0, ge=0)
    """Seed of the split. The same seed and photos give the same split, whatever their names or order."""
    val: float = Field(default=0.15, ge=0, lt=1)
    """Share of all labelled photos for validation, which choose the epoch; 0 makes no such split."""
    test: float = Field(default=0.2, ge=0, lt=1)
    """Share of all labelled photos for the test, which nothing is trained or chosen on; 0 makes no such split."""
    near_duplicates: bool = True
    """Keep near duplicates in one split, so that no test photo has a twin in training."""
    hamming_bits: int = Field(default=HAMMING_BITS, ge=0, le=16)
    """Bits of 64 in which the perceptual hashes of near duplicates may differ."""
    largest_group: float = Field(default=0.05, gt=0, le=1)
    """Largest share of all photos in one group of near duplicates; above it (and 50 photos) fewer bits may differ.

    A group that large means that the photos look alike to the hash; a warning says so.
    """
    labelled_per_class: int | None = Field(default=None, ge=2, examples=[20])
    """Labels of each class to keep in train and val together; the other photos there become unlabelled ones.

    Unset, all labels are kept. A photo with tags counts for each of them, so that frequent tags may have more.
    """
    train: int | float | None = Field(default=None, ge=0, examples=[30])
    """Labels to keep in train, of all classes together (60 of 5 classes: 12 of each), or a share of each (0.0 to 1.0).

    The other photos of train become unlabelled ones. Unset, all labels are kept. Where photos have tags, it is the
    number of photos whose tags are kept, or their share.
    """

    @model_validator(mode="after")
    def _leave_some_for_training(self) -> SplitPolicy:
        if self.val + self.test >= 1:
            raise ValueError(
                f"val + test must be below 1, got {self.val} + {self.test}: nothing would be left to train on"
            )
        if isinstance(self.train, float) and self.train > 1:
            raise ValueError(f"train is a number of labels (a whole number) or a share up to 1.0, got {self.train}")
        if self.train is not None and self.labelled_per_class is not None:
            raise ValueError("train and labelled_per_class both say how many labels to keep: leave one of them out")
        return self


@dataclass(frozen=True)
class Candidate:
    """A photo to be put into a split: ``split`` is what the data gives, None if it gives none.

    ``label`` and ``tags`` are those of a `Sample`: one of them is None, and both are for an unlabelled photo.
    """

    sha256: str
    label: int | None
    split: str | None
    group: int
    tags: tuple[int, ...] | None = None

    @property
    def is_unlabelled(self) -> bool:
        """Whether neither a label nor tags are known."""
        return self.label is None and self.tags is None

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the classes that the photo shows."""
        return self.tags or () if self.label is None else (self.label,)


def assign(photos: Sequence[Candidate], classes: Sequence[str], policy: SplitPolicy) -> list[Candidate]:
    """Give every photo a split. What the data gives wins; a missing val or test is carved out of train, class by class.

    The choice depends on the seed and the photos' contents, not on names or order. Where the data gives every labelled
    photo a split that isn't train, and there are photos without labels, those alone are trained on. Raises SplitError.
    """
    present = {photo.split for photo in photos}
    assigned = [
        replace(photo, split=photo.split or ("unlabelled" if photo.is_unlabelled else "train")) for photo in photos
    ]
    if _only_measure(assigned):
        _require_every_class(assigned, [name for name in ("val", "test") if name in present], classes)
        return assigned
    shares = {"test": policy.test, "val": policy.val}
    missing = {name: share for name, share in shares.items() if share > 0 and name not in present}
    # A share is of all labelled photos; where the other split is given, the train photos are what remains of them.
    remaining = 1.0 - sum(share for name, share in shares.items() if name in present)
    carve = _carve_by_tags if any(photo.tags is not None for photo in photos) else _carve
    carve(assigned, {name: share / remaining for name, share in missing.items()}, classes, policy.seed)
    _require_every_class(
        assigned, [name for name in ("train", "val", "test") if name in present | set(missing) | {"train"}], classes
    )
    return assigned


def _only_measure(assigned: Sequence[Candidate]) -> bool:
    """Whether photos without labels are all that there is to train on."""
    trained = {photo.is_unlabelled for photo in assigned if photo.split in ("train", "unlabelled")}
    return trained == {True}


def spread(photos: Sequence[Candidate], loose: set[int], seed: int) -> list[Candidate]:
    """Give the ``loose`` photos the splits that the other ones have from their source, in the same shares.

    A loose photo goes with its duplicates. Where the source gives neither val nor test, all is left to `assign`.
    """
    given = Counter(photo.split for i, photo in enumerate(photos) if i not in loose and not photo.is_unlabelled)
    held_out = [name for name in ("test", "val") if given[name]]
    sides = {photo.group: photo.split for i, photo in enumerate(photos) if i not in loose and photo.split in held_out}
    groups: dict[int, list[int]] = {}
    for i in sorted(loose):
        groups.setdefault(photos[i].group, []).append(i)
    spreading = list(photos)
    for group, members in groups.items():
        for i in members:
            spreading[i] = replace(photos[i], split=sides.get(group))
    free = [members for group, members in groups.items() if group not in sides]
    free.sort(key=lambda members: min(draw_rank(seed, "split", photos[i].sha256) for i in members))
    total = sum(map(len, free))
    for number, name in enumerate(held_out):
        spare = len(free) - (len(held_out) - number)
        for members in _take(free, max(1, round(given[name] / given.total() * total)), spare) if free else []:
            free.remove(members)
            for i in members:
                spreading[i] = replace(spreading[i], split=name)
    return spreading


def overlapping(photos: Sequence[Candidate]) -> list[int]:
    """Positions of unlabelled photos that are duplicates of a val or test photo, which would leak it into training."""
    held_out = {photo.group for photo in photos if photo.split in ("val", "test")}
    return [i for i, photo in enumerate(photos) if photo.split == "unlabelled" and photo.group in held_out]


def _free_groups(done: Sequence[Candidate]) -> list[list[int]]:
    """The groups in train that have no duplicate in another split, which may be put there."""
    held_out = {photo.group for photo in done if photo.split in ("val", "test")}
    groups: dict[int, list[int]] = {}
    for position, photo in enumerate(done):
        if photo.split == "train" and photo.group not in held_out:
            groups.setdefault(photo.group, []).append(position)
    return list(groups.values())


def _carve_by_tags(done: list[Candidate], shares: dict[str, float], tags: Sequence[str], seed: int) -> None:
    if not shares:
        return
    groups = _free_groups(done)
    groups.sort(key=lambda members: min(draw_rank(seed, "split", done[i].sha256) for i in members))
    for tag, name in enumerate(tags):
        _require_groups([m for m in groups if any(tag in done[i].numbers for i in m)], shares, name, "tag")
    counts = np.zeros((len(groups), len(tags) + 1), np.int64)
    for row, members in zip(counts, groups, strict=True):
        for i in members:
            row[list(done[i].numbers or (len(tags),))] += 1
    sizes = np.array([len(members) for members in groups], np.int64)
    names = ["train", *shares]
    parts = stratify(counts, sizes, [1 - sum(shares.values()), *shares.values()])
    try:
        parts = cover_every_part(parts, counts[:, :-1] > 0, sizes, len(names))
    except UncoveredTag as error:
        raise SplitError(
            f"tag {tags[error.tag]!r} can't be in train, {' and '.join(shares)} at once: the photos that have it share "
            f"rare tags, and {names[error.part]} would have none. Add photos of it, or set the share of a split to 0"
        ) from None
    for part, members in zip(parts, groups, strict=True):
        for i in members:
            done[i] = replace(done[i], split=names[part])


def _carve(done: list[Candidate], shares: dict[str, float], classes: Sequence[str], seed: int) -> None:
    by_class: dict[int, list[list[int]]] = {label: [] for label in range(len(classes))}
    for members in _free_groups(done):
        by_class[_common(done[i].label for i in members)].append(members)
    for label, groups in by_class.items():
        groups.sort(key=lambda members: min(draw_rank(seed, "split", done[i].sha256) for i in members))
        _require_groups(groups, shares, classes[label], "class")
        total = sum(len(members) for members in groups)
        for number, (name, share) in enumerate(shares.items()):
            spare = len(groups) - (len(shares) - number)
            for members in _take(groups, max(1, round(share * total)), spare):
                groups.remove(members)
                for i in members:
                    done[i] = replace(done[i], split=name)


def _take(groups: list[list[int]], most_photos: int, most_groups: int) -> list[list[int]]:
    """The first groups that fit into ``most_photos`` photos, at least the smallest one."""
    chosen: list[list[int]] = []
    count = 0
    for members in groups:
        if len(chosen) < most_groups and count + len(members) <= most_photos:
            chosen.append(members)
            count += len(members)
    return chosen or [min(groups, key=len)]


def _require_groups(groups: Sequence[Sequence[int]], shares: dict[str, float], name: str, kind: str) -> None:
    needed = 1 + len(shares)
    if shares and len(groups) < needed:
        photos = sum(len(members) for members in groups)
        raise SplitError(
            f"{kind} {name!r} has {photos} photo{'s' * (photos > 1)} to split, in {len(groups)} "
            f"group{'s' * (len(groups) > 1)} of (near) duplicates, and train, "
            f"{' and '.join(shares)} need {needed} groups. Add photos of it, set the share of a "
            "split to 0, or near_duplicates to false if these are different photos"
        )


def _require_every_class(done: Sequence[Candidate], splits: Sequence[str], classes: Sequence[str]) -> None:
    present = Counter((photo.split, number) for photo in done for number in photo.numbers)
    lacking = [f"{name!r} in {s}" for s in splits for i, name in enumerate(classes) if not present[s, i]]
    if lacking:
        raise SplitError(
            f"there are no photos of {', '.join(lacking)}. Every class needs a photo in every split: add some, or "
            "remove the split from the data so that it is made again"
        )


def _common(labels: Iterable[int | None]) -> int:
    counts = Counter(label for label in labels if label is not None)
    return min(counts, key=lambda label: (-counts[label], label))


def draw_rank(seed: int, purpose: str, sha256: str) -> str:
    """By which a seed orders photos, for a purpose ("split", "label"): by their contents alone."""
    return hashlib.sha256(f"{seed}/{purpose}/{sha256}".encode()).hexdigest()
