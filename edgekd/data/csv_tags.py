"""Tags in a CSV: several labels in one cell, or a column of 0 and 1 for each; and whether a table looks like that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekd.data.csv_columns import Columns, column_name, without_label
from edgekd.data.csv_table import Row
from edgekd.data.listing import without_none
from edgekd.data.names import clean_name
from edgekd.errors import DataError
from edgekd.task import NONE_LABEL

SEPARATOR = "|"
UNKNOWN = "?"
_OTHER_SEPARATORS = (",", ";")
_VALUES = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
_EMPTY = ("", UNKNOWN)
# With fewer of its cells 0 or 1, a column is of another kind (a number, an index).
_MOSTLY = 0.9

Tags = tuple[str, ...]


@dataclass(frozen=True)
class TagColumns:
    """The tags of every row, None where they are not known; and the names of columns that are not read."""

    tags: tuple[Tags | None, ...]
    names: Tags
    ignored: tuple[str, ...]


def read_tags(
    header: Sequence[str], rows: Sequence[Row], columns: Columns, where: str, classes: Sequence[str]
) -> TagColumns:
    """Read the tags of every row; ``classes`` are the names that the user gives. Raises DataError."""
    if columns.label is not None:
        _check_separator(rows, columns.label, where, classes)
        tags = tuple(_split_cell(row, columns.label, where, classes) for row in rows)
        names = tuple(sorted({tag for of_row in tags for tag in of_row or ()}))
        return TagColumns(tags, names, tuple(column_name(header, place) for place in columns.others))
    places = _flag_columns(header, rows, columns.others, where)
    if not places:
        raise without_label(header, where)
    names = tuple(column_name(header, place) for place in places)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{where} has two columns called {twice[0]!r}. Give each tag one column")
    ignored = tuple(column_name(header, place) for place in columns.others if place not in places)
    return TagColumns(
        tuple(_flags(header, row, places, where) for row in rows),
        tuple(name for name in names if name != NONE_LABEL),
        ignored,
    )


def describe_tags(header: Sequence[str], rows: Sequence[Row], columns: Columns, classes: Sequence[str]) -> str | None:
    """Why a table seems to have several labels a photo, for a message; None where it does not."""
    if columns.label is not None:
        for row in rows:
            cell = row.values[columns.label]
            if SEPARATOR in cell and clean_name(cell) not in classes:
                return f"line {row.line} has the label {cell!r}"
        return None
    if columns.tags is not None:
        return f"its column {column_name(header, columns.tags)}"
    flags = [place for place in columns.others if _share_of_flags(rows, place) == 1]
    names = [column_name(header, place) for place in flags]
    return f"its columns {', '.join(names[:3])}{' …' * (len(names) > 3)} hold 0 and 1" if len(names) > 1 else None


def _check_separator(rows: Sequence[Row], place: int, where: str, classes: Sequence[str]) -> None:
    cells = [(row.line, row.values[place]) for row in rows if clean_name(row.values[place]) not in classes]
    if any(SEPARATOR in cell for _, cell in cells):
        return
    for line, cell in cells:
        if any(separator in cell for separator in _OTHER_SEPARATORS):
            raise DataError(
                f"{where}, line {line}: the labels {cell!r}. Separate several labels by {SEPARATOR}; if this is one "
                "label, list the names of all (classes in [data])"
            )


def _split_cell(row: Row, place: int, where: str, classes: Sequence[str]) -> Tags | None:
    cell = row.values[place]
    if cell == UNKNOWN:
        return None
    whole = clean_name(cell)
    parts = (whole,) if whole in classes else tuple(clean_name(part) for part in cell.split(SEPARATOR))
    return without_none(tuple(sorted({part for part in parts if part})), f"{where}, line {row.line}")


def _share_of_flags(rows: Sequence[Row], place: int) -> float:
    cells = [row.values[place].lower() for row in rows if row.values[place] not in _EMPTY]
    return sum(cell in _VALUES for cell in cells) / len(cells) if cells else 0.0


def _flag_columns(header: Sequence[str], rows: Sequence[Row], places: Sequence[int], where: str) -> list[int]:
    """The columns of 0 and 1. Raises DataError for one that has a few other values: it may be a slip."""
    flags = []
    for place in places:
        share = _share_of_flags(rows, place)
        if _MOSTLY <= share < 1:
            row = next(r for r in rows if r.values[place] not in _EMPTY and r.values[place].lower() not in _VALUES)
            raise DataError(
                f"{where}, line {row.line}: column {column_name(header, place)!r} has {row.values[place]!r} where its "
                "other values are 0 and 1. Correct it"
            )
        if share == 1:
            flags.append(place)
    return flags


def _flags(header: Sequence[str], row: Row, places: Sequence[int], where: str) -> Tags | None:
    empty = [place for place in places if row.values[place] in _EMPTY]
    if len(empty) == len(places):
        return None
    if empty:
        raise DataError(
            f"{where}, line {row.line}: column {column_name(header, empty[0])!r} is empty. Write 0 or 1, or leave all "
            "tags of a photo empty if they are not known"
        )
    tags = tuple(sorted(column_name(header, place) for place in places if _VALUES[row.values[place].lower()]))
    return without_none(tags, f"{where}, line {row.line}")
