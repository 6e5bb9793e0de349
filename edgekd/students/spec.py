"""Which student: a short text such as ``slice:8@160``, ``slice:12x0.35``, ``cnn:16@96``, ``mine.keras`` or ``auto``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgekd.errors import UsageError

AUTO = "auto"
Kind = Literal["slice", "cnn", "keras", "function", "auto"]
_FORMS = (
    "slice:BLOCKS[@SIZE], slice:LAYER[@SIZE], cnn:WIDTH[@SIZE], FILE.keras, package.module:function[@SIZE] or auto; a "
    "slice may leave out blocks and keep a share of channels, as in slice:12-8-11x0.35 or, block by block, "
    "slice:12-8-11x0.5/0.35/0.2"
)
_SHARE = r"(?:0\.\d+|1)"
_SLICE = re.compile(rf"(?P<cut>\d+|[A-Za-z_]\w*?)(?P<without>(?:-\d+)*)(?:x(?P<keep>{_SHARE}(?:/{_SHARE})*))?")


@dataclass(frozen=True)
class StudentSpec:
    """``kind`` and its ``argument``; ``input_size`` in pixels, None for the teacher's (or the file's own).

    Of a slice, ``without`` are the blocks that are left out (counted from 1). ``keep`` are the shares of the hidden
    channels that stay in the other blocks that have any, in their order; the last one holds for all that follow. Empty,
    every channel stays.
    """

    kind: Kind
    argument: str
    input_size: int | None
    without: tuple[int, ...] = ()
    keep: tuple[float, ...] = ()

    def __str__(self) -> str:
        head = f"{self.kind}:{self.argument}" if self.kind in ("slice", "cnn") else self.argument
        shares = "/".join(f"{share:g}" for share in self.keep)
        head += "".join(f"-{number}" for number in self.without) + (f"x{shares}" if shares else "")
        return head if self.input_size is None else f"{head}@{self.input_size}"


def share_of(keep: Sequence[float], block: int) -> float:
    """The share of hidden channels that the block of that number (from 0) keeps: ``keep`` is that of `StudentSpec`."""
    return keep[min(block, len(keep) - 1)] if keep else 1.0


def shortest(keep: Sequence[float]) -> tuple[float, ...]:
    """Shares written with no more entries than needed: the last one holds for all that follow."""
    count = len(keep)
    while count > 1 and keep[count - 2] == keep[-1]:
        count -= 1
    return () if list(keep[:count]) == [1] else tuple(keep[:count])


def parse_student(text: str) -> StudentSpec:
    """Read a student's text. Raises UsageError saying which forms there are."""
    if text.strip() == AUTO:
        return StudentSpec("auto", AUTO, None)
    match = re.fullmatch(r"(.+?)(?:@(\d+))?", text.strip())
    if not match:
        raise UsageError(f"a student is {_FORMS}; got {text!r}")
    head, size = match.group(1), int(match.group(2)) if match.group(2) else None
    if size is not None and not 16 <= size <= 1024:
        raise UsageError(f"student {text!r}: an input size is 16 to 1024 pixels, got {size}")
    if head.lower().endswith((".keras", ".h5", ".hdf5")):
        return StudentSpec("keras", head, size)
    kind, _, argument = head.partition(":")
    if kind == "slice":
        return _slice(text, argument, size)
    if kind == "cnn":
        if not argument.isdigit() or int(argument) < 1:
            raise UsageError(f"student {text!r}: cnn: takes a whole number from 1 up, as in cnn:8@96")
        return StudentSpec("cnn", argument, size)
    if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", head):
        return StudentSpec("function", head, size)
    raise UsageError(f"a student is {_FORMS}; got {text!r}")


def _slice(text: str, argument: str, size: int | None) -> StudentSpec:
    match = _SLICE.fullmatch(argument)
    if not match or match["cut"] == "0":
        raise UsageError(
            f"student {text!r}: slice: takes a whole number from 1 up or the name of a layer, as in slice:8@96; blocks "
            "to leave out and a share of channels may follow, as in slice:12-8-11x0.35"
        )
    without = tuple(int(number) for number in match["without"].split("-")[1:])
    keep = [float(share) for share in (match["keep"] or "1").split("/")]
    if min(keep) < 0.01:
        raise UsageError(f"student {text!r}: the share of channels is 0.01 to 0.99, got {min(keep):g}")
    return StudentSpec("slice", match["cut"], size, tuple(sorted(set(without))), shortest(keep))
