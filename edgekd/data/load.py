"""From a source of any kind to a Dataset: list, look at every photo, group duplicates, split, report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgekd.data.corrections import plan_corrections
from edgekd.data.dataset import Dataset, Sample
from edgekd.data.duplicates import exact_groups, near_groups, summarize
from edgekd.data.few_labels import keep_few_labels
from edgekd.data.listing import ListedPhoto, Listing
from edgekd.data.names import clean_name, explain_unknown, missing_values, similar_names
from edgekd.data.reading import Look, look_at_all
from edgekd.data.sources import PathLike, list_beside, list_source, require_unique
from edgekd.data.splitting import Candidate, SplitPolicy, assign, overlapping, spread
from edgekd.data.warnings import Finding, merge, note_finding, refuse
from edgekd.errors import DataError
from edgekd.progress import Progress, report_to
from edgekd.task import NONE_LABEL, Task

# Findings that explain why a class has no photos.
_REASONS = ("missing-files", "undecodable", "missing-decoder", "other-files")
_SMALL_GROUP = 50


def load_dataset(
    source: PathLike | Sequence[PathLike],
    *,
    policy: SplitPolicy | None = None,
    images: PathLike | None = None,
    unlabelled: PathLike | None = None,
    strict: bool = False,
    classes: Sequence[str] | None = None,
    task: Task = "single-label",
    none: PathLike | None = None,
    corrections: PathLike | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read labelled photos, group duplicates and split them into train, val and test.

    Args:
        source: A folder with a folder of photos per class (or ``train``, ``val``, ``test`` folders of these), a .csv
            with the columns filename, label and, if wanted, split, a .npz, or several folders to be joined.
        policy: How to split; by default 15 % val, 20 % test, seed 0.
        images: The folder that a CSV's filenames are relative to, if it is not the CSV's own.
        unlabelled: A folder of further photos without labels.
        strict: Raise on findings (photos that do not decode, conflicting labels, ...) instead of listing them in
            ``warnings``.
        classes: The class names in the order that numbers them; by default in text order (whole numbers in numeric
            order).
        task: "single-label", or "multi-label" for photos with any number of tags: of a CSV with the columns filename
            and labels ("wet|littered") or with a column of 0 and 1 for each tag, of a .npz with labels [N, C], or of
            class folders, where a photo has the tags of all folders that it lies in.
        none: A folder of photos that show none of the classes. They become a last class, `Dataset.none_class`, or
            photos without a tag, and are split as the others are. A class that the data itself calls "none of these"
            is the same.
        corrections: A CSV with the columns photo, action ("keep", "change", "drop") and label, as the page of
            ``edgekd audit`` saves it. It is laid over the labels after the splits are made.
        progress: Called with the photos read and their number. By default the reading is logged to "edgekd", or drawn
            in a notebook.

    Returns:
        The photos with labels, splits and groups of duplicates, and what is unusual about them.

    Raises:
        DataError: The source cannot be read, has fewer than two classes or a class without photos.
        SplitError: A class has too few photos for the splits.
        UsageError: Arguments that do not fit together.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> noise = np.random.default_rng(0)
        >>> for name in ("clean", "littered"):
        ...     (folder / name).mkdir()
        ...     for i in range(5):
        ...         Image.fromarray(noise.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / name / f"{i}.png")
        >>> dataset = load_dataset(str(folder))
        >>> dataset.classes
        ('clean', 'littered')
        >>> {split: len(dataset.split(split)) for split in ("train", "val", "test")}
        {'train': 6, 'val': 2, 'test': 2}
    """
    policy = SplitPolicy() if policy is None else policy
    images = _path(images)
    wanted = None if classes is None else tuple(classes)
    listing = list_source(source, images, wanted, task)
    beside = list_beside(source, _path(none), _path(unlabelled), task)
    loose = {item.id for item in beside.items if not item.is_unlabelled}
    items = [*listing.items, *beside.items]
    findings = [*listing.findings, *beside.findings]
    require_unique(items)
    listed = items
    order = _class_order(listing, wanted, task, has_none=bool(loose))
    with report_to(progress, "photos") as report:
        items, looks, decode_findings = _decode_all(items, report)
    findings.extend(decode_findings)
    if listing.by_folder:
        items, looks, joined = _join_tags(items, looks)
        findings.append(joined)
    plan = plan_corrections(_path(corrections), listed, items, order, task)
    relabelled = plan.relabel(items)
    remaining = [item for item in relabelled if item is not None]
    _require_photos(remaining, order, findings)
    findings.append(Finding("similar-classes", similar_names(order), "classes whose names are hardly different"))
    findings.append(Finding("missing-labels", missing_values(order), "classes that may be photos without a label"))
    exact = exact_groups([(look.sha256, look.pixels_sha256) for look in looks])
    groups, bits = _group(exact, looks, policy)
    findings.extend(_tightened(items, groups, bits, policy))
    findings.extend(_group_findings(relabelled, exact, groups))
    if task == "multi-label":
        findings.append(_one_tag_each(remaining))
    if strict:
        refuse(merge(findings))
    photos = [_candidate(item, look, group, order) for item, look, group in zip(items, looks, groups, strict=True)]
    photos = spread(photos, {place for place, item in enumerate(items) if item.id in loose}, policy.seed)
    photos = keep_few_labels(assign(photos, order, policy), order, policy)
    corrected = plan.apply(photos)
    samples, removed = _samples(items, corrected)
    findings.append(removed)
    duplicates = summarize([item.id for item in items], exact, groups, bits)
    warnings = tuple(finding.warning for finding in merge(findings))
    none_class = NONE_LABEL if task == "single-label" and NONE_LABEL in order else None
    return Dataset(order, samples, warnings, duplicates, task, none_class, plan.describe(photos, corrected))


