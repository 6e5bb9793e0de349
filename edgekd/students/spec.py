"""Which student: one short text such as ``slice:8@160``, ``cnn:16@96``, ``mine.keras`` or ``module:function``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from edgekd.errors import UsageError

Kind = Literal["slice", "cnn", "keras", "function"]
_FORMS = "slice:BLOCKS[@SIZE], slice:LAYER[@SIZE], cnn:WIDTH[@SIZE], FILE.keras or package.module:function[@SIZE]"


@dataclass(frozen=True)
class StudentSpec:
    """``kind`` and its ``argument``; ``input_size`` in pixels, None for the teacher's (or the file's own)."""

    kind: Kind
    argument: str
    input_size: int | None

    def __str__(self) -> str:
        head = f"{self.kind}:{self.argument}" if self.kind in ("slice", "cnn") else self.argument
        return head if self.input_size is None else f"{head}@{self.input_size}"


def parse_student(text: str) -> StudentSpec:
    """Read a student's text. Raises UsageError saying which forms there are."""
    match = re.fullmatch(r"(.+?)(?:@(\d+))?", text.strip())
    if not match:
        raise UsageError(f"a student is {_FORMS}; got {text!r}")
    head, size = match.group(1), int(match.group(2)) if match.group(2) else None
    if size is not None and not 16 <= size <= 1024:
        raise UsageError(f"student {text!r}: an input size is 16 to 1024 pixels, got {size}")
    if head.endswith(".keras"):
        return StudentSpec("keras", head, size)
    kind, _, argument = head.partition(":")
    if kind in ("slice", "cnn"):
        layer = kind == "slice" and re.fullmatch(r"[A-Za-z_]\w*", argument)
        if not layer and (not argument.isdigit() or int(argument) < 1):
            raise UsageError(f"student {text!r}: {kind}: takes a whole number from 1 up, as in {kind}:8@96")
        return StudentSpec("slice" if kind == "slice" else "cnn", argument, size)
    if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", head):
        return StudentSpec("function", head, size)
    raise UsageError(f"a student is {_FORMS}; got {text!r}")
