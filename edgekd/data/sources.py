"""What a source lists: a folder, several folders, a CSV or an .npz; and the folders of photos beside it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgekd.data.arrays import list_npz, npz_task
from edgekd.data.csv_file import csv_task, list_csv
from edgekd.data.folder import list_class_folders, list_none, list_unlabelled
from edgekd.data.listing import ListedPhoto, Listing, class_order, without_none
from edgekd.data.names import clean_name
from edgekd.errors import DataError, UsageError
from edgekd.task import NONE_LABEL, Task

PathLike = str | os.PathLike[str]
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_IMAGES_WITHOUT_CSV = "images= says where a CSV's files are, and the source is not a .csv. Leave it out"


Source = PathLike | Sequence[PathLike]


def list_source(source: Source, images: Path | None, classes: tuple[str, ...] | None, task: Task) -> Listing:
    """List a source of any kind; ``classes`` are the names that the user gives. Raises UsageError, DataError."""
    if not isinstance(source, (str, os.PathLike)):
        if images is not None:
            raise UsageError(_IMAGES_WITHOUT_CSV)
        return _with_tags(_list_pool(tuple(Path(folder) for folder in source), classes), task)
    path = Path(source)
    suffix = path.suffix.lower()
    if images is not None and suffix != ".csv":
        raise UsageError(_IMAGES_WITHOUT_CSV)
    if suffix == ".csv":
        return list_csv(path, images, task, tuple(map(clean_name, classes or ())))
    if suffix == ".npz":
        return list_npz(path, task)
    if path.is_file():
        unpack = "Unpack it, and give the folder" if suffix in _ARCHIVES else "Give a folder, a .csv or a .npz"
        raise UsageError(f"{path} is not a source of photos. {unpack}")
    return _with_tags(list_class_folders(path, classes), task)


def task_of(source: Source) -> Task:
    """What the photos of a source seem to have: one label each, or tags. Folders have labels. Raises DataError."""
    path = Path(source) if isinstance(source, (str, os.PathLike)) else Path()
    if path.suffix.lower() == ".csv":
        return csv_task(path)
    return npz_task(path) if path.suffix.lower() == ".npz" else "single-label"


def list_beside(source: Source, none: Path | None, unlabelled: Path | None, task: Task) -> Listing:
    """List the folders beside a source: of photos that show none of the classes, and of unlabelled ones.

    Raises: DataError where one is not a folder, or ``none`` lies inside a source of class folders.
    """
    listings = []
    if none is not None:
        folders = [source] if isinstance(source, (str, os.PathLike)) else source
        for folder in map(Path, folders):
            if folder.is_dir() and none.resolve().is_relative_to(folder.resolve()):
                raise DataError(
                    f"{none}, given as the photos of none of the classes, lies in {folder}, whose folders are classes. "
                    f"Move it out of there, or call it {NONE_LABEL!r} and leave none out"
                )
        listings.append(list_none(none, task))
    if unlabelled is not None:
        listings.append(list_unlabelled(unlabelled))
    items = tuple(item for listing in listings for item in listing.items)
    return Listing(items, (), tuple(finding for listing in listings for finding in listing.findings))


def _with_tags(listing: Listing, task: Task) -> Listing:
    """Class folders as tags: each photo has, for now, the tag of its folder."""
    if task == "single-label":
        return listing
    items = tuple(
        item if item.label is None else replace(item, label=None, tags=without_none((item.label,), item.id))
        for item in listing.items
    )
    names = tuple(name for name in listing.classes if name != NONE_LABEL)
    return Listing(items, names, listing.findings, by_folder=True)


def _list_pool(folders: tuple[Path, ...], classes: tuple[str, ...] | None) -> Listing:
    if not folders or len({folder.name for folder in folders}) < len(folders):
        raise UsageError(f"several source folders must have distinct names, got {[folder.name for folder in folders]}")
    listings = [list_class_folders(folder, classes) for folder in folders]
    items = [
        replace(item, id=f"{folder.name}/{item.id}")
        for folder, listing in zip(folders, listings, strict=True)
        for item in listing.items
    ]
    names = class_order(name for listing in listings for name in listing.classes)
    return Listing(tuple(items), names, tuple(finding for listing in listings for finding in listing.findings))


def require_unique(items: Sequence[ListedPhoto]) -> None:
    """Raise DataError where two photos have one name."""
    twice = [name for name, count in Counter(item.id for item in items).items() if count > 1]
    if twice:
        raise DataError(
            f"two photos are called {twice[0]}: the unlabelled folder repeats part of the data. Give one of them"
        )
