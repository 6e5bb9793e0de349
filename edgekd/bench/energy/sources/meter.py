"""The log of a USB power meter: a CSV with a column of time and one of watts, or of volts and amperes.

Names of columns are read without regard to case; a unit in them counts: ``Time (ms)``, ``Voltage(V)``,
``Current [mA]``, ``Power (W)``. Where there is no power, a column of energy (``Wh``, ``mWh``, ``J``) is.
Times are seconds, milliseconds, seconds since 1970, clock times or dates; only their differences are used.
"""

from __future__ import annotations

import csv
import datetime
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgekd.bench.energy.records import PowerSource, Trace
from edgekd.errors import UsageError
from edgekd.storage import read_regular_file
from edgekd.text import printable

Quantity = Literal["time", "watts", "volts", "amps", "joules"]

_MOST_BYTES = 256 << 20
_FEWEST_ROWS = 20
_HEADER_WITHIN = 40
_NAMES: dict[Quantity, re.Pattern[str]] = {
    "time": re.compile(r"time.*|timestamp.*|elapsed.*|date.*|seconds|sec|t|s|ms"),
    "watts": re.compile(r"(?:bus )?(?:power|watts?|p|w|mw|vbus ?power)"),
    "volts": re.compile(r"(?:bus )?(?:voltage|volts?|v|u|mv|vbus)"),
    "amps": re.compile(r"(?:bus )?(?:current|amps?|amperes?|a|i|ma|ibus)"),
    "joules": re.compile(r"energy|wh|mwh|joules?|j"),
}
# Factors to W, V, A and J.
_UNITS: dict[str, float] = {"w": 1, "mw": 1e-3, "v": 1, "mv": 1e-3, "a": 1, "ma": 1e-3, "j": 1, "mj": 1e-3}
_UNITS |= {"wh": 3600, "mwh": 3.6, "uw": 1e-6, "uv": 1e-6, "ua": 1e-6, "uwh": 3.6e-3}
_UNIT = re.compile(r"[(\[/_ ]\s*([A-Za-zµ]{1,3})\s*[)\]]?\s*$")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?")
_CLOCK = re.compile(r"(?:.*[ T])?([0-9]{1,3}):([0-9]{2}):([0-9]{2}(?:\.[0-9]{1,9})?).*")
_HINT = "Name the columns time_s and watts, or time_s, volts and amps"


@dataclass(frozen=True)
class MeterLog:
    """A log that was read: ``columns`` says which of its columns, ``trace`` is on the log's own clock."""

    source: PowerSource
    trace: Trace


@dataclass(frozen=True)
class _Column:
    index: int
    title: str
    unit: str


def read_log(path: Path) -> MeterLog:
    """Read a meter's CSV. Raises: UsageError that names the file, what is wrong with it and what would be right."""
    rows = _rows(path)
    header, columns = _find_header(rows, path)
    times: list[float] = []
    values: list[list[float]] = []
    unreadable = 0
    kind: Literal["joules", "watts"] = "joules" if "joules" in columns else "watts"
    clock = _Clock(columns["time"].unit)
    for row in rows[header + 1 :]:
        value, time_s = _value(row, columns), clock.seconds(_cell(row, columns["time"]))
        if value is None or time_s is None or (times and time_s < times[-1]):
            unreadable += bool(any(row))
        elif times and time_s == times[-1]:
            # Clocks of whole seconds: the rows of one share its time, and are averaged.
            values[-1].append(value)
        else:
            times.append(time_s)
            values.append([value])
    if len(times) < _FEWEST_ROWS or unreadable > len(times):
        raise UsageError(
            f"{path}: {len(times)} rows hold a time and a power, {unreadable} others do not. Times must rise; {_HINT}"
        )
    means = [math.fsum(group) / len(group) for group in values]
    names = ", ".join(printable(columns[name].title, 40) for name in columns)
    source = PowerSource(
        name="meter",
        description=f"the log of a power meter ({printable(path.name, 60)}; columns: {names})",
        kind=kind,
        rails=("the meter",),
        misses="nothing behind the meter",
        whole_device=True,
    )
    return MeterLog(source, Trace(tuple(times), tuple(means), unreadable))


