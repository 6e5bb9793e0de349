"""Text files that people's tools have written: with or without a byte order mark, by Excel or Notepad."""

from __future__ import annotations

from pathlib import Path

from edgekd.data.names import clean_name
from edgekd.errors import DataError
from edgekd.storage import read_regular_file

_MOST_BYTES = 4 << 30


def read_text_file(path: Path, what: str) -> tuple[str, str]:
    """A file's text and its encoding: UTF-8, UTF-16 with a byte order mark, else Windows-1252.

    ``what`` says what the file should be, for messages. Raises DataError.
    """
    try:
        content = read_regular_file(path, _MOST_BYTES)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist. Give the path of {what}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Give the path of {what}") from None
    encodings = ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, encoding
    raise DataError(f"{path} is neither UTF-8, UTF-16 nor Windows-1252 text. Save {what} as UTF-8")


def read_names(path: Path) -> tuple[str, ...]:
    """The names in a text file (labels.txt), one a line, as `clean_name` has them. Raises DataError."""
    text, _ = read_text_file(path, "a text file with a class name a line")
    return tuple(name for line in text.splitlines() if (name := clean_name(line)))
