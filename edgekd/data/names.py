"""Names of classes and photos: how they are compared, and how a difference that nobody sees is described."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence

_MISSING_VALUES = ("nan", "null", "none", "n/a", "na", "<na>", "nil", "undefined", "#n/a", "?")
# Byte order marks, and marks of direction or joining that editors and spreadsheets leave in a name.
_MARKS = dict.fromkeys(map(ord, "\ufeff\u200b\u200e\u200f\u2060"))


def readable_name(name: str) -> str:
    """A file's name as text; bytes of it that are not UTF-8 are read as Windows-1252, as old archives have them."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("cp1252", "replace")
    return name


def clean_name(name: str) -> str:
    """A name as it is compared: Unicode's form NFC, without byte order marks and spaces at its edges."""
    return unicodedata.normalize("NFC", readable_name(name).translate(_MARKS)).strip()


def describe_difference(first: str, second: str) -> str | None:
    """In what alone two unequal names differ, where nobody would see it or mean it; None where they are unlike.

    Example:
        >>> describe_difference("green", "Green ")
        "'green' and 'Green ' differ only in case and spaces"
    """
    if first == second or clean_name(first).casefold() != clean_name(second).casefold():
        return None
    plain = [name.translate(_MARKS) for name in (first, second)]
    kinds = [
        ("case", clean_name(first) != clean_name(second)),
        ("spaces", _edges(plain[0]) != _edges(plain[1])),
        ("invisible marks", plain[0] != first or plain[1] != second),
        ("Unicode form", _is_other_form(*(name.strip() for name in plain))),
    ]
    named = " and ".join(kind for kind, differs in kinds if differs)
    # In Unicode's other form a name is printed alike.
    show = ascii if kinds[-1][1] else repr
    return f"{show(first)} and {show(second)} differ only in {named or 'bytes that are not UTF-8'}"


def similar_names(names: Iterable[str]) -> tuple[str, ...]:
    """A sentence for every two names of which only case, spaces or form differ."""
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(clean_name(name).casefold(), []).append(name)
    return tuple(str(describe_difference(group[0], other)) for group in groups.values() for other in group[1:])


def missing_values(names: Iterable[str]) -> tuple[str, ...]:
    """Those of ``names`` that tables and programs write where there is no value."""
    return tuple(repr(name) for name in names if clean_name(name).casefold() in _MISSING_VALUES)


def match_names(names: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """The name in ``wanted`` that each of ``names`` means: the same after `clean_name`. Others are left out."""
    meant = {clean_name(name): name for name in wanted}
    return {name: meant[clean_name(name)] for name in names if clean_name(name) in meant}


def explain_unknown(unknown: Sequence[str], wanted: Sequence[str]) -> str:
    """What may be meant by names that are not among ``wanted``: sentences, or nothing."""
    sentences = (describe_difference(name, other) for name in unknown for other in wanted)
    return "".join(f". {sentence}" for sentence in sentences if sentence)


def _edges(text: str) -> tuple[str, str]:
    return text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]


def _is_other_form(first: str, second: str) -> bool:
    forms = [name.casefold() for name in (first, second)]
    return forms[0] != forms[1] and len({unicodedata.normalize("NFC", form) for form in forms}) == 1
