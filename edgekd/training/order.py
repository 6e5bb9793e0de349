"""The order of a pass over more photos than fit in memory as a list: each place is computed on demand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

_ROUNDS = 8


class Numbers(Protocol):
    """A sequence of int64 numbers, stored or computed: photos of a pass, or their labels."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, places: npt.NDArray[np.int64], /) -> npt.NDArray[Any]:
        """Those at places [B]."""


def permute(places: npt.NDArray[np.int64], count: int, seed: Sequence[int]) -> npt.NDArray[np.int64]:
    """Where a permutation of ``count`` numbers, which ``seed`` determines, takes ``places`` int64 [B].

    Source: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002: a Feistel network over the least
    square of a power of two that is not less than ``count``, applied again where it gives a number past the end.
    """
    half = np.uint64(max(1, ((count - 1).bit_length() + 1) // 2))
    keys = np.random.SeedSequence(seed).generate_state(_ROUNDS, np.uint64).astype(np.uint64)
    numbers, past = places.astype(np.uint64), np.ones(len(places), bool)
    while past.any():
        numbers[past] = _encipher(numbers[past], half, keys)
        past = numbers >= count
    return numbers.astype(np.int64)


def _encipher(numbers: npt.NDArray[np.uint64], half: np.uint64, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = numbers >> half, numbers & mask
    for key in keys:
        left, right = right, left ^ (_mix_bits(right + key) & mask)
    return (left << half) | right


def _mix_bits(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Bits that each depend on all of ``x``'s: the last steps of SplitMix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