def _path(path: PathLike | None) -> Path | None:
    return None if path is None else Path(path)


def _candidate(item: ListedPhoto, look: Look, group: int, order: Sequence[str]) -> Candidate:
    numbers = {name: number for number, name in enumerate(order)}
    label = None if item.label is None else numbers[item.label]
    tags = None if item.tags is None else tuple(sorted(numbers[tag] for tag in item.tags))
    return Candidate(look.sha256, label, item.split, group, tags)


def _class_order(listing: Listing, classes: tuple[str, ...] | None, task: Task, *, has_none: bool) -> tuple[str, ...]:
    """The classes in order: `NONE_LABEL` is the last of single labels, unless the user names its place, and no tag."""
    names = [name for name in listing.classes if name != NONE_LABEL]
    order = tuple(names) if classes is None else tuple(map(clean_name, classes))
    if task == "multi-label" and NONE_LABEL in order:
        raise DataError(f"classes= names {NONE_LABEL!r}, which photos without a tag are called. Leave it out")
    if task == "single-label" and (has_none or NONE_LABEL in listing.classes) and NONE_LABEL not in order:
        order = (*order, NONE_LABEL)
    unknown = sorted(set(listing.classes) - set(order))
    if len(set(order)) < len(order):
        twice = [name for name, count in Counter(order).items() if count > 1]
        raise DataError(f"classes= names {', '.join(map(repr, twice))} twice. Name every class once")
    if unknown:
        raise DataError(
            f"the data has the classes {list(listing.classes)}, which classes={list(classes or ())} does not fit"
            f"{explain_unknown(unknown, order)}"
        )
    if len(order) < 2:
        raise DataError(
            f"the data has {'one class' if order else 'no classes'} {list(order)}, and a classifier needs two. Add "
            "another class"
        )
    return order


def _decode_all(items: list[ListedPhoto], progress: Progress) -> tuple[list[ListedPhoto], list[Look], list[Finding]]:
    looks = look_at_all(items, progress)
    findings = [note_finding(note, item.id) for item, look in zip(items, looks, strict=True) for note in look.notes]
    broken = [look.error for look in looks if look.error is not None]
    findings.append(Finding("undecodable", tuple(broken), "photos that cannot be decoded (left out)"))
    usable = [(item, look) for item, look in zip(items, looks, strict=True) if look.error is None]
    return [item for item, _ in usable], [look for _, look in usable], findings


