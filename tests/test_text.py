"""Foreign text is made fit for a message: one rule for control characters, direction marks, length and lines."""

from __future__ import annotations

import pytest

from edgekd.errors import DeviceError
from edgekd.text import first_line, last_line, one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Straße 42 übrig", "Straße 42 übrig"),
        ("97.1\u00a0%", "97.1\u00a0%"),
        ("two\nlines", "two\nlines"),
        ("\x1b[2J", r"\x1b[2J"),
        ("over\rwritten", r"over\rwritten"),
        ("right\u202eleft", r"right\u202eleft"),
        ("caf\udce9.jpg", r"caf\udce9.jpg"),
        ("tab\there", r"tab\there"),
    ],
)
def test_only_what_moves_colours_or_hides_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).encode("utf-8")


def test_long_text_is_cut_and_says_so() -> None:
    assert printable("x" * 50, most=10) == "xxxxxxxxxx ..."
    assert one_line("word " * 100_000, most=9) == "word word ..."
    assert len(last_line("y" * 10_000_000)) <= 304


def test_lines_become_one() -> None:
    assert one_line(" a\n\tb\x0bc\u2028d ") == "a b c d"
    assert first_line("\n\nfirst\nlast\n\n") == "first"
    assert last_line("first\nlast\x07\n\n") == r"last\x07"


def test_no_text_is_named() -> None:
    assert last_line("\n \n") == first_line("") == "no error output"
    assert first_line(MemoryError()) == one_line(MemoryError()) == "MemoryError"


def test_a_devices_error_is_fit_to_print() -> None:
    assert str(DeviceError("it answered \x1b]0;title\x07")) == r"it answered \x1b]0;title\x07"
