"""The way out to the terminal: progress on stderr, results on stdout, and text that is not ours as it is.

A name, a label or a device's answer goes through ``line``, ``table`` or ``print_json`` and through nothing else. None
of them reads rich's markup or emoji codes in it, and escape sequences are written out (`edgekd.text`).
"""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgekd.cli.fitting import cards_of, fit_table, lines_of
from edgekd.progress import BarWatcher
from edgekd.text import printable

# A path or a table that is piped somewhere is not to be cut to 80 columns, unless COLUMNS says how many there are.
PROGRESS = Console(stderr=True, highlight=False, soft_wrap=True)
RESULT = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 140)

# Our own typography, for terminals whose encoding does not have it.
_PLAIN = {"\u00a0": " ", "–": "-", "−": "-", "×": "x", "→": "->", "µ": "u", "…": "...", "•": "*", "✓": "+", "✗": "x"}
_PLAIN_OR_ESCAPED = "edgekd.plain"

# More than any message of ours; a cut that shows beats a terminal that scrolls for minutes.
_MOST_CHARS = 100_000
_STRAY_BREAK, _ESCAPED_BREAK = re.compile("\n(?!  )"), r"\\n"

# A text, or a text and rich's name of a style.
Part = str | tuple[str, str]


def line(*parts: Part, to: Console = RESULT) -> None:
    """Print parts as one line, each as it is: no markup, no emoji codes, no escape sequences."""
    to.print(_text(parts))


def note(text: str) -> None:
    """Print something to read beside the results."""
    line("note: ", text, to=PROGRESS)


def note_photos(count: int, rest: str) -> None:
    """Print what ``Dataset.summary_line`` says, of photos without labels; ``rest`` says what is done with them."""
    note(f"{count:,} photo{'' if count == 1 else 's'}; classes: not labelled; splits: none; {rest}")


def table(
    header: Sequence[str], rows: Iterable[Sequence[Part]], *, title: str | None = None, caption: str = "",
    boxed: bool = False, left: int = 1,
) -> None:  # fmt: skip
    """Print a table of cells, each as it is; the first ``left`` columns stand to the left, the others to the right.

    One without a box is laid out anew where the terminal is too narrow for it, see ``fitting``.
    """
    rows = [list(row) for row in rows]
    if not boxed:
        texts = [[printable(_words(cell), _MOST_CHARS) for cell in row] for row in rows]
        fitted = fit_table(header, texts, RESULT.width)
        if fitted is None or fitted.apart:
            lines = cards_of(header, texts) if fitted is None else lines_of(fitted, left)
            for text in [*([title] if title else ()), *lines, *([caption] if caption else ())]:
                line(text)
            return
        header = fitted.header
        rows = [
            [_restyled(cell, text) for cell, text in zip(*pair, strict=True)]
            for pair in zip(rows, fitted.rows, strict=True)
        ]
    drawn = Table(
        title=title, title_justify="left", caption=_text([caption]) if caption else None, caption_justify="left",
        box=box.SIMPLE_HEAD if boxed else None, pad_edge=False, header_style="dim",
    )  # fmt: skip
    for index, name in enumerate(header):
        drawn.add_column(_text([name]), justify="right" if index >= left else "left", no_wrap=index == 0)
    for row in rows:
        drawn.add_row(*(_text([cell]) for cell in row))
    RESULT.print(drawn)


def _words(part: Part) -> str:
    return part if isinstance(part, str) else part[0]


def _restyled(part: Part, text: str) -> Part:
    return text if isinstance(part, str) else (text, part[1])


def print_json(value: Any) -> None:
    """Print one JSON document on stdout, in ASCII."""
    # Not through rich, which would wrap it.
    sys.stdout.write(json.dumps(value, indent=1, sort_keys=True, default=str) + "\n")


def print_error(message: str) -> None:
    """Print what went wrong on stderr; further lines of a message begin with two spaces.

    A line break without them is a part of somebody's name, which could pass for a line of edgekd's.
    """
    line(f"edgekd: {_STRAY_BREAK.sub(_ESCAPED_BREAK, message)}", to=PROGRESS)


def accept_any_encoding() -> None:
    """Let stdout and stderr take every character: what their encoding lacks is written plainly, or as its escape."""
    codecs.register_error(_PLAIN_OR_ESCAPED, _plain_or_escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError):  # closed by whoever started this process
                stream.reconfigure(errors=_PLAIN_OR_ESCAPED)


def _plain_or_escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(char) or _escape(char) for char in missing), error.end


def _escape(char: str) -> str:
    return char.encode("ascii", "backslashreplace").decode("ascii")


def _text(parts: Iterable[Part]) -> Text:
    text = Text()
    for part in parts:
        words, style = (part, "") if isinstance(part, str) else part
        text.append(printable(words, _MOST_CHARS), style or None)
    return text


class ConsoleWatcher(BarWatcher):
    """Draws a run's stages on stderr: a live bar at a terminal, a line a stage elsewhere."""

    def __init__(self) -> None:
        super().__init__(PROGRESS)