def _join_tags(items: Sequence[ListedPhoto], looks: Sequence[Look]) -> tuple[list[ListedPhoto], list[Look], Finding]:
    """Join tagged photos of the same bytes in the same split: the first one's name, the tags of all."""
    places: dict[tuple[str, str | None], int] = {}
    joined: list[ListedPhoto] = []
    kept_looks: list[Look] = []
    names: list[str] = []
    for item, look in zip(items, looks, strict=True):
        key = (look.sha256, item.split)
        if item.tags and key in places:
            first = joined[places[key]]
            joined[places[key]] = replace(first, tags=tuple(sorted({*(first.tags or ()), *item.tags})))
            names.append(f"{first.id} = {item.id}")
            continue
        if item.tags:
            places[key] = len(joined)
        joined.append(item)
        kept_looks.append(look)
    text = "photos that lie in several class folders (each is one photo with all tags)"
    return joined, kept_looks, Finding("joined-tags", tuple(names), text)


def _one_tag_each(items: Sequence[ListedPhoto]) -> Finding:
    """The finding for photos none of which has several tags: they may have been meant to have one label each."""
    tagged = tuple(item.id for item in items if item.tags)
    several = any(len(item.tags or ()) > 1 for item in items)
    text = 'photos with one tag each, and none with several: for one label a photo, task is "single-label"'
    return Finding("one-tag-each", () if several else tagged, text)


def _require_photos(items: Sequence[ListedPhoto], order: Sequence[str], findings: Sequence[Finding]) -> None:
    present = {name for item in items for name in item.names}
    empty = [name for name in order if name not in present]
    if empty:
        why = "; ".join(finding.warning.message for finding in merge(findings) if finding.kind in _REASONS)
        raise DataError(
            f"no usable photo of class {', '.join(empty)}{f' ({why})' if why else ''}. Add photos, or remove the class"
        )


def _group(exact: list[int], looks: Sequence[Look], policy: SplitPolicy) -> tuple[list[int], int | None]:
    if not policy.near_duplicates:
        return exact, None
    hashes = np.array([look.hash for look in looks], np.uint64)
    most = max(_SMALL_GROUP, int(policy.largest_group * len(looks)))
    return near_groups(exact, hashes, np.stack([look.thumbnail for look in looks]), policy.hamming_bits, most)


def _tightened(
    items: Sequence[ListedPhoto], groups: Sequence[int], bits: int | None, policy: SplitPolicy
) -> list[Finding]:
    if bits is None or bits == policy.hamming_bits:
        return []
    largest, _ = Counter(groups).most_common(1)[0]
    names = tuple(item.id for item, group in zip(items, groups, strict=True) if group == largest)
    text = (
        f"photos in the largest group of near duplicates, now that only {bits} of 64 bits may differ "
        f"(at {policy.hamming_bits} a group would hold over {policy.largest_group:.0%} of all photos)"
    )
    return [Finding("near-duplicates-tightened", names, text)]


def _group_findings(items: Sequence[ListedPhoto | None], exact: Sequence[int], groups: Sequence[int]) -> list[Finding]:
    same: dict[int, dict[str, str]] = {}
    sides: dict[int, dict[str, str]] = {}
    for item, exactly, group in zip(items, exact, groups, strict=True):
        if item is None:
            continue
        if not item.is_unlabelled:
            same.setdefault(exactly, {}).setdefault(", ".join(item.names) or "no tag", item.id)
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


def _samples(items: Sequence[ListedPhoto], photos: Sequence[Candidate | None]) -> tuple[tuple[Sample, ...], Finding]:
    present = [(item, photo) for item, photo in zip(items, photos, strict=True) if photo is not None]
    removed = set(overlapping([photo for _, photo in present]))
    names = tuple(present[i][0].id for i in sorted(removed))
    text = "unlabelled photos removed because they are (near) duplicates of val or test photos"
    remaining = [pair for i, pair in enumerate(present) if i not in removed]
    remaining.sort(
        key=lambda pair: (
            pair[1].sha256,
            pair[1].split,
            -1 if pair[1].label is None else pair[1].label,
            pair[1].tags or (),
            pair[0].id,
        )
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
            tags=photo.tags,
        )
        for item, photo in remaining
    )
    return samples, Finding("unlabelled-overlap", names, text)
