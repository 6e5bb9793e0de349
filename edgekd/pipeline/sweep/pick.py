"""The language of ``--pick``: which of a sweep's students fit, for example ``size<=300KB and accuracy>=0.95``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgekd.errors import UsageError

# What a condition may be about, and its unit in words.
QUANTITIES = {
    "size": "bytes of the int8 .tflite",
    "accuracy": "its accuracy on the validation photos, 0 to 1",
    "latency": "its latency over the teacher's",
    "parameters": "of the student",
}
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_UNITS = {"": 1.0, "B": 1.0, "KB": 1e3, "MB": 1e6, "%": 0.01, "K": 1e3, "M": 1e6}
_CONDITION = re.compile(r"\s*([a-z]+)\s*(<=|>=|<|>)\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z%]*)\s*")


@dataclass(frozen=True)
class Condition:
    """``quantity`` against ``bar``."""

    quantity: str
    sign: str
    bar: float

    def holds(self, values: Mapping[str, float | None]) -> bool:
        """Whether it holds; never for what was not measured."""
        value = values[self.quantity]
        return value is not None and _OPERATORS[self.sign](value, self.bar)


def parse_pick(text: str) -> tuple[Condition, ...]:
    """The conditions, all of which must hold. Raises: UsageError naming the part that is not a condition."""
    return tuple(_condition(part) for part in re.split(r"\s+and\s+", text.strip()))


def _condition(text: str) -> Condition:
    match = _CONDITION.fullmatch(text)
    known = ", ".join(QUANTITIES)
    if match is None:
        raise UsageError(
            f"--pick: {text!r} is not a condition. Write, for example: size<=300KB and accuracy>=0.95 ({known})"
        )
    quantity, sign, number, unit = match.groups()
    if quantity not in QUANTITIES:
        raise UsageError(f"--pick: {quantity!r} is not a quantity to choose by; known: {known}")
    if unit.upper() not in _UNITS:
        raise UsageError(f"--pick: {unit!r} is not a known unit: KB and MB (thousands and millions of bytes), %")
    bar = round(float(number) * _UNITS[unit.upper()], 12)
    if quantity == "accuracy" and not 0 <= bar <= 1:
        raise UsageError(f"--pick: accuracy is a share from 0 to 1 or a percentage, got {number}{unit}")
    return Condition(quantity, sign, bar)
