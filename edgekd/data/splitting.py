"""Splits into train, val and test: stratified, seeded, with duplicates on one side."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from pydantic import Field, model_validator

from edgekd.data.duplicates import HAMMING_BITS
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
    """Share of all labelled photos for validation, which choose the best epoch; 0 makes no such split."""
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

    Unset, all labels are kept.
    """
    train: int | float | None = Field(default=None, ge=0, examples=[30])
    """Labels to keep in train, of all classes together (60 of 5 classes: 12 of each), or a share of each (0.0 to 1.0).

    The other photos of train become unlabelled ones. Unset, all labels are kept.
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
    """A photo to be put into a split: ``split`` is what the data gives, None if it gives none."""

    sha256: str
    label: int | None
    split: str | None
    group: int


def assign(photos: Sequence[Candidate], classes: Sequence[str], policy: SplitPolicy) -> list[Candidate]:
    """Give every photo a split. What the data gives wins; a missing val or test is carved out of train, class by class.

    The choice depends on the seed and the photos' contents, not on names or order. Raises SplitError.
    """
    present = {photo.split for photo in photos}
    assigned = [
        replace(photo, split=photo.split or ("unlabelled" if photo.label is None else "train")) for photo in photos
    ]
    shares = {"test": policy.test, "val": policy.val}
    missing = {name: share for name, share in shares.items() if share > 0 and name not in present}
    # A share is of all labelled photos; where the other split is given, the train photos are what remains of them.
    remaining = 1.0 - sum(share for name, share in shares.items() if name in present)
    _carve(assigned, {name: share / remaining for name, share in missing.items()}, classes, policy.seed)
    _require_every_class(
        assigned, [name for name in ("train", "val", "test") if name in present | set(missing) | {"train"}], classes
    )
    return assigned


def keep_few_labels(photos: Sequence[Candidate], classes: Sequence[str], policy: SplitPolicy) -> list[Candidate]:
    """Keep ``policy.labelled_per_class`` labels of each class in train and val, or ``policy.train`` ones in train.

    Of ``labelled_per_class`` val's share are in val. Raises SplitError.
    """
    if policy.train is not None:
        return _keep_in_train(photos, classes, policy.train, policy.seed)
    per_class = policy.labelled_per_class
    if per_class is None:
        return list(photos)
    has_val = any(photo.split == "val" for photo in photos)
    in_val = min(per_class - 1, max(1, round(per_class * policy.val / (1 - policy.test)))) if has_val else 0
    labelled: set[int] = set()
    for split, count in (("train", per_class - in_val), ("val", in_val)):
        for label in range(len(classes)):
            members = [i for i, photo in enumerate(photos) if photo.split == split and photo.label == label]
            members.sort(key=lambda i: (_draw(policy.seed, "label", photos[i].sha256), i))
            labelled.update(members[:count])
    return [
        replace(photo, split="unlabelled", label=None)
        if photo.split in ("train", "val") and i not in labelled
        else photo
        for i, photo in enumerate(photos)
    ]


def overlapping(photos: Sequence[Candidate]) -> list[int]:
    """Positions of unlabelled photos that are duplicates of a val or test photo, which would leak it into training."""
    held_out = {photo.group for photo in photos if photo.split in ("val", "test")}
    return [i for i, photo in enumerate(photos) if photo.split == "unlabelled" and photo.group in held_out]


def _carve(done: list[Candidate], shares: dict[str, float], classes: Sequence[str], seed: int) -> None:
    held_out = {photo.group for photo in done if photo.split in ("val", "test")}
    pool: dict[int, list[int]] = {}
    for position, photo in enumerate(done):
        if photo.split == "train" and photo.group not in held_out:
            pool.setdefault(photo.group, []).append(position)
    by_class: dict[int, list[list[int]]] = {label: [] for label in range(len(classes))}
    for members in pool.values():
        by_class[_common(done[i].label for i in members)].append(members)
    for label, groups in by_class.items():
        groups.sort(key=lambda members: min(_draw(seed, "split", done[i].sha256) for i in members))
        _require_groups(groups, shares, classes[label])
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


def _require_groups(groups: Sequence[Sequence[int]], shares: dict[str, float], name: str) -> None:
    needed = 1 + len(shares)
    if shares and len(groups) < needed:
        photos = sum(len(members) for members in groups)
        raise SplitError(
            f"class {name!r} has {photos} photo{'s' * (photos > 1)} to split, in {len(groups)} "
            f"group{'s' * (len(groups) > 1)} of (near) duplicates, and train, "
            f"{' and '.join(shares)} need {needed} groups. Add photos of it, set the share of a "
            "split to 0, or near_duplicates to false if these are different photos"
        )


def _require_every_class(done: Sequence[Candidate], splits: Sequence[str], classes: Sequence[str]) -> None:
    present = Counter((photo.split, photo.label) for photo in done)
    lacking = [f"{name!r} in {s}" for s in splits for i, name in enumerate(classes) if not present[s, i]]
    if lacking:
        raise SplitError(
            f"there are no photos of {', '.join(lacking)}. Every class needs a photo in every split: add some, or "
            "remove the split from the data so that it is made again"
        )


def _keep_in_train(
    photos: Sequence[Candidate], classes: Sequence[str], amount: int | float, seed: int
) -> list[Candidate]:
    members: list[list[int]] = [[] for _ in classes]
    for i, photo in enumerate(photos):
        if photo.split == "train" and photo.label is not None:
            members[photo.label].append(i)
    for of_class in members:
        of_class.sort(key=lambda i: (_draw(seed, "label", photos[i].sha256), i))
    if isinstance(amount, float):
        labelled = {
            i for of_class in members for i in of_class[: max(1, round(amount * len(of_class))) if amount else 0]
        }
    else:
        if 0 < amount < len(classes):
            raise SplitError(
                f"split.train = {amount} is fewer than one label for each of {len(classes)} classes. Keep more, or "
                "give a share (all of them: 1.0)"
            )
        # One of each class in turn, until there are enough or none remains.
        turns = sorted((rank, label, i) for label, of_class in enumerate(members) for rank, i in enumerate(of_class))
        labelled = {i for _, _, i in turns[:amount]}
    return [
        photo if photo.split != "train" or i in labelled else replace(photo, split="unlabelled", label=None)
        for i, photo in enumerate(photos)
    ]


def _common(labels: Iterable[int | None]) -> int:
    counts = Counter(label for label in labels if label is not None)
    return min(counts, key=lambda label: (-counts[label], label))


def _draw(seed: int, purpose: str, sha256: str) -> str:
    return hashlib.sha256(f"{seed}/{purpose}/{sha256}".encode()).hexdigest()
