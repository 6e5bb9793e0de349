"""From a source of any kind to a Dataset: list, look at every photo, group duplicates, split, report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgekd.data.arrays import list_npz
from edgekd.data.csv_file import list_csv
from edgekd.data.dataset import Dataset, Sample
from edgekd.data.duplicates import exact_groups, near_groups, summarize
from edgekd.data.folder import list_class_folders, list_unlabelled
from edgekd.data.listing import Listed, Listing, class_order
from edgekd.data.reading import Seen, look_at_all
from edgekd.data.splitting import Candidate, SplitPolicy, assign, keep_few_labels, overlapping
from edgekd.data.warnings import Finding, merge, note_finding, refuse
from edgekd.errors import DataError, UsageError
from edgekd.progress import Progress

_SMALL_GROUP = 50


def load_dataset(
    source: Path | Sequence[Path],
    *,
    policy: SplitPolicy,
    images: Path | None = None,
    unlabelled: Path | None = None,
    strict: bool = False,
    classes: tuple[str, ...] | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Load labelled photos (and a folder of unlabelled ones) and split them.

    ``source`` is a folder of class folders, a .csv, a .npz, or several folders to be taken as one pool. ``images`` is
    where a CSV's files are, ``classes`` fixes the classes and their order, ``strict`` makes findings an error.
    Raises: DataError, SplitError, UsageError.
    """
    listing = _list(source, images)
    items = list(listing.items)
    findings = list(listing.findings)
    if unlabelled is not None:
        more = list_unlabelled(unlabelled)
        items.extend(more.items)
        findings.extend(more.findings)
    _require_unique(items)
    order = _class_order(listing, classes)
    items, seen, looked = _look(items, progress)
    findings.extend(looked)
    _require_photos(items, order, findings)
    exact = exact_groups([(one.sha256, one.pixels_sha256) for one in seen])
    groups, bits = _group(exact, seen, policy)
    findings.extend(_tightened(items, groups, bits, policy))
    findings.extend(_group_findings(items, exact, groups))
    if strict:
        refuse(merge(findings))
    photos = [
        Candidate(one.sha256, None if item.label is None else order.index(item.label), item.split, group)
        for item, one, group in zip(items, seen, groups, strict=True)
    ]
    photos = keep_few_labels(assign(photos, order, policy), order, policy)
    samples, removed = _samples(items, photos)
    findings.append(removed)
    duplicates = summarize([item.id for item in items], exact, groups, bits)
    return Dataset(order, samples, tuple(finding.warning for finding in merge(findings)), duplicates)


def _list(source: Path | Sequence[Path], images: Path | None) -> Listing:
    if images is not None and not (isinstance(source, Path) and source.suffix.lower() == ".csv"):
        raise UsageError("images= says where a CSV's files are, and the source is no .csv. Leave it out")
    if not isinstance(source, Path):
        return _list_pool(tuple(source))
    if source.suffix.lower() == ".csv":
        return list_csv(source, images)
    if source.suffix.lower() == ".npz":
        return list_npz(source)
    if source.is_file():
        raise UsageError(f"{source} is no source of photos: give a folder, a .csv or a .npz")
    return list_class_folders(source)


def _list_pool(folders: tuple[Path, ...]) -> Listing:
    if not folders or len({folder.name for folder in folders}) < len(folders):
        raise UsageError(f"several source folders must have distinct names, got {[folder.name for folder in folders]}")
    listings = [list_class_folders(folder) for folder in folders]
    items = [
        replace(item, id=f"{folder.name}/{item.id}")
        for folder, listing in zip(folders, listings, strict=True)
        for item in listing.items
    ]
    classes = class_order(name for listing in listings for name in listing.classes)
    return Listing(tuple(items), classes, tuple(found for listing in listings for found in listing.findings))


def _require_unique(items: Sequence[Listed]) -> None:
    twice = [name for name, count in Counter(item.id for item in items).items() if count > 1]
    if twice:
        raise DataError(
            f"two photos are called {twice[0]}: the unlabelled folder repeats part of the data. Give one of them"
        )


def _class_order(listing: Listing, classes: tuple[str, ...] | None) -> tuple[str, ...]:
    order = listing.classes if classes is None else classes
    unknown = sorted(set(listing.classes) - set(order))
    if unknown or len(set(order)) < len(order):
        raise DataError(f"the data has the classes {list(listing.classes)}, which classes={list(order)} does not fit")
    if len(order) < 2:
        raise DataError(
            f"the data has {len(order)} classes {list(order)}, and a classifier needs two. Add another class"
        )
    return order


