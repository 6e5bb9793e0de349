"""A folder per class, as keras.utils.image_dataset_from_directory reads it, or such folders under train, val, test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekd.data.listing import (
    ListedPhoto,
    Listing,
    class_order,
    ignored_files,
    is_hidden,
    is_like_split,
    photos_under,
    require_folder,
    split_name,
)
from edgekd.data.names import clean_name, describe_difference, match_names, readable_name
from edgekd.data.warnings import Finding
from edgekd.errors import DataError
from edgekd.task import NONE_LABEL, Task


def list_class_folders(root: Path, classes: Sequence[str] | None = None) -> Listing:
    """List the photos of ``root``: a folder per class, or split folders of class folders.

    Photos anywhere under a class folder belong to it. With ``train`` next to only ``val`` (``validation``), ``test``
    and ``unlabelled``, these are the splits. A folder that is hardly a class is an error, unless ``classes`` names it.
    Raises DataError.
    """
    require_folder(root, "the data")
    folders, findings = _subfolders(root)
    splits = {folder.name: split_name(folder.name) for folder in folders}
    if not set(match_names(list(splits), classes or ())) and _are_splits(root, splits):
        return _list_split_folders(root, folders, findings)
    if not folders:
        raise DataError(
            f"{root} has no folders in it, so its photos have no labels. Make one folder per class (for example "
            f"{root}/clean and {root}/littered), or give a CSV with the columns filename,label"
        )
    _check_classes(root, folders, classes or ())
    items, more = _list_classes(folders, root, None)
    names = class_order(_class_name(folder) for folder in folders)
    return Listing(tuple(items), names, (*findings, *more, *_merged_names(folders, root)))


def list_unlabelled(root: Path, prefix: str = "unlabelled/") -> Listing:
    """List all photos anywhere under ``root`` as unlabelled ones; ids begin with ``prefix``. Raises DataError."""
    require_folder(root, "the unlabelled photos")
    photos, findings = photos_under(root)
    items = tuple(ListedPhoto(prefix + _photo_id(path, root), path, None, None, "unlabelled") for path in photos)
    return Listing(items, (), tuple(findings))


def list_none(root: Path, task: Task) -> Listing:
    """List all photos anywhere under ``root`` as photos of none of the classes, or without a tag. Raises DataError."""
    require_folder(root, "the photos of none of the classes")
    photos, findings = photos_under(root)
    if not photos:
        raise DataError(
            f"{root}, given as the photos of none of the classes, holds no photo. Leave none out, or add some"
        )
    label, tags = (NONE_LABEL, None) if task == "single-label" else (None, ())
    items = tuple(ListedPhoto("none/" + _photo_id(path, root), path, None, label, None, tags) for path in photos)
    return Listing(items, (), tuple(findings))


def _are_splits(root: Path, splits: dict[str, str | None]) -> bool:
    """Whether the folders are splits: ``train`` is one of them, all have a split's name, and ``train`` has folders."""
    if "train" not in splits.values() or None in splits.values():
        return False
    return any(_subfolders(root / name)[0] for name, split in splits.items() if split == "train")


def _list_split_folders(root: Path, folders: list[Path], findings: list[Finding]) -> Listing:
    items: list[ListedPhoto] = []
    classes: set[str] = set()
    for folder in folders:
        split = split_name(folder.name)
        if split == "unlabelled":
            listing = list_unlabelled(folder, readable_name(folder.name) + "/")
            items.extend(listing.items)
            findings.extend(listing.findings)
            continue
        class_folders, more = _subfolders(folder)
        photos, further = _list_classes(class_folders, root, split)
        items.extend(photos)
        classes.update(map(_class_name, class_folders))
        findings.extend([*more, *further, *_merged_names(class_folders, folder)])
    return Listing(tuple(items), class_order(classes), tuple(findings))


def _list_classes(folders: list[Path], root: Path, split: str | None) -> tuple[list[ListedPhoto], list[Finding]]:
    items: list[ListedPhoto] = []
    findings: list[Finding] = []
    for folder in folders:
        photos, more = photos_under(folder)
        findings.extend(more)
        items.extend(ListedPhoto(_photo_id(path, root), path, None, _class_name(folder), split) for path in photos)
    return items, findings


