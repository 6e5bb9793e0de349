"""What a source lists, before any photo is opened."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgekd.data.warnings import Finding
from edgekd.errors import DataError

SPLITS = ("train", "val", "test", "unlabelled")
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp", ".tif", ".tiff")
_SPLIT_NAMES = {name: name for name in SPLITS} | {"validation": "val", "valid": "val", "unlabeled": "unlabelled"}


@dataclass(frozen=True)
class Listed:
    """One photo as its source names it; ``split`` is None where the source gives none."""

    id: str
    path: Path
    index: int | None
    label: str | None
    split: str | None


@dataclass(frozen=True)
class Listing:
    """Everything one source lists; ``classes`` in the order that numbers them."""

    items: tuple[Listed, ...]
    classes: tuple[str, ...]
    findings: tuple[Finding, ...]


def split_name(text: str) -> str | None:
    """The split that ``text`` means, in any case and with the usual other spellings; None if it means none."""
    return _SPLIT_NAMES.get(text.strip().lower())


def class_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Distinct labels in alphanumeric order, or in numeric order where all of them are whole numbers."""
    distinct = sorted(set(labels))
    if all(label.removeprefix("-").isdecimal() for label in distinct):
        distinct.sort(key=int)
    return tuple(distinct)


def photos_under(folder: Path) -> tuple[list[Path], list[Finding]]:
    """Photos by suffix anywhere under ``folder``, sorted, and findings on what was passed over.

    Links to folders are not followed, as in keras.utils.image_dataset_from_directory.
    """
    photos: list[Path] = []
    hidden: list[str] = []
    others: list[str] = []
    for root, folders, names in os.walk(folder):
        hidden.extend(str(Path(root, name).relative_to(folder.parent)) for name in folders if name.startswith("."))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(root, name)
            if name.startswith("."):
                hidden.append(str(path.relative_to(folder.parent)))
            elif name.lower().endswith(SUFFIXES):
                photos.append(path)
            else:
                others.append(str(path.relative_to(folder.parent)))
    return photos, passed_over(hidden, others)


def passed_over(hidden: Iterable[str], others: Iterable[str]) -> list[Finding]:
    """Findings on hidden files and on files with other suffixes than photos have."""
    return [
        Finding("hidden-files", tuple(hidden), "hidden files or folders, passed over"),
        Finding("other-files", tuple(others), f"files passed over because photos end in {', '.join(SUFFIXES)}"),
    ]


def require_folder(folder: Path, what: str) -> None:
    """Raise DataError unless ``folder`` is a folder; ``what`` says what for."""
    if not folder.is_dir():
        state = "is a file, not a folder" if folder.exists() else "does not exist"
        raise DataError(f"{folder}, given as {what}, {state}. Give the path of a folder of photos")
