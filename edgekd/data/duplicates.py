"""Which photos are the same or nearly so: exact ones by hash, near ones by a perceptual hash that colour confirms.

Measured (a pair counts if at most ``bits`` of the 64-bit DCT hash differ and the 8 x 8 RGB thumbnails are within
``tolerance`` grey levels on average): 234 road photos have the same 12 near pairs, in 10 groups, from 2 to 12 bits. In
1,484 traffic-light crops, many of them frames of one film, hashes alone at 8 bits join 221 photos of several colours;
with a tolerance of 12 levels the largest group is 36 frames of one lamp and none has two labels. 10,000 handwritten
digits look alike to any such hash: at 8 bits a group holds a third of them, so there only 2 bits are admitted. A
photo without any texture is hashed by its noise: of such ones only exact duplicates are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.data.near_pairs import NearPairs
from edgekd.preprocess import Pixels, resample

HAMMING_BITS = 8
TOLERANCE_LEVELS = 12
_SIDE = 32
_KEPT = 8


@dataclass(frozen=True)
class DuplicateSummary:
    """Groups of two photos or more: of the same bytes or pixels (exact), and all that were kept together."""

    exact_groups: int
    groups: int
    photos: int
    largest: int
    hamming_bits: int | None
    examples: tuple[tuple[str, ...], ...]

    @property
    def message(self) -> str:
        """One sentence for people."""
        how = "exact duplicates only" if self.hamming_bits is None else f"near: at most {self.hamming_bits} of 64 bits"
        groups = f"{self.groups} group{'s' if self.groups > 1 else ''}"
        return (
            f"{self.photos} photos are in {groups} of duplicates ({self.exact_groups} with exact ones, "
            f"largest {self.largest}; {how}); each group stays on one side of the split"
        )


def _cosines() -> NDArray[np.int64]:
    k, n = np.arange(_KEPT)[:, None], np.arange(_SIDE)[None, :]
    cosines: NDArray[np.int64] = np.rint(np.cos(np.pi * k * (2 * n + 1) / (2 * _SIDE)) * 1024).astype(np.int64)
    return cosines


_COSINES = _cosines()


def perceptual_hash(pixels: Pixels) -> tuple[int, Pixels]:
    """A 64-bit DCT hash of the grey photo and its 8 x 8 RGB thumbnail [192], in integers so that machines agree.

    Source: the pHash of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010.
    """
    small = resample(pixels, _SIDE, _SIDE).astype(np.int64)
    grey = (299 * small[..., 0] + 587 * small[..., 1] + 114 * small[..., 2]) // 1000
    low = (_COSINES @ grey @ _COSINES.T).ravel()
    # The mean brightness says nothing about the pattern, so it has no part in the threshold.
    bits = 2 * low > 2 * np.median(low[1:]).astype(np.int64)
    step = _SIDE // _KEPT
    thumbnail = small.reshape(_KEPT, step, _KEPT, step, 3).sum(axis=(1, 3)) // (step * step)
    return int(np.packbits(bits).view(">u8")[0]), thumbnail.astype(np.uint8).ravel()


class _Union:
    """Disjoint sets of 0 .. count - 1; a set is named by its first member."""

    def __init__(self, parent: Sequence[int]) -> None:
        self.parent = list(parent)

    def find(self, member: int) -> int:
        while self.parent[member] != member:
            self.parent[member] = self.parent[self.parent[member]]
            member = self.parent[member]
        return member

    def join(self, first: int, second: int) -> None:
        low, high = sorted((self.find(first), self.find(second)))
        self.parent[high] = low

    def groups(self) -> list[int]:
        return [self.find(member) for member in range(len(self.parent))]


def exact_groups(keys: Sequence[tuple[str, str]]) -> list[int]:
    """A group number for every photo, equal where the bytes or the pixels are; keys are (bytes hash, pixels hash)."""
    union = _Union(range(len(keys)))
    first: dict[str, int] = {}
    for position, pair in enumerate(keys):
        for key in pair:
            union.join(first.setdefault(key, position), position)
    return union.groups()


def near_groups(
    exact: Sequence[int], hashes: NDArray[np.uint64], thumbnails: Pixels, hamming_bits: int, most: int
) -> tuple[list[int], int]:
    """Join exact groups whose hashes [N] and thumbnails [N, 192] are near; a group is joined with all that it touches.

    If a group then has more than ``most`` photos, the hashes tell these photos apart too badly (handwritten digits,
    say), and two bits fewer are admitted, down to 0. Returns the groups and the bits that were used.
    """
    exact_roots = np.asarray(exact, np.int64)
    representatives, rank = np.unique(exact_roots, return_inverse=True)
    pairs = NearPairs(hashes[representatives], thumbnails[representatives], TOLERANCE_LEVELS)
    # Groups of fewer bits lie inside those of more: photos that are alone stay alone.
    candidates = np.arange(len(representatives))
    for bits in range(hamming_bits, -1, -2):
        roots = pairs.components(candidates, bits)
        groups = representatives[roots[rank]]
        if bits < 2 or np.bincount(groups, minlength=1).max() <= most:
            break
        candidates = np.flatnonzero(np.bincount(roots, minlength=len(roots))[roots] > 1)
    return groups.tolist(), bits


def summarize(
    ids: Sequence[str], exact: Sequence[int], groups: Sequence[int], hamming_bits: int | None
) -> DuplicateSummary:
    """Count the groups of two or more; ``hamming_bits`` is None where near duplicates were not looked for."""
    members: dict[int, list[str]] = {}
    for name, group in zip(ids, groups, strict=True):
        members.setdefault(group, []).append(name)
    several = sorted(
        (sorted(names) for names in members.values() if len(names) > 1), key=lambda names: (-len(names), names)
    )
    sizes = np.bincount(exact) if len(exact) else np.zeros(0, np.int64)
    return DuplicateSummary(
        exact_groups=int((sizes > 1).sum()),
        groups=len(several),
        photos=sum(len(names) for names in several),
        largest=max((len(names) for names in several), default=1 if ids else 0),
        hamming_bits=hamming_bits,
        examples=tuple(tuple(names[:5]) for names in several[:5]),
    )
