"""Damage to a file, each decided by a seed: bit flips, truncation, wrong headers, shuffled blocks, edited tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from table_edits import edited_tables

Generator = np.random.Generator

_HEADERS = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF", b"PK\x03\x04\x14\x00\x00\x00", b"\x7fELF\x02\x01\x01\x00", b"<!DOCTYPE html>\n",
    b"\x1c\x00\x00\x00TFL3", b"\x08\x0a\x12\x04test", b"\x89HDF\r\n\x1a\n", b"version https://git-lfs",
)  # fmt: skip


def one_bit(content: bytes, generator: Generator) -> bytes:
    """One bit, anywhere."""
    return _flipped(content, generator.integers(0, len(content), 1), generator)


def few_bits(content: bytes, generator: Generator) -> bytes:
    """2 to 32 bits, anywhere."""
    return _flipped(content, generator.integers(0, len(content), int(generator.integers(2, 33))), generator)


def structure_bits(content: bytes, generator: Generator) -> bytes:
    """1 to 8 bits in the last third or the first 256 bytes, where a model's tables stand rather than its weights."""
    size = len(content)
    places = np.where(
        generator.random(8) < 0.8, generator.integers(size * 2 // 3, size, 8), generator.integers(0, min(256, size), 8)
    )
    return _flipped(content, places[: int(generator.integers(1, 9))], generator)


def bytes_replaced(content: bytes, generator: Generator) -> bytes:
    """1 to 16 bytes by small or large numbers, which make likely lengths, offsets and enumerations."""
    spoiled = bytearray(content)
    for place in generator.integers(0, len(content), int(generator.integers(1, 17))):
        spoiled[place] = int(generator.choice([0, 1, 2, 3, 4, 8, 127, 128, 254, 255]))
    return bytes(spoiled)


def truncated(content: bytes, generator: Generator) -> bytes:
    """Cut short, anywhere."""
    return content[: int(generator.integers(0, len(content)))]


def wrong_header(content: bytes, generator: Generator) -> bytes:
    """Another kind of file's first bytes."""
    header = _HEADERS[int(generator.integers(len(_HEADERS)))]
    return header + content[len(header) :]


def shuffled_blocks(content: bytes, generator: Generator) -> bytes:
    """Two blocks of 16 to 1024 bytes change places."""
    size = min(int(2 ** generator.integers(4, 11)), len(content) // 3)
    first, second = sorted(int(place) for place in generator.choice(len(content) // size - 1, 2, replace=False) * size)
    middle = content[first + size : second]
    return (
        content[:first] + content[second : second + size] + middle + content[first : first + size]
        + content[second + size :]
    )  # fmt: skip


def zeroed_block(content: bytes, generator: Generator) -> bytes:
    """A block of 16 to 1024 bytes of zeros, as a disk leaves them."""
    size = int(2 ** generator.integers(4, 11))
    start = int(generator.integers(0, max(1, len(content) - size)))
    return content[:start] + bytes(size) + content[start + size :]


def _flipped(content: bytes, places: np.ndarray, generator: Generator) -> bytes:
    spoiled = bytearray(content)
    for place in places:
        spoiled[int(place)] ^= 1 << int(generator.integers(8))
    return bytes(spoiled)


KINDS: tuple[tuple[str, Callable[[bytes, Generator], bytes]], ...] = (
    ("one bit", one_bit),
    ("2 to 32 bits", few_bits),
    ("bits of the structure", structure_bits),
    ("bytes replaced", bytes_replaced),
    ("truncated", truncated),
    ("wrong header", wrong_header),
    ("shuffled blocks", shuffled_blocks),
    ("zeroed block", zeroed_block),
    ("edited tables", edited_tables),
)


def mutate(content: bytes, index: int, seed: int) -> tuple[str, bytes]:
    """The ``index``-th damage of a seed, by kind in turn; never the original."""
    name, damage = KINDS[index % len(KINDS)]
    generator = np.random.default_rng([seed, index])
    while (spoiled := damage(content, generator)) == content:
        continue
    return name, spoiled
