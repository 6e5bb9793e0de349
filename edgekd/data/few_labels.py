"""Few labels of many: photos whose labels are kept, by class or by tag, and photos that become unlabelled ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgekd.data.splitting import Candidate, SplitPolicy, draw_rank
from edgekd.errors import SplitError


def keep_few_labels(photos: Sequence[Candidate], classes: Sequence[str], policy: SplitPolicy) -> list[Candidate]:
    """Keep ``policy.labelled_per_class`` labels of each class in train and val, or ``policy.train`` ones in train.

    Of ``labelled_per_class`` val's share are in val. A photo with tags counts for each of them. Raises SplitError.
    """
    with_tags = any(photo.tags is not None for photo in photos)
    if policy.train is not None:
        if with_tags:
            return _keep(photos, {"train"}, _tagged_in_train(photos, classes, policy.train, policy.seed))
        return _keep_in_train(photos, classes, policy.train, policy.seed)
    per_class = policy.labelled_per_class
    if per_class is None:
        return list(photos)
    has_val = any(photo.split == "val" for photo in photos)
    in_val = min(per_class - 1, max(1, round(per_class * policy.val / (1 - policy.test)))) if has_val else 0
    labelled: set[int] = set()
    for split, count in (("train", per_class - in_val), ("val", in_val)):
        of_class = _members(photos, split, len(classes), policy.seed)
        # The rarest first: its photos count for their other tags too.
        for members in sorted(of_class, key=len) if with_tags else of_class:
            labelled.update([i for i in members if i not in labelled][: max(0, count - len(labelled & set(members)))])
    return _keep(photos, {"train", "val"}, labelled)


def _keep_in_train(
    photos: Sequence[Candidate], classes: Sequence[str], amount: int | float, seed: int
) -> list[Candidate]:
    members = _members(photos, "train", len(classes), seed)
    if isinstance(amount, float):
        labelled = {
            i for of_class in members for i in of_class[: max(1, round(amount * len(of_class))) if amount else 0]
        }
    else:
        _require_one_each(amount, classes)
        # One of each class in turn, until there are enough or none remains.
        turns = sorted((rank, label, i) for label, of_class in enumerate(members) for rank, i in enumerate(of_class))
        labelled = {i for _, _, i in turns[:amount]}
    return _keep(photos, {"train"}, labelled)


def _tagged_in_train(photos: Sequence[Candidate], tags: Sequence[str], amount: int | float, seed: int) -> set[int]:
    """The photos of train that keep their tags: a share of them, or in turn one of the tag that has fewest so far."""
    members = _members(photos, "train", len(tags), seed)
    everyone = {i for of_tag in members for i in of_tag}
    wanted = amount
    if isinstance(amount, float):
        wanted = max(1, round(amount * len(everyone))) if amount else 0
    else:
        _require_one_each(amount, tags)
    whole = [max(1, len(of_tag)) if isinstance(amount, float) else 1 for of_tag in members]
    labelled: set[int] = set()
    counts, waiting = [0] * len(members), [of_tag[::-1] for of_tag in members]
    while len(labelled) < min(wanted, len(everyone)):
        tag = min(
            (tag for tag, photos_left in enumerate(waiting) if photos_left),
            key=lambda tag: (counts[tag] / whole[tag], len(members[tag]), tag),
        )
        photo = waiting[tag].pop()
        if photo in labelled:
            continue
        labelled.add(photo)
        for number in photos[photo].numbers or (len(tags),):
            counts[number] += 1
    return labelled


def _require_one_each(amount: int, classes: Sequence[str]) -> None:
    if 0 < amount < len(classes):
        raise SplitError(
            f"split.train = {amount} is fewer than one label for each of {len(classes)} classes. Keep more, or "
            "give a share (all of them: 1.0)"
        )


def _members(photos: Sequence[Candidate], split: str, classes: int, seed: int) -> list[list[int]]:
    """Photos of a split by class, in the order in which the seed draws them; with tags, last those without any."""
    with_tags = any(photo.tags is not None for photo in photos)
    members: list[list[int]] = [[] for _ in range(classes + with_tags)]
    for i, photo in enumerate(photos):
        if photo.split == split and not photo.is_unlabelled:
            for number in photo.numbers or (classes,):
                members[number].append(i)
    for of_class in members:
        of_class.sort(key=lambda i: (draw_rank(seed, "label", photos[i].sha256), i))
    return members


def _keep(photos: Sequence[Candidate], splits: set[str], labelled: set[int]) -> list[Candidate]:
    """Photos of these splits that are not among ``labelled`` become unlabelled ones."""
    return [
        replace(photo, split="unlabelled", label=None, tags=None)
        if photo.split in splits and i not in labelled
        else photo
        for i, photo in enumerate(photos)
    ]
