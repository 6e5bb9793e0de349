"""The header and the rows of a CSV, as Excel and other tools write it; what its columns mean is not known here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekd.data.csv_columns import delimiter_of
from edgekd.data.names import clean_name
from edgekd.errors import DataError


@dataclass(frozen=True)
class Row:
    """One row: the number of its line, counted from 1, and its values without spaces at their edges."""

    line: int
    values: tuple[str, ...]


def read_header(text: str, path: Path) -> tuple[str, ...]:
    """The names of the columns. Raises DataError."""
    return tuple(clean_name(name) for name in next(_lines(text, path), (0, ()))[1])


def read_rows(text: str, path: Path, *, may_be_empty: bool = False) -> list[Row]:
    """All rows below the header; empty lines are left out. Raises DataError, also where there is no row."""
    lines = _lines(text, path)
    count = len(next(lines, (0, ()))[1])
    rows = []
    for number, values in lines:
        if values and len(values) != count:
            raise DataError(f"{path}, line {number}: not {count} values. Correct the line")
        if values:
            rows.append(Row(number, tuple(value.strip() for value in values)))
    if not rows and not may_be_empty:
        raise DataError(f"{path} lists no photos. Add a line per photo: filename,label")
    return rows


def _lines(text: str, path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    start, delimiter = _dialect(text)
    first_line = text.count("\n", 0, start)
    reader: Any = csv.reader(io.StringIO(text[start:], newline=""), strict=True, delimiter=delimiter)
    try:
        for values in reader:
            yield first_line + reader.line_num, values
    except csv.Error as error:
        reason = "a quotation mark is opened and not closed" if "end of data" in str(error) else str(error)
        raise DataError(f"{path} cannot be read as a CSV: {reason}. Correct it") from None


def _dialect(text: str) -> tuple[int, str]:
    """Where the header starts, and what separates its columns; Excel may say so in a line of its own."""
    first = text.split("\n", 1)[0].strip()
    if first.lower().startswith("sep=") and len(first) == 5:
        return text.find("\n") + 1, first[4]
    return 0, delimiter_of(first)
