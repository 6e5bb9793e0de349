"""What a source lists: a folder, several folders, a CSV or an .npz; and the folders of photos beside it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgekd.data.arrays import list_npz
from edgekd.data.csv_file import list_csv
from edgekd.data.folder import list_class_folders
from edgekd.data.listing import ListedPhoto, Listing, class_order
from edgekd.errors import DataError, UsageError

PathLike = str | os.PathLike[str]
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_IMAGES_WITHOUT_CSV = "images= says where a CSV's files are, and the source is not a .csv. Leave it out"


def list_source(source: PathLike | Sequence[PathLike], images: Path | None, classes: tuple[str, ...] | None) -> Listing:
    """List a source of any kind; ``classes`` are the names that the user gives. Raises UsageError, DataError."""
    if not isinstance(source, (str, os.PathLike)):
        if images is not None:
            raise UsageError(_IMAGES_WITHOUT_CSV)
        return _list_pool(tuple(Path(folder) for folder in source), classes)
    path = Path(source)
    suffix = path.suffix.lower()
    if images is not None and suffix != ".csv":
        raise UsageError(_IMAGES_WITHOUT_CSV)
    if suffix == ".csv":
        return list_csv(path, images)
    if suffix == ".npz":
        return list_npz(path)
    if path.is_file():
        unpack = "Unpack it, and give the folder" if suffix in _ARCHIVES else "Give a folder, a .csv or a .npz"
        raise UsageError(f"{path} is not a source of photos. {unpack}")
    return list_class_folders(path, classes)


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
