"""Which columns of a CSV are the file, the label and the split, by the names that people's tools give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekd.data.names import clean_name
from edgekd.errors import DataError
from edgekd.photo_formats import photo_suffixes

# The first name of each is our own, and counts where a table has others of them too.
_NAMES = {
    "filename": ("filename", "file", "file_name", "filepath", "file_path", "path", "image", "image_path", "image_name"),
    "label": ("label", "class", "class_name", "category", "target"),
    "split": ("split", "subset", "partition"),
}
DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Columns:
    """``names`` of all columns, as a reader of rows is given them: ours where they are read; ``ignored`` are not."""

    names: tuple[str, ...]
    ignored: tuple[str, ...]


def columns_of(header: Sequence[str], where: str) -> Columns:
    """Find the columns in the names of the first line; ``where`` is the file. Raises DataError."""
    found = tuple(clean_name(name).lower() for name in header)
    ours: dict[int, str] = {}
    for name, others in _NAMES.items():
        places = [place for place, column in enumerate(found) if column in others]
        exact = [place for place in places if found[place] == name]
        if len(exact or places) > 1:
            alike = ", ".join(found[place] for place in places)
            raise DataError(f"{where} has several columns that may be the {name}: {alike}. Call one of them {name}")
        ours |= dict.fromkeys(exact or places, name)
    if not {"filename", "label"} <= set(ours.values()):
        raise DataError(f"{where} has the columns {', '.join(found) or '(none)'}. {_advice(found, ours)}")
    names = tuple(ours.get(place, f"column {place + 1}") for place in range(len(found)))
    ignored = [name or f"column {place + 1}" for place, name in enumerate(found) if place not in ours]
    return Columns(names, tuple(ignored))


def delimiter_of(line: str) -> str:
    """What separates the columns of a first line: the first of the usual ones that gives a file and a label."""
    for delimiter in DELIMITERS:
        names = {clean_name(name).strip('"').lower() for name in line.split(delimiter)}
        if names & set(_NAMES["filename"]) and names & set(_NAMES["label"]):
            return delimiter
    return DELIMITERS[0]


def _advice(found: tuple[str, ...], ours: dict[int, str]) -> str:
    if any(name.endswith(photo_suffixes()) for name in found):
        return "They look like a photo and its label: write filename,label above them, as the first line"
    if "filename" in ours.values() and len(found) > 2:
        return "No column is called label. Give each photo one label, in a column of that name"
    return "Its first line must be filename,label or filename,label,split, separated by commas or semicolons"
