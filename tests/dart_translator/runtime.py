"""What Dart's operators, casts and core libraries do, for Dart that is run in Python.

Stricter than Dart where that finds mistakes: an int is never a double, a negative index is an error, and a byte that
does not fit is not cut.
"""

from __future__ import annotations

import enum
import hashlib
import json
import math
import struct
from array import array
from collections.abc import Callable, Mapping
from typing import Any


class RangeError(IndexError):
    pass


class FormatException(ValueError):
    pass


class ArgumentError(ValueError):
    pass


class DartTypeError(AssertionError):
    """What Dart would refuse when it compiles, or throw as a TypeError."""


def quotient(a: float, b: float) -> float:
    return a / b


def whole_quotient(a: int, b: int) -> int:
    if type(a) is not int or type(b) is not int or b <= 0:
        raise DartTypeError(f"{a!r} ~/ {b!r}")
    return a // b if a >= 0 else -(-a // b)


def not_null(value: Any) -> Any:
    if value is None:
        raise DartTypeError("null where a value is asserted")
    return value


def item(holder: Any, key: Any) -> Any:
    if isinstance(holder, dict):
        return holder.get(key)
    if type(key) is not int:
        raise DartTypeError(f"an index is {key!r}")
    if key < 0:
        raise RangeError(key)
    try:
        return holder[key]
    except IndexError:
        raise RangeError(key) from None


def put(holder: Any, key: int, value: Any) -> None:
    if type(key) is not int or key < 0 or key >= len(holder):
        raise RangeError(key)
    holder[key] = value


def text(value: Any) -> str:
    """A value in a string."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


_BASIC: Mapping[str, Callable[[Any], bool]] = {
    "int": lambda value: type(value) is int,
    "double": lambda value: type(value) is float,
    "num": lambda value: type(value) in (int, float),
    "bool": lambda value: type(value) is bool,
    "String": lambda value: type(value) is str,
    "Map": lambda value: isinstance(value, dict),
    "List": lambda value: isinstance(value, (list, bytearray, bytes, memoryview, array)),
    "Uint8List": lambda value: isinstance(value, (bytearray, bytes, memoryview)),
    "Float32List": lambda value: isinstance(value, array) and value.typecode == "f",
}


def is_a(value: Any, name: str) -> bool:
    """Whether a value is of a type, such as "int?"; of classes other than the basic ones nothing is asked."""
    if value is None:
        return name.endswith("?") or name in ("void", "dynamic")
    test = _BASIC.get(name.removesuffix("?").partition("<")[0])
    return test is None or test(value)


def of_type(value: Any, name: str) -> Any:
    if not is_a(value, name):
        raise DartTypeError(f"{value!r} is not a {name}")
    return value


def to_int(value: float) -> int:
    if type(value) is not float:
        raise DartTypeError(f"{value!r}.toInt()")
    return math.trunc(value)


def _view(holder: Any, start: int = 0, end: int | None = None) -> memoryview:
    view = memoryview(holder)
    end = len(view) if end is None else end
    if not 0 <= start <= end <= len(view):
        raise RangeError((start, end))
    return view[start:end]


class Uint8List:
    def __new__(cls, length: int) -> Any:
        return bytearray(length)

    fromList = bytearray  # noqa: N815
    sublistView = staticmethod(_view)  # noqa: N815


class Float32List:
    def __new__(cls, length: int) -> Any:
        return array("f", bytes(4 * length))


class ByteData:
    """Numbers in bytes, as little-endian."""

    def __init__(self, view: memoryview) -> None:
        self._view = view

    @classmethod
    def sublistView(cls, holder: Any) -> ByteData:  # noqa: N802
        return cls(_view(holder))

    def _read(self, code: str, at: int, *endian: Any) -> Any:
        if endian != (Endian.little,)[: struct.calcsize(code) > 1]:
            raise DartTypeError("the bytes are of a little-endian file")
        if at < 0 or at + struct.calcsize(code) > len(self._view):
            raise RangeError(at)
        return struct.unpack_from(f"<{code}", self._view, at)[0]

    def __getattr__(self, name: str) -> Any:
        codes = {"Int8": "b", "Uint8": "B", "Uint16": "H", "Int32": "i", "Uint32": "I", "Float32": "f"}
        code = codes[name.removeprefix("get")]
        return lambda at, *endian: self._read(code, at, *endian)


class Endian(enum.Enum):
    little = 1


class _Utf8:
    @staticmethod
    def decode(content: Any) -> str:
        try:
            return bytes(content).decode("utf-8")
        except UnicodeDecodeError as error:
            raise FormatException(str(error)) from None


class _Ascii:
    decode = _Utf8.decode

    @staticmethod
    def encode(value: str) -> bytes:
        return value.encode("ascii")


class _Sha256:
    @staticmethod
    def convert(content: Any) -> str:
        return hashlib.sha256(content).hexdigest()


def _decode_json(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError as error:
        raise FormatException(str(error)) from None


LIBRARIES = {
    "RangeError": RangeError, "FormatException": FormatException, "ArgumentError": ArgumentError,
    "Uint8List": Uint8List, "Float32List": Float32List, "ByteData": ByteData, "Endian": Endian, "utf8": _Utf8,
    "ascii": _Ascii, "sha256": _Sha256, "jsonDecode": _decode_json,
}  # fmt: skip
METHODS = {"toInt": "_dart_to_int", "toDouble": "float", "abs": "abs", "toString": "_dart_text"}
"""Methods of Dart's numbers and objects, by the Python function that takes the object."""