def _look(items: list[Listed], progress: Progress | None) -> tuple[list[Listed], list[Seen], list[Finding]]:
    seen = look_at_all(items, progress)
    findings = [note_finding(note, item.id) for item, one in zip(items, seen, strict=True) for note in one.notes]
    broken = [one.error for one in seen if one.error is not None]
    findings.append(Finding("undecodable", tuple(broken), "photos that cannot be decoded (left out)"))
    usable = [(item, one) for item, one in zip(items, seen, strict=True) if one.error is None]
    return [item for item, _ in usable], [one for _, one in usable], findings


def _require_photos(items: Sequence[Listed], order: Sequence[str], findings: Sequence[Finding]) -> None:
    present = {item.label for item in items}
    empty = [name for name in order if name not in present]
    if empty:
        why = "; ".join(
            found.warning.message for found in merge(findings) if found.kind in ("missing-files", "undecodable")
        )
        raise DataError(
            f"there is no photo that can be used of class {', '.join(empty)}{f' ({why})' if why else ''}. "
            "Add photos, or remove the class"
        )


def _group(exact: list[int], seen: Sequence[Seen], policy: SplitPolicy) -> tuple[list[int], int | None]:
    if not policy.near_duplicates:
        return exact, None
    hashes = np.array([one.hash for one in seen], np.uint64)
    most = max(_SMALL_GROUP, int(policy.largest_group * len(seen)))
    return near_groups(exact, hashes, np.stack([one.thumbnail for one in seen]), policy.hamming_bits, most)


def _tightened(items: Sequence[Listed], groups: Sequence[int], bits: int | None, policy: SplitPolicy) -> list[Finding]:
    if bits is None or bits == policy.hamming_bits:
        return []
    largest, _ = Counter(groups).most_common(1)[0]
    names = tuple(item.id for item, group in zip(items, groups, strict=True) if group == largest)
    text = (
        f"photos in the largest group of near duplicates, now that only {bits} of 64 bits may differ "
        f"(at {policy.hamming_bits} a group would hold over {policy.largest_group:.0%} of all photos)"
    )
    return [Finding("near-duplicates-tightened", names, text)]


def _group_findings(items: Sequence[Listed], exact: Sequence[int], groups: Sequence[int]) -> list[Finding]:
    same: dict[int, dict[str, str]] = {}
    sides: dict[int, dict[str, str]] = {}
    for item, exactly, group in zip(items, exact, groups, strict=True):
        if item.label is not None:
            same.setdefault(exactly, {}).setdefault(item.label, item.id)
        if item.split is not None and item.split != "unlabelled":
            sides.setdefault(group, {}).setdefault(item.split, item.id)
    conflicts = tuple(_both(names) for names in same.values() if len(names) > 1)
    spanning = tuple(_both(names) for names in sides.values() if len(names) > 1)
    return [
        Finding("conflicting-labels", conflicts, "photos that are there twice with different labels (both are used)"),
        Finding("duplicates-across-splits", spanning, "groups of duplicates that span the splits which the data gives"),
    ]


def _both(names: dict[str, str]) -> str:
    return " = ".join(f"{name} ({key})" for key, name in names.items())


def _samples(items: Sequence[Listed], photos: Sequence[Candidate]) -> tuple[tuple[Sample, ...], Finding]:
    removed = set(overlapping(photos))
    names = tuple(items[i].id for i in sorted(removed))
    text = "unlabelled photos removed because they are (near) duplicates of val or test photos"
    kept = [(item, photo) for i, (item, photo) in enumerate(zip(items, photos, strict=True)) if i not in removed]
    kept.sort(
        key=lambda pair: (pair[1].sha256, pair[1].split, -1 if pair[1].label is None else pair[1].label, pair[0].id)
    )
    numbers: dict[int, int] = {}
    samples = tuple(
        Sample(
            id=item.id,
            path=item.path.absolute(),
            index=item.index,
            sha256=photo.sha256,
            label=photo.label,
            split=str(photo.split),
            group=numbers.setdefault(photo.group, len(numbers)),
        )
        for item, photo in kept
    )
    return samples, Finding("unlabelled-overlap", names, text)
