"""A CSV ``filename,label[,split]`` next to its images, or one with tags, as people's tools write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from edgekd.data.csv_columns import Columns, column_name, columns_of, without_label
from edgekd.data.csv_names import FileFinder
from edgekd.data.csv_table import Row, read_header, read_rows
from edgekd.data.csv_tags import SEPARATOR, describe_tags, read_tags
from edgekd.data.listing import SPLITS, ListedPhoto, Listing, class_order, require_folder, split_name
from edgekd.data.names import clean_name
from edgekd.data.text_file import read_text_file
from edgekd.data.warnings import Finding
from edgekd.errors import DataError
from edgekd.task import Task


@dataclass(frozen=True)
class _Photo:
    """What a row says of a photo: its ``label``, or its ``tags``; both are None where nothing is known."""

    line: int
    name: str
    label: str | None
    tags: tuple[str, ...] | None
    split: str | None


def list_csv(
    path: Path, images: Path | None = None, task: Task = "single-label", classes: Sequence[str] = ()
) -> Listing:
    """List the photos of a CSV with the columns filename, label and, if wanted, split; other columns are not read.

    The columns may also have the names that other tools give them, such as image and class.
    It may be UTF-8, UTF-16 or Windows-1252, with commas, semicolons or tabs. A file is looked for next to the CSV, then
    in ``images``; if that is not given, then in the CSV's folder's subfolder, where there is exactly one. Backslashes,
    absolute names and names of other case or Unicode form are looked for in the same folders. A row with an empty label
    is an unlabelled photo. A file that is missing, or listed again, is left out with a finding.

    Tags (``task`` "multi-label") are read from a column labels, separated by ``|``, or from a column of 0 and 1 for
    each tag. There an empty cell means no tag; photos whose tags are not known have ``?`` there, empty 0/1 columns, or
    the split "unlabelled". Rows of one file are joined. ``classes`` are names that the user gives, which may hold a
    separator. Raises DataError.
    """
    finder = FileFinder(_folders(path, images), images is not None)
    text, encoding = read_text_file(path, "a CSV with the columns filename,label")
    photos, names, ignored = _read_photos(text, path, task, classes)
    items: dict[str, ListedPhoto] = {}
    missing: list[str] = []
    repeated: list[str] = []
    contradicting: list[str] = []
    for photo in photos:
        file = finder.find(photo.name)
        if file is None:
            missing.append(photo.name)
            continue
        first = items.get(file.id)
        if first is None:
            items[file.id] = ListedPhoto(file.id, file.path, None, photo.label, photo.split, photo.tags)
        elif photo.tags and first.tags:
            items[file.id] = replace(first, tags=tuple(sorted({*first.tags, *photo.tags})))
        elif (first.label, first.tags) == (photo.label, photo.tags):
            repeated.append(photo.name)
        else:
            known = [_describe(one.label, one.tags) for one in (first, photo)]
            contradicting.append(f"{photo.name} ({known[0]} first, {known[1]} in line {photo.line})")
    if missing and not items:
        raise DataError(
            f"none of the {len(missing)} files listed in {path} (the first is {missing[0]}) is in {finder.searched}. "
            f"{finder.why_missing(missing[0])}"
        )
    findings = (
        Finding(
            "missing-files", tuple(missing), f"files listed in {path.name} that are not in {finder.searched} (left out)"
        ),
        Finding("renamed-files", tuple(finder.renamed), f"files found under another name than in {path.name} (used)"),
        Finding("other-columns", ignored, f"columns of {path.name} that are not read"),
        Finding("repeated-rows", tuple(repeated), f"rows of {path.name} that repeat a file (used once)"),
        Finding("conflicting-labels", tuple(contradicting), "files listed with two labels (the first is used)"),
        Finding(
            "csv-encoding",
            (path.name,) if encoding == "cp1252" else (),
            "CSVs that are not UTF-8 (read as Windows-1252)",
        ),
    )
    classes_found = class_order([*names, *(item.label for item in items.values() if item.label is not None)])
    return Listing(tuple(items.values()), classes_found, findings)


def csv_task(path: Path, classes: Sequence[str] = ()) -> Task:
    """What the photos of a CSV seem to have: one label each, or tags. Raises DataError."""
    text, _ = read_text_file(path, "a CSV with the columns filename,label")
    header = read_header(text, path)
    columns = columns_of(header, str(path))
    return "single-label" if describe_tags(header, read_rows(text, path), columns, classes) is None else "multi-label"


def _read_photos(
    text: str, path: Path, task: Task, classes: Sequence[str]
) -> tuple[list[_Photo], tuple[str, ...], tuple[str, ...]]:
    """What every row says, the names of tags, and the names of columns that are not read. Raises DataError."""
    header = read_header(text, path)
    columns = columns_of(header, str(path), task)
    if task == "multi-label":
        rows = read_rows(text, path)
        read = read_tags(header, rows, columns, str(path), classes)
        photos = [_tagged(row, tags, columns, path) for row, tags in zip(rows, read.tags, strict=True)]
        return photos, read.names, read.ignored
    if columns.label is None and len(columns.others) < 1:
        raise without_label(header, str(path))
    rows = read_rows(text, path)
    reason = describe_tags(header, rows, columns, classes)
    if reason is not None:
        otherwise = (
            "Otherwise give each photo one label, in a column called label"
            if columns.label is None
            else f"If names of classes hold {SEPARATOR}, list the names of all classes (classes in [data])"
        )
        raise DataError(
            f'{path} seems to have several labels a photo: {reason}. To read them as tags, set task = "multi-label" '
            f'in [data] (load_dataset(..., task="multi-label") in Python). {otherwise}'
        )
    if columns.label is None:
        raise without_label(header, str(path))
    return (
        [_labelled(row, columns, path) for row in rows],
        (),
        tuple(column_name(header, place) for place in columns.others),
    )


def _folders(path: Path, images: Path | None) -> list[Path]:
    if images is not None:
        require_folder(images, "the CSV's images")
        return [path.parent, images]
    if not path.parent.is_dir():
        return [path.parent]
    inside = [folder for folder in path.parent.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    return [path.parent, *inside] if len(inside) == 1 else [path.parent]


def _checked_name(text: str, path: Path, number: int) -> str:
    if not text or ".." in PureWindowsPath(text).parts or ".." in PurePosixPath(text).parts:
        raise DataError(
            f"{path}, line {number}: filename {text!r} must be relative to the CSV's folder or to images=, without '..'"
        )
    return text


def _labelled(row: Row, columns: Columns, path: Path) -> _Photo:
    assert columns.label is not None
    name = _checked_name(row.values[columns.filename], path, row.line)
    label = clean_name(row.values[columns.label]) or None
    split = _split(row, columns, path)
    if split == "unlabelled":
        return _Photo(row.line, name, None, None, split)
    if label is None and split is not None:
        raise DataError(f"{path}, line {row.line}: a {split} photo without a label. Label it, or empty its split")
    return _Photo(row.line, name, label, None, split if label is not None else "unlabelled")


def _tagged(row: Row, tags: tuple[str, ...] | None, columns: Columns, path: Path) -> _Photo:
    name = _checked_name(row.values[columns.filename], path, row.line)
    split = _split(row, columns, path)
    if split == "unlabelled":
        return _Photo(row.line, name, None, None, split)
    if tags is None and split is not None:
        raise DataError(
            f"{path}, line {row.line}: a {split} photo whose tags are not known. Give them, or empty its split"
        )
    return _Photo(row.line, name, None, tags, split if tags is not None else "unlabelled")


def _split(row: Row, columns: Columns, path: Path) -> str | None:
    text = "" if columns.split is None else row.values[columns.split]
    split = split_name(text) if text else None
    if text and split is None:
        raise DataError(f"{path}, line {row.line}: split {text!r} must be one of {', '.join(SPLITS)}, or empty")
    return split


def _describe(label: str | None, tags: tuple[str, ...] | None) -> str:
    return str(label) if tags is None else SEPARATOR.join(tags) or "no tag"