def _subfolders(root: Path) -> tuple[list[Path], list[Finding]]:
    """The visible folders in ``root``, sorted by name, and findings on everything else there."""
    entries = sorted(root.iterdir(), key=lambda path: path.name)
    folders = [path for path in entries if path.is_dir() and not is_hidden(path.name)]
    hidden = [readable_name(f"{root.name}/{path.name}") for path in entries if is_hidden(path.name)]
    others = [path for path in entries if not path.is_dir() and not is_hidden(path.name)]
    loose = tuple(readable_name(f"{root.name}/{path.name}") for path in others)
    finding = Finding("loose-files", loose, "files next to the class folders, which have no label (left out)")
    return folders, [*ignored_files(hidden, ()), finding]


def _check_classes(root: Path, folders: list[Path], classes: Sequence[str]) -> None:
    """Refuse folders that are hardly classes and that ``classes`` does not name. Raises DataError."""
    wanted = {clean_name(name) for name in classes}
    doubtful = [folder for folder in folders if clean_name(folder.name) not in wanted]
    split_like = [readable_name(folder.name) for folder in doubtful if is_like_split(folder.name)]
    if split_like:
        verb = "is" if len(split_like) == 1 else "are"
        raise DataError(
            f"{root} has the folders {_folder_names(folders)}, and {_quote_first(split_like)} {verb} named like a "
            "split, not like a class. Call the splits train, val, test and unlabelled, with a folder per class in each "
            "(none in unlabelled) and no other folder next to them; move unlabelled photos elsewhere (unlabelled=); "
            "or, if these are classes, list the names of all classes (classes in [data])"
        )
    if len(folders) == 1 and doubtful:
        deepest = folders[0]
        while len(inner := _subfolders(deepest)[0]) == 1 and not _has_photos(deepest) and not deepest.is_symlink():
            deepest = inner[0]
        if len(inner) > 1:
            names = _folder_names(inner)
            raise DataError(f"{root} has one folder, which has folders of its own ({names}). Give {deepest}")
    _check_inner_folders(root, folders, doubtful)


def _check_inner_folders(root: Path, folders: list[Path], doubtful: list[Path]) -> None:
    """Refuse class folders that all have the same subfolders and no photos beside them. Raises DataError."""
    if len(folders) < 2 or not doubtful:
        return
    inner = [frozenset(path.name for path in _subfolders(folder)[0]) for folder in folders]
    if len(set(inner)) > 1 or len(inner[0]) < 2 or any(_has_photos(folder) for folder in folders):
        return
    names = sorted(map(readable_name, inner[0]))
    advice = (
        "The splits are the outer folders, the classes the inner ones: make "
        f"{root}/{names[0]}/{readable_name(folders[0].name)} of {root}/{readable_name(folders[0].name)}/{names[0]}"
        if all(split_name(name) for name in names)
        else f"If {names[0]} and the others are the classes, give one of the outer folders, or several of them as one "
        "pool; if they are not, list the names of all classes (classes in [data])"
    )
    raise DataError(
        f"every folder of {root} ({_folder_names(folders)}) has the same subfolders {_first_names(names)}. {advice}"
    )


def _has_photos(folder: Path) -> bool:
    return any(path.is_file() and not is_hidden(path.name) for path in folder.iterdir())


def _merged_names(folders: list[Path], root: Path) -> list[Finding]:
    """Findings on folders that are one class because only marks, spaces or form of their names differ."""
    first: dict[str, str] = {}
    merged, foreign = [], []
    for folder in folders:
        other = first.setdefault(_class_name(folder), folder.name)
        if other != folder.name:
            merged.append(str(describe_difference(other, folder.name)))
        if readable_name(folder.name) != folder.name:
            foreign.append(f"{root.name}/{readable_name(folder.name)}")
    return [
        Finding("merged-classes", tuple(merged), "folders that are one class because their names are alike"),
        Finding("names-not-utf8", tuple(foreign), "folder names that are not UTF-8 (read as Windows-1252)"),
    ]


def _class_name(folder: Path) -> str:
    return clean_name(folder.name)


def _photo_id(path: Path, root: Path) -> str:
    return readable_name(path.relative_to(root).as_posix())


def _folder_names(folders: list[Path]) -> str:
    return _first_names([readable_name(folder.name) for folder in folders])


def _first_names(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _quote_first(names: Sequence[str]) -> str:
    return " and ".join(map(repr, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
