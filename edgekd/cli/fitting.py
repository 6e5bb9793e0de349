"""Tables in a terminal that is too narrow for them: no number is cut, and none loses its interval."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

_GAP = 2
_INDENT = 2
# A cell longer than this that has spaces is a sentence, which may be wrapped, down to this width.
_SENTENCE = 20
_LEAST_SENTENCE = 16

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Fitted:
    """A table laid out: cells hold line breaks. Where ``apart``, each first cell stands on a line of its own."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    apart: bool


def fit_table(header: Sequence[str], rows: Rows, width: int) -> Fitted | None:
    """Lay a table out in ``width`` columns of text; None where only a line a cell fits.

    First headers are broken at spaces, cells before their interval and sentences where they must be; then the first
    cells go on lines of their own.

    >>> fit_table(("file", "score"), [("a.tflite", "97.4 % (94.5–98.8)")], 24).rows
    (('a.tflite', '97.4 %\\n(94.5–98.8)'),)
    """
    whole = Fitted(tuple(header), tuple(map(tuple, rows)), False)
    if table_width(whole.header, whole.rows) <= width:
        return whole
    broken = [[row[0], *(_before_interval(cell) for cell in row[1:])] for row in rows]
    columns = zip(*broken, strict=True) if broken else [()] * len(header)
    heads = [_narrow(name, _column_width(cells)) for name, cells in zip(header, columns, strict=True)]
    if (laid := _wrap_sentences(heads, broken, width)) is not None:
        return Fitted(*laid, False)
    rest = _wrap_sentences(heads[1:], [row[1:] for row in broken], width - _INDENT)
    if rest is None or len(header) < 3:
        return None
    return Fitted(
        (header[0], *rest[0]), tuple((row[0], *cells) for row, cells in zip(rows, rest[1], strict=True)), True
    )


def lines_of(fitted: Fitted, left: int = 1) -> list[str]:
    """A table whose first cells stand apart, as lines; its first ``left`` columns stand to the left."""
    widths = [_column_width([head, *cells]) for head, *cells in zip(fitted.header, *fitted.rows, strict=True)][1:]

    def block(cells: Sequence[str]) -> list[str]:
        parts = [cell.split("\n") for cell in cells]
        tall = max(map(len, parts))
        lines = []
        for number in range(tall):
            texts = [part[number] if number < len(part) else "" for part in parts]
            padded = [
                _pad(text, width, right=index + 1 >= left)
                for index, (text, width) in enumerate(zip(texts, widths, strict=True))
            ]
            lines.append((" " * _INDENT + (" " * _GAP).join(padded)).rstrip())
        return lines

    drawn = [fitted.header[0], *block(fitted.header[1:])]
    for row in fitted.rows:
        drawn += [row[0], *block(row[1:])]
    return drawn


def cards_of(header: Sequence[str], rows: Rows) -> list[str]:
    """A line a cell, under the row's first."""
    return [
        line
        for row in rows
        for line in (row[0], *(f"  {name}: {cell}" for name, cell in zip(header[1:], row[1:], strict=True) if cell))
    ]


def table_width(header: Sequence[str], rows: Rows) -> int:
    """The columns of text that a table takes."""
    columns = list(zip(header, *rows, strict=True))
    return sum(map(_column_width, columns)) + _GAP * (len(columns) - 1)


def _narrow(name: str, width: int) -> str:
    """A header as wide as its cells, or as its longest word."""
    return _wrap(name, max(width, *(_cells_of(word) for word in name.split(" "))))


def _before_interval(cell: str) -> str:
    return cell.replace(" (", "\n(") if len(cell) <= 2 * _SENTENCE else cell


def _wrap_sentences(
    header: Sequence[str], rows: Rows, width: int
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]] | None:
    """The cells, sentences wrapped so that all fits; None where it can't."""
    columns = list(zip(header, *rows, strict=True))
    wordy = [any(len(line) > _SENTENCE and " " in line for cell in column for line in cell.split("\n"))
             for column in columns]  # fmt: skip
    fixed = sum(_column_width(column) for column, wraps in zip(columns, wordy, strict=True) if not wraps)
    rest = width - fixed - _GAP * (len(columns) - 1)
    if rest < _LEAST_SENTENCE * sum(wordy):
        return None
    share = rest // max(1, sum(wordy))
    wrapped = [
        tuple(_wrap(cell, share) for cell in column) if wraps else column
        for column, wraps in zip(columns, wordy, strict=True)
    ]
    if any(_column_width(column) > share for column, wraps in zip(wrapped, wordy, strict=True) if wraps):
        return None
    heads, *lines = zip(*wrapped, strict=True)
    return heads, tuple(lines)


def _wrap(cell: str, width: int) -> str:
    wrap = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(part for line in cell.split("\n") for part in wrap.wrap(line) or [""])


def _column_width(cells: Sequence[str]) -> int:
    return max((_cells_of(line) for cell in cells for line in cell.split("\n")), default=0)


def _cells_of(text: str) -> int:
    # A character of some scripts takes two columns.
    from rich.cells import cell_len

    return cell_len(text)


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _cells_of(text))
    return space + text if right else text + space
