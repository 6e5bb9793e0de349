"""Decodes the protocol buffers wire format, and the tensors and attributes of an .onnx file, without a library.

Source: the protocol buffers encoding, and onnx.proto of ONNX 1.x for the field numbers.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}
# Field of TensorProto that holds the values of a type where raw_data does not, and how they are packed there.
_VALUE_FIELDS = {
    "float32": 4,
    "float64": 10,
    "int64": 7,
    **dict.fromkeys(("int32", "int16", "int8", "uint8", "bool", "float16"), 5),
}
_MAX_CONSTANT = 1 << 31
_MAX_NUMBER = (1 << 64) - 1

Field = tuple[int, int, int | bytes]


@dataclass(frozen=True, eq=False)
class OnnxTensor:
    """A constant; ``data`` is None if it is stored in another file or has a type that numpy lacks.

    ``external`` is the name of that other file.
    """

    dtype: str
    shape: tuple[int, ...]
    size_bytes: int
    data: NDArray[Any] | None
    external: str = ""


@dataclass(frozen=True)
class GraphBytes:
    """An attribute that is a graph: the body of an If, a Loop or a Scan, still as its message."""

    content: bytes


def fields_of(content: bytes) -> Iterator[Field]:
    """Number, wire type and value of every field of one message. Raises ValueError or IndexError."""
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        number, wire = key >> 3, key & 7
        value: int | bytes
        if wire == 0:
            value, position = _varint(content, position)
        elif wire in (1, 2, 5):
            size = 8 if wire == 1 else 4
            if wire == 2:
                size, position = _varint(content, position)
            value = content[position : position + size]
            position += size
        else:
            raise ValueError(f"wire type {wire} at byte {position}")
        if position > len(content) or number == 0:
            raise ValueError(f"a field runs past the end, at byte {position} of {len(content)}")
        yield number, wire, value


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & _MAX_NUMBER, position
        shift += 7
        if shift > 63:
            raise ValueError(f"an endless number at byte {position}")


def bytes_of(value: int | bytes | None) -> bytes:
    """Return a field's bytes. Raises ValueError if it holds a number or is missing."""
    if not isinstance(value, bytes):
        raise ValueError("a number or nothing where a text or message should be")
    return value


def attribute(content: bytes) -> tuple[str, Any]:
    """Name and value of an AttributeProto."""
    # AttributeProto: f = 2, i = 3, s = 4, t = 5, floats = 7, ints = 8; g = 6.
    name, value, floats, ints = "", None, [], []
    for number, _, field_value in fields_of(content):
        if number == 1:
            name = bytes_of(field_value).decode()
        elif number == 2:
            value = struct.unpack("<f", bytes_of(field_value))[0]
        elif number == 3 and isinstance(field_value, int):
            value = _to_signed(field_value)
        elif number == 4:
            value = bytes_of(field_value).decode("utf-8", "replace")
        elif number == 5:
            value = tensor(bytes_of(field_value))[1]
        elif number == 6:
            value = GraphBytes(bytes_of(field_value))
        elif number == 7:
            floats += np.frombuffer(bytes_of(field_value), "<f4").tolist()
        elif number == 8:
            ints += [field_value] if isinstance(field_value, int) else varints(field_value)
    return name, tuple(floats) or tuple(_to_signed(i) for i in ints) or value


def tensor(content: bytes) -> tuple[str, OnnxTensor]:
    """Name and value of a TensorProto. Raises ValueError where its values do not fill its shape."""
    fields = list(fields_of(content))
    last = {n: v for n, _, v in fields}
    shape: list[int] = []
    for n, _, v in fields:
        if n == 1:
            shape += [v] if isinstance(v, int) else varints(v)
    dtype = DTYPES.get(int(last.get(2, 0)), str(last.get(2, 0)))
    name = bytes_of(last.get(8, b"")).decode()
    size = math.prod(shape)
    if size >= _MAX_CONSTANT:
        raise ValueError(f"the constant {name!r} has the shape {shape}")
    data = None if last.get(14) == 1 else _values(fields, dtype)
    if data is not None and data.size != size:
        raise ValueError(f"the constant {name!r} of shape {shape} has {data.size} values")
    size_bytes = sum(len(v) for n, _, v in fields if n in (4, 5, 7, 9, 10) and isinstance(v, bytes))
    external = _location(fields) if last.get(14) == 1 else ""
    return name, OnnxTensor(dtype, tuple(shape), size_bytes, None if data is None else data.reshape(shape), external)


def _location(fields: list[Field]) -> str:
    # external_data, a list of StringStringEntryProto.
    for number, _, value in fields:
        if number == 13:
            entry = {n: bytes_of(v).decode("utf-8", "replace") for n, _, v in fields_of(bytes_of(value))}
            if entry.get(1) == "location":
                return entry.get(2, "")
    return "another file"


def _values(fields: list[Field], dtype: str) -> NDArray[Any] | None:
    if dtype not in _VALUE_FIELDS:
        return None
    kind = np.dtype(dtype).newbyteorder("<")
    raw = [bytes_of(v) for n, _, v in fields if n == 9]
    if raw:
        return np.frombuffer(raw[-1], kind)
    number = _VALUE_FIELDS[dtype]
    parts = [v for n, _, v in fields if n == number]
    if dtype in ("float32", "float64"):
        return np.frombuffer(b"".join(bytes_of(v) for v in parts), kind)
    integers: list[int] = []
    for part in parts:
        integers += [part] if isinstance(part, int) else varints(part)
    if dtype == "float16":
        return np.asarray(integers, np.uint16).view(np.float16)
    return np.asarray([_to_signed(i) for i in integers], np.int64).astype(kind)


def varints(content: bytes) -> list[int]:
    """The numbers of a packed field."""
    numbers, position = [], 0
    while position < len(content):
        value, position = _varint(content, position)
        numbers.append(value)
    return numbers


def _to_signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
