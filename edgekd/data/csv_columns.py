"""Which columns of a CSV are the file, the label or tags, and the split, by the names that people's tools give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekd.data.names import clean_name
from edgekd.errors import DataError
from edgekd.photo_formats import photo_suffixes
from edgekd.task import Task

# The first name of each is our own, and counts where a table has others of them too.
_FILE = ("filename", "file", "file_name", "filepath", "file_path", "path", "image", "image_path", "image_name")
_LABEL = ("label", "class", "class_name", "category", "target")
_TAGS = ("labels", "tags", "tag", "classes", "categories", "targets")
_SPLIT = ("split", "subset", "partition")
_CORRECTIONS = {"photo", "action", "label"}
DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Columns:
    """Places of the columns that are read: ``label`` is the label, or the tags in one cell; None where there is none.

    ``others`` are the places of all other columns, and ``tags`` that of a column named as if it held tags.
    """

    filename: int
    label: int | None
    split: int | None
    tags: int | None
    others: tuple[int, ...]


def columns_of(header: Sequence[str], where: str, task: Task = "single-label") -> Columns:
    """Find the columns in the names of the first line; ``where`` is the file.

    Raises: DataError where no column is the file, or several columns may be one.
    """
    names = [clean_name(name).lower() for name in header]
    labels = _LABEL if task == "single-label" else (*_TAGS, *_LABEL)
    filename = _find(names, "filename", _FILE, where)
    label = _find(names, labels[0], labels, where)
    split = _find(names, "split", _SPLIT, where)
    if filename is None or (label is None and len(names) < 2):
        raise without_label(header, where, has_file=filename is not None)
    others = tuple(place for place in range(len(names)) if place not in (filename, label, split))
    tags = next((place for place in others if names[place] in _TAGS), None)
    return Columns(filename, label, split, tags, others)


def without_label(header: Sequence[str], where: str, *, has_file: bool = True) -> DataError:
    """The error for a table without a column for the file or the label."""
    found = [clean_name(name).lower() for name in header]
    return DataError(f"{where} has the columns {', '.join(found) or '(none)'}. {_advice(found, has_file)}")


def column_name(header: Sequence[str], place: int) -> str:
    """What a column is called, for people and as a tag."""
    return clean_name(header[place]) or f"column {place + 1}"


def delimiter_of(line: str) -> str:
    """What separates the columns of a first line: the first of the usual ones that gives a file and a label.

    Or the columns of a file of corrections. Where none gives that, the first that gives a file beside other columns.
    """
    headers = {
        delimiter: [clean_name(name).strip('"').lower() for name in line.split(delimiter)] for delimiter in DELIMITERS
    }
    for delimiter, names in headers.items():
        if set(names) >= _CORRECTIONS:
            return delimiter
    for wanted in ({*_LABEL, *_TAGS}, None):
        for delimiter, names in headers.items():
            if set(names) & set(_FILE) and (set(names) & wanted if wanted is not None else len(names) > 1):
                return delimiter
    return DELIMITERS[0]


def _find(names: Sequence[str], name: str, others: Sequence[str], where: str) -> int | None:
    places = [place for place, column in enumerate(names) if column in others]
    exact = [place for place in places if names[place] == name]
    if len(exact or places) > 1:
        alike = ", ".join(names[place] for place in places)
        raise DataError(f"{where} has several columns that may be the {name}: {alike}. Call one of them {name}")
    return next(iter(exact or places), None)


def _advice(found: Sequence[str], has_file: bool) -> str:
    if any(name.endswith(photo_suffixes()) for name in found):
        return "They look like a photo and its label: write filename,label above them, as the first line"
    if has_file and len(found) > 2:
        return "No column is called label. Give each photo one label, in a column of that name"
    return "Its first line must be filename,label or filename,label,split, separated by commas or semicolons"