def _rows(path: Path) -> list[list[str]]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path} is larger than any meter's log ({_MOST_BYTES >> 20} MiB)")
        text = read_regular_file(path, _MOST_BYTES).decode("utf-8-sig", "replace").replace("\0", "")
    except OSError as error:
        raise UsageError(f"--power-log {path}: {error.strerror}") from None
    head = "\n".join(text.splitlines()[:_HEADER_WITHIN])
    delimiter = max(";\t,", key=head.count)
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), delimiter=delimiter)]
    # Where a semicolon or tab separates, a comma may be the decimal point.
    return rows if delimiter == "," else [[re.sub(r"(\d),(\d)", r"\1.\2", cell) for cell in row] for row in rows]


def _find_header(rows: Sequence[Sequence[str]], path: Path) -> tuple[int, dict[Quantity, _Column]]:
    for number, row in enumerate(rows[:_HEADER_WITHIN]):
        columns = _columns(row, path)
        if "time" not in columns:
            continue
        if "watts" in columns:
            return number, {name: columns[name] for name in ("time", "watts")}
        if "volts" in columns and "amps" in columns:
            return number, {name: columns[name] for name in ("time", "volts", "amps")}
        if "joules" in columns:
            return number, {name: columns[name] for name in ("time", "joules")}
    first = printable(", ".join(rows[0]), 120) if rows else "nothing"
    raise UsageError(f"{path}: no line names a column of time and one of power (the first: {first}). {_HINT}")


def _columns(row: Sequence[str], path: Path) -> dict[Quantity, _Column]:
    columns: dict[Quantity, _Column] = {}
    for index, title in enumerate(row):
        match = _UNIT.search(title)
        unit = match[1].replace("µ", "u").lower() if match else ""
        known = unit in _UNITS or unit in ("s", "sec", "ms")
        name = re.sub(r"[_ ]+", " ", title[: match.start()] if match and known else title).strip().lower()
        if not known and name in _UNITS:
            unit = name
        for quantity, pattern in _NAMES.items():
            if pattern.fullmatch(name):
                if quantity in columns and quantity != "time":
                    raise UsageError(
                        f"{path}: both {printable(columns[quantity].title, 40)!r} and {printable(title, 40)!r} may be "
                        f"the {quantity}. {_HINT}"
                    )
                columns.setdefault(quantity, _Column(index, title, unit))
                break
    return columns


def _cell(row: Sequence[str], column: _Column) -> str:
    return row[column.index] if column.index < len(row) else ""


def _value(row: Sequence[str], columns: dict[Quantity, _Column]) -> float | None:
    product = 1.0
    for quantity, column in columns.items():
        if quantity == "time":
            continue
        text = _cell(row, column)
        if not _NUMBER.fullmatch(text):
            return None
        product *= float(text) * _UNITS.get(column.unit, 1.0)
    return product


class _Clock:
    """Seconds out of a column of times; clock times go on past midnight."""

    def __init__(self, unit: str) -> None:
        self._scale = 1e-3 if unit == "ms" else 1.0
        self._days, self._last_s = 0.0, -math.inf

    def seconds(self, text: str) -> float | None:
        if _NUMBER.fullmatch(text):
            value = float(text)
            # Milliseconds since 1970 need no unit.
            return value * (1e-3 if value > 1e11 else self._scale)
        try:
            return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()
        except ValueError:
            match = _CLOCK.fullmatch(text[:60])
        if match is None:
            return None
        value = int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
        if value + self._days < self._last_s - 43_200:
            self._days += 86_400
        self._last_s = value + self._days
        return self._last_s
