"""Text that is not ours (names, labels, a device's or a runtime's output) made fit for a message or a terminal."""

from __future__ import annotations

import unicodedata

# Long enough for any reason worth reading; output of a foreign program has no end.
_MESSAGE_CHARS = 4000
_LINE_CHARS = 300
_SEARCHED_CHARS = 1 << 16
NO_OUTPUT = "no error output"


def printable(text: object, most: int = _MESSAGE_CHARS) -> str:
    r"""Write what would move a cursor, set a colour or hide as its escape; lines and spaces stay.

    Args:
        text: Anything; its ``str()`` is used, and of an exception without a message its type's name.
        most: Characters of it that are kept; more are cut and marked with " ...".

    >>> printable("red\x1b[31m.jpg")
    'red\\x1b[31m.jpg'
    """
    whole = _whole(text)
    cut = whole if len(whole) <= most else f"{whole[:most]} ..."
    if cut.isprintable():
        return cut
    return "".join(char if _is_harmless(char) else char.encode("unicode_escape").decode("ascii") for char in cut)


def one_line(text: object, most: int = _LINE_CHARS) -> str:
    r"""``printable``, with every run of white space as one space.

    >>> one_line("  cannot open\n\t'a.jpg' ")
    "cannot open 'a.jpg'"
    """
    # Cut before it is split: a program's output can be gigabytes.
    whole = _whole(text).strip()
    joined = " ".join(whole[: 4 * most].split())
    return printable(joined if len(whole) <= 4 * most else f"{joined} ...", most)


def first_line(text: object, default: str = NO_OUTPUT, most: int = _LINE_CHARS) -> str:
    r"""The first line that is not blank, as ``one_line``; ``default`` where there is none.

    >>> first_line("\nFAIL: no such op\n  at line 3\n")
    'FAIL: no such op'
    """
    lines = _whole(text)[:_SEARCHED_CHARS].splitlines()
    return next((one_line(line, most) for line in lines if line.strip()), default)


def last_line(text: object, default: str = NO_OUTPUT, most: int = _LINE_CHARS) -> str:
    r"""The last line that is not blank, as ``one_line``; ``default`` where there is none.

    >>> last_line("Traceback ...\nValueError: no photo\n")
    'ValueError: no photo'
    >>> last_line("")
    'no error output'
    """
    lines = _whole(text)[-_SEARCHED_CHARS:].splitlines()
    return next((one_line(line, most) for line in reversed(lines) if line.strip()), default)


def _is_harmless(char: str) -> bool:
    # Zs are spaces of any width, our own non-breaking one among them: harmless, though not "printable" to Python.
    return char == "\n" or char.isprintable() or unicodedata.category(char) == "Zs"


def _whole(text: object) -> str:
    return str(text) or (type(text).__name__ if isinstance(text, BaseException) else "")
