"""Reads the program of a Core ML file: its ops in order, with their constants, without coremltools.

Source: MIL.proto and Model.proto of coremltools 9 for the field numbers, and its MILBlob storage for weight files.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.formats.onnx_wire import bytes_of, fields_of, varints

# MIL's numbers of its types, by the numpy type that holds them; a string is one of Python's.
_DTYPES = {
    1: "bool", 2: "string", 10: "float16", 11: "float32", 12: "float64", 21: "int8", 22: "int16", 23: "int32",
    24: "int64", 31: "uint8", 32: "uint16", 33: "uint32", 34: "uint64",
}  # fmt: skip
_PROGRAM = 502
_SENTINEL = 0xDEADBEEF
_MAX_CONSTANT = 1 << 31
# What an op's input is: the name of a value, or a constant.
Input = str | NDArray[Any] | tuple[Any, ...]
Blobs = Callable[[str], bytes]


@dataclass(frozen=True)
class MilType:
    """A tensor's type: ``dtype`` as numpy calls it."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class MilOp:
    """One op: its inputs by their names, constants among them, and its outputs' names and types."""

    kind: str
    inputs: dict[str, tuple[Input, ...]]
    outputs: tuple[tuple[str, MilType], ...]


@dataclass(frozen=True)
class MilProgram:
    """The ops of the function "main" in order, its inputs, and the names of its outputs."""

    inputs: tuple[tuple[str, MilType], ...]
    ops: tuple[MilOp, ...]
    outputs: tuple[str, ...]


def read_program(model: bytes, blobs: Blobs) -> MilProgram:
    """Read the program in a Core ML model's bytes; ``blobs`` gives a weight file's bytes by its path in the package.

    Raises: ValueError, IndexError, KeyError or struct.error where it is damaged, or holds no ML program.
    """
    program = _last(model, _PROGRAM)
    functions = dict(_entries(program, 2))
    function = functions["main"]
    blocks = dict(_entries(function, 3))
    block = blocks[bytes_of(_last(function, 2)).decode()]
    return MilProgram(
        tuple(_named_type(part) for part in _all(function, 1)),
        tuple(_op(part, blobs) for part in _all(block, 3)),
        tuple(part.decode() for part in _all(block, 2)),
    )


def _all(message: bytes, number: int) -> Iterator[bytes]:
    return (bytes_of(value) for n, _, value in fields_of(message) if n == number)


def _last(message: bytes, number: int) -> bytes:
    parts = list(_all(message, number))
    if not parts:
        raise ValueError(f"field {number} is missing")
    return parts[-1]


def _entries(message: bytes, number: int) -> Iterator[tuple[str, bytes]]:
    """A map from strings to messages."""
    for entry in _all(message, number):
        values = {n: bytes_of(value) for n, _, value in fields_of(entry)}
        yield values.get(1, b"").decode(), values.get(2, b"")


def _named_type(message: bytes) -> tuple[str, MilType]:
    return _last(message, 1).decode(), _type(_last(message, 2))


def _type(message: bytes) -> MilType:
    tensors = list(_all(message, 1))
    if not tensors:  # a list, a dictionary or a state
        return MilType("other", ())
    last = {n: value for n, _, value in fields_of(tensors[-1])}
    shape: list[int] = []
    for dimension in _all(tensors[-1], 3):
        constant = {n: value for n, _, value in fields_of(_last(dimension, 1))}
        shape.append(int(constant.get(1, 0)))
    return MilType(_DTYPES.get(int(last.get(1, 0)), f"type {last.get(1, 0)!r}"), tuple(shape))


def _op(message: bytes, blobs: Blobs) -> MilOp:
    inputs: dict[str, tuple[Input, ...]] = {}
    for name, argument in _entries(message, 2):
        inputs[name] = tuple(_binding(part, blobs) for part in _all(argument, 1))
    # Constants, and the parameters of constexpr ops, are attributes.
    for name, value in _entries(message, 5):
        inputs[name] = (_value(value, blobs),)
    return MilOp(_last(message, 1).decode(), inputs, tuple(_named_type(part) for part in _all(message, 3)))


def _binding(message: bytes, blobs: Blobs) -> Input:
    fields = {n: bytes_of(value) for n, _, value in fields_of(message)}
    return fields[1].decode() if 1 in fields else _value(fields[2], blobs)


def _value(message: bytes, blobs: Blobs) -> Input:
    fields = {n: bytes_of(value) for n, _, value in fields_of(message)}
    kind = _type(fields[2])
    if math.prod(kind.shape) >= _MAX_CONSTANT:
        raise ValueError(f"a constant has the shape {kind.shape}")
    if 5 in fields:
        return _blob(fields[5], kind, blobs)
    immediate = {n: bytes_of(value) for n, _, value in fields_of(fields[3])}
    if 1 in immediate:
        return _tensor(immediate[1], kind)
    number = 2 if 2 in immediate else 3  # a tuple or a list of values
    return tuple(_value(part, blobs) for part in _all(immediate.get(number, b""), 1))


def _tensor(message: bytes, kind: MilType) -> Input:
    number, _, content = next(iter(fields_of(message)), (0, 0, b""))
    parts = [value for n, _, value in fields_of(bytes_of(content)) if n == 1]
    if number == 4:
        texts = tuple(bytes_of(part).decode() for part in parts)
        return texts if kind.shape else np.asarray(texts[0])
    raw = b"".join(part for part in parts if isinstance(part, bytes))
    if number in (1, 6):
        values: NDArray[Any] = np.frombuffer(raw, "<f4" if number == 1 else "<f8")
    elif number == 7:
        values = np.frombuffer(raw, np.dtype(kind.dtype).newbyteorder("<"))
    else:
        integers = [one for part in parts for one in ([part] if isinstance(part, int) else varints(part))]
        values = np.asarray([one - (1 << 64) if one >= 1 << 63 else one for one in integers], np.int64)
    return values.astype(kind.dtype).reshape(kind.shape)


def _blob(message: bytes, kind: MilType, blobs: Blobs) -> NDArray[Any]:
    last = {n: value for n, _, value in fields_of(message)}
    content = blobs(bytes_of(last[1]).decode())
    sentinel, _, size, start = struct.unpack_from("<IIQQ", content, int(last.get(2, 0)))
    dtype = np.dtype(kind.dtype).newbyteorder("<")
    if sentinel != _SENTINEL or start + size > len(content) or size != dtype.itemsize * math.prod(kind.shape):
        raise ValueError(f"weights at byte {last.get(2, 0)!r} do not fill the shape {kind.shape}")
    values: NDArray[Any] = np.frombuffer(content, dtype, math.prod(kind.shape), start)
    return values.astype(kind.dtype).reshape(kind.shape)
