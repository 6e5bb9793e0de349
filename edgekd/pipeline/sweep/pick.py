"""The language of ``--pick``: which of a sweep's students fit, for example ``size<=300KB and p50[ssh:pi@pi5]<=5ms``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgekd.devices.table import check_scheme
from edgekd.errors import UsageError

_BYTES = {"": 1.0, "b": 1.0, "k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6}
_SHARE = {"": 1.0, "%": 0.01}
_COUNT = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
# In ms. There is no number of them without its unit.
_TIME = {"us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3}
# What a condition may be about: what it means, and the units of its number.
QUANTITIES: dict[str, tuple[str, dict[str, float]]] = {
    "size": ("bytes of the int8 .tflite", _BYTES),
    "accuracy": ("the recipe's metric on the validation photos, 0 to 1", _SHARE),
    "latency": ("its latency over the teacher's on this machine", _SHARE),
    "parameters": ("of the student", _COUNT),
    "p50": ("its median latency on this machine; on another: p50[ssh:pi@pi5]", _TIME),
    "agreement": ("share of the photos without labels that it answers as the teacher does, 0 to 1", _SHARE),
    "instructions": ("what an inference executes: instructions[emulated:cortex-a76]", _COUNT),
}
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_CONDITION = re.compile(
    r"([a-z0-9]+)\s*(?:\[\s*([^\]\s]+)\s*\])?\s*(<=|>=|<|>)\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµμ%]*)"
)
_HOST = "host"


@dataclass(frozen=True)
class Condition:
    """``quantity``, on a ``device`` other than this machine where it is given, against ``bar`` (times in ms)."""

    quantity: str
    sign: str
    bar: float
    device: str | None = None
    text: str = ""

    @property
    def key(self) -> str:
        """The name of the value that it is about."""
        return self.quantity if self.device is None else f"{self.quantity}[{self.device}]"

    def holds(self, values: Mapping[str, float | None]) -> bool:
        """Whether it holds; never for what was not measured."""
        value = values.get(self.key)
        return value is not None and _OPERATORS[self.sign](value, self.bar)

    def __str__(self) -> str:
        return self.text or f"{self.key}{self.sign}{self.bar:g}"


def parse_pick(text: str) -> tuple[Condition, ...]:
    """The conditions, all of which must hold. Raises: UsageError naming the part that is not a condition."""
    return tuple(_condition(part.strip()) for part in re.split(r"\s+and\s+", text.strip()))


def _condition(text: str) -> Condition:
    match = _CONDITION.fullmatch(text)
    known = ", ".join(QUANTITIES)
    if match is None:
        raise UsageError(
            f"--pick: {text!r} is not a condition. Write, for example: size<=300KB and accuracy>=0.95 ({known})"
        )
    quantity, device, sign, number, unit = match.groups()
    if quantity not in QUANTITIES:
        raise UsageError(f"--pick: {quantity!r} is not a quantity to choose by; known: {known}")
    units = QUANTITIES[quantity][1]
    if unit.lower() not in units:
        written = ", ".join(name.upper() if units is not _TIME else name for name in units if name and name.isascii())
        problem = f"{unit!r} is not a known unit of {quantity}" if unit else f"{number} of {quantity} needs a unit"
        raise UsageError(f"--pick: {problem}: {written} (KB and MB are thousands and millions)")
    bar = round(float(number) * units[unit.lower()], 12)
    if quantity in ("accuracy", "agreement") and not 0 <= bar <= 1:
        raise UsageError(f"--pick: {quantity} is a share from 0 to 1 or a percentage, got {number}{unit}")
    _check_device(quantity, device)
    return Condition(quantity, sign, bar, None if device == _HOST else device, text)


def _check_device(quantity: str, device: str | None) -> None:
    """Raise UsageError for a quantity that is not of a device, or that this kind of device does not give."""
    emulated = device is not None and device.startswith("emulated:")
    if device is not None and quantity not in ("p50", "instructions"):
        raise UsageError(f"--pick: {quantity} is not of a device. Of {device} there is p50, a time: p50[{device}]<=5ms")
    if device is not None:
        check_scheme(device)
    if quantity == "p50" and emulated:
        raise UsageError(
            f"--pick: an emulated core has no times, its instructions are counted: instructions[{device}]<=40M"
        )
    if quantity == "instructions" and not emulated:
        raise UsageError(
            "--pick: instructions are counted on an emulated core: instructions[emulated:cortex-a76]<=40M. "
            "Times are p50: p50[ssh:pi@pi5]<=5ms"
        )
