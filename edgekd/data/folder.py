"""A folder per class, as keras.utils.image_dataset_from_directory reads it, or such folders under train, val, test."""

from __future__ import annotations

from pathlib import Path

from edgekd.data.listing import Listed, Listing, class_order, passed_over, photos_under, require_folder, split_name
from edgekd.data.warnings import Finding
from edgekd.errors import DataError


def list_class_folders(root: Path) -> Listing:
    """List the photos of ``root``: a folder per class, or split folders of class folders.

    Photos anywhere under a class folder belong to it. With ``train`` next to only ``val`` (``validation``), ``test``
    and ``unlabelled``, these are the splits. Raises DataError.
    """
    require_folder(root, "the data")
    folders, findings = _subfolders(root)
    names = {folder.name: split_name(folder.name) for folder in folders}
    if "train" in names.values() and None not in names.values() and _subfolders(root / _named(names, "train"))[0]:
        return _list_split_folders(root, folders, findings)
    if not folders:
        raise DataError(
            f"{root} has no folders in it, so its photos have no labels. Make one folder per class (for example "
            f"{root}/clean and {root}/littered), or give a CSV with the columns filename,label"
        )
    items, more = _list_classes(folders, root, None)
    return Listing(tuple(items), tuple(folder.name for folder in folders), (*findings, *more))


def list_unlabelled(root: Path, prefix: str = "unlabelled/") -> Listing:
    """List all photos anywhere under ``root`` as unlabelled ones; ids begin with ``prefix``. Raises DataError."""
    require_folder(root, "the unlabelled photos")
    photos, findings = photos_under(root)
    items = tuple(Listed(prefix + path.relative_to(root).as_posix(), path, None, None, "unlabelled") for path in photos)
    return Listing(items, (), tuple(findings))


def _list_split_folders(root: Path, folders: list[Path], findings: list[Finding]) -> Listing:
    items: list[Listed] = []
    classes: set[str] = set()
    for folder in folders:
        split = split_name(folder.name)
        if split == "unlabelled":
            listing = list_unlabelled(folder, folder.name + "/")
            items.extend(listing.items)
            findings.extend(listing.findings)
            continue
        class_folders, more = _subfolders(folder)
        photos, further = _list_classes(class_folders, root, split)
        items.extend(photos)
        classes.update(class_folder.name for class_folder in class_folders)
        findings.extend([*more, *further])
    return Listing(tuple(items), class_order(classes), tuple(findings))


def _list_classes(folders: list[Path], root: Path, split: str | None) -> tuple[list[Listed], list[Finding]]:
    items: list[Listed] = []
    findings: list[Finding] = []
    for folder in folders:
        photos, more = photos_under(folder)
        findings.extend(more)
        items.extend(Listed(path.relative_to(root).as_posix(), path, None, folder.name, split) for path in photos)
    return items, findings


def _subfolders(root: Path) -> tuple[list[Path], list[Finding]]:
    """The visible folders in ``root``, sorted by name, and findings on everything else there."""
    entries = sorted(root.iterdir(), key=lambda path: path.name)
    folders = [path for path in entries if path.is_dir() and not path.name.startswith(".")]
    hidden = [f"{root.name}/{path.name}" for path in entries if path.name.startswith(".")]
    others = [f"{root.name}/{path.name}" for path in entries if not path.is_dir() and not path.name.startswith(".")]
    loose = Finding("loose-files", tuple(others), "files next to the class folders, which have no label (left out)")
    return folders, [*passed_over(hidden, ()), loose]


def _named(names: dict[str, str | None], split: str) -> str:
    return next(name for name, meant in names.items() if meant == split)
