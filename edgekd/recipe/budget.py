"""``[student.budget]``: what the student's int8 file may cost, and how long the run may take."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, field_validator, model_validator

from edgekd.devices.table import check_scheme
from edgekd.errors import UsageError
from edgekd.section import Section

_COUNTS = {"": 1, "B": 1, "K": 1e3, "KB": 1e3, "M": 1e6, "MB": 1e6, "G": 1e9, "GB": 1e9}
_TIMES = {"": 1.0, "MS": 1.0, "US": 1e-3, "S": 1e3}
_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")

# What a limit is about: its key, its name in sentences.
QUANTITIES = {
    "size": "bytes of the int8 .tflite",
    "parameters": "parameters",
    "macs": "MACs",
    "instructions": "instructions",
    "latency": "latency",
    "arena": "bytes of the arena",
}
EMULATED = "emulated:"
_SMALLEST_FILE = 1_000


def _parse(value: Any, units: dict[str, float]) -> Any:
    if not isinstance(value, str):
        return value
    match = _AMOUNT.fullmatch(value)
    if match is None or match[2].upper() not in units:
        known = ", ".join(unit for unit in units if unit)
        raise ValueError(f"{value!r} is not an amount. Write a number, with a unit if wanted ({known})")
    return round(float(match[1]) * units[match[2].upper()], 9)


def parse_count(value: Any) -> Any:
    """A number of bytes, or of anything else, from a text such as "150KB"; K and M are thousands and millions.

    Raises ValueError.
    """
    amount = _parse(value, _COUNTS)
    if isinstance(value, str) and not amount.is_integer():
        raise ValueError(f"{value!r} is {amount:g}, not a whole number")
    return int(amount) if isinstance(amount, float) and amount.is_integer() else amount


def parse_ms(value: Any) -> Any:
    """Milliseconds from a text such as "5ms" or "0.5s". Raises ValueError."""
    return _parse(value, _TIMES)


def _or_text(schema: dict[str, Any]) -> None:
    """In a file, an amount may also be a text with a unit."""
    numbers = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
    schema["anyOf"] = [*numbers, {"type": "string"}, {"type": "null"}]


Count = Annotated[int, BeforeValidator(parse_count)]
Milliseconds = Annotated[float, BeforeValidator(parse_ms)]


class Budget(Section):
    """What the student's int8 file may cost. With model = "auto", the best student within it is looked for.

    The file is measured against it, and the run ends with exit code 3 where it costs more.
    """

    LATER: ClassVar[tuple[str, ...]] = ("minutes",)

    max_size: Count | None = Field(None, gt=0, examples=["150KB"], json_schema_extra=_or_text)
    """Most bytes of the int8 .tflite: a number, or a text such as "150KB". KB and MB are thousands and millions."""
    max_parameters: Count | None = Field(None, gt=0, examples=["100K"], json_schema_extra=_or_text)
    """Most parameters of the student."""
    max_macs: Count | None = Field(None, gt=0, examples=["20M"], json_schema_extra=_or_text)
    """Most multiply-accumulates for one photo."""
    max_instructions: Count | None = Field(None, gt=0, examples=["30M"], json_schema_extra=_or_text)
    """Most executed instructions for one photo, on the emulated core that device names."""
    max_latency: Milliseconds | None = Field(None, gt=0, examples=["5ms"], json_schema_extra=_or_text)
    """Most milliseconds for one photo, as the median on device: a number, or a text such as "5ms"."""
    max_arena: Count | None = Field(None, gt=0, examples=["200KB"], json_schema_extra=_or_text)
    """Most bytes for activations, as TFLite plans them."""
    device: str | None = Field(None, examples=["ssh:pi@pi5"])
    """Where latency or instructions are measured: "host", "ssh:USER@HOST", "adb:SERIAL" or "emulated:CORE".

    Unset, "host" for latency and "emulated:cortex-a76" for instructions.
    """
    minutes: float | None = Field(None, gt=0, examples=[40])
    """Most minutes for the whole run. The search and the training of the student are made to fit."""

    @field_validator("device")
    @classmethod
    def _exists(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                check_scheme(value)
            except UsageError as error:
                raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _size_is_of_a_file(self) -> Budget:
        if self.max_size is not None and self.max_size < _SMALLEST_FILE:
            raise ValueError(
                f'max_size = {self.max_size} is in bytes, and no .tflite is that small: "{self.max_size}KB" is in '
                "kilobytes"
            )
        return self

    @model_validator(mode="after")
    def _device_fits(self) -> Budget:
        emulated = (self.device or "").startswith(EMULATED)
        if self.max_instructions is not None and self.device is not None and not emulated:
            raise ValueError(f'max_instructions are counted on an emulated core: device = "{EMULATED}cortex-a76"')
        if self.max_latency is not None and emulated:
            raise ValueError(
                "an emulated core has no latency: give max_instructions, or another device. `edgekd bench RUN "
                f"--device {self.device} --estimate-time` estimates the milliseconds of what a run exported"
            )
        if self.max_latency is not None and self.max_instructions is not None:
            raise ValueError("max_latency and max_instructions need different devices: give one of them")
        if self.device is not None and self.max_latency is None and self.max_instructions is None:
            raise ValueError(f"device = {self.device}: give max_latency or max_instructions too")
        return self

    @property
    def where(self) -> str:
        """The device on which latency or instructions are measured."""
        return self.device or ("host" if self.max_instructions is None else f"{EMULATED}cortex-a76")

    def limits(self) -> dict[str, float]:
        """The limits that are set, by the names of `QUANTITIES`; latency in milliseconds."""
        limits = {name: getattr(self, f"max_{name}") for name in QUANTITIES}
        return {name: float(limit) for name, limit in limits.items() if limit is not None}

    def describe(self) -> str:
        """The limits in words."""
        return ", ".join(f"{amount(name, limit)} at most" for name, limit in self.limits().items())


def amount(name: str, value: float) -> str:
    """A value of one of the `QUANTITIES` in words: "149.7 KB", "4.2 ms"."""
    if name == "latency":
        return f"{value:.3g} ms"
    unit = {"size": "B", "arena": "B of arena", "macs": " MACs"}.get(name, f" {name}")
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if value >= factor:
            space = "" if unit.startswith(" ") else " "
            return f"{value / factor:.4g}{space}{prefix}{unit}"
    return f"{value:.0f} {unit.strip()}"
