"""Groups of photos that are near in hash and colour, without comparing every pair where that can be avoided.

Two photos are near if their 64-bit hashes differ in at most some bits and their thumbnails differ by at most a
tolerance on average. Unlike photos are found by an index: of the four 16-bit parts of two hashes that differ in 8 bits,
one differs in 2 at most. Where many hashes are alike (frames of a fixed camera), photos are sorted by group and
brightness and compared block by block; a pair of blocks is skipped where its hashes, brightness or colours are bounded
apart, or where all its photos are in one group already. The groups are those of comparing every pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
_BLOCK = 512
_PIECE = 16_384
_NEIGHBOURS = 4
_PENDING = 4096
_PART_BITS, _PARTS = 16, 4
_CHUNK = 1 << 20
# A pair from the index costs as much as 20 in a block, where each is compared only once.
_INDEX_COST = 1 / 40
# So many are compared in blocks sooner than the index is made.
_FEW = 20_000


class NearPairs:
    """Photos by hash uint64 [N] and RGB thumbnail uint8 [N, 192]; near within ``tolerance`` grey levels on average."""

    def __init__(self, hashes: NDArray[np.uint64], thumbnails: NDArray[np.uint8], tolerance: int) -> None:
        self._hashes, self._thumbnails = hashes, thumbnails
        self._most = tolerance * thumbnails.shape[1]
        # Sums over a quarter of the photo in one colour: their differences add up to no more than those of the pixels.
        side = round((thumbnails.shape[1] // 3) ** 0.5)
        quarters = thumbnails.reshape(-1, 2, side // 2, 2, side // 2, 3)
        self._coarse = quarters.sum(axis=(2, 4), dtype=np.int32).reshape(len(thumbnails), 12)
        self._brightness = self._coarse.sum(axis=1)

    def components(self, members: Numbers, bits: int) -> Numbers:
        """The first photo of every photo's group: int64 [N]. Photos that are not in ``members`` stay alone."""
        forest = _Forest(len(self._hashes))
        for first, second in self._neighbours(members):
            self._join_near(forest, first, second, bits)
        index = _HashIndex(self._hashes[members], bits)
        if len(members) > _FEW and index.cost < _INDEX_COST * len(members) ** 2:
            for rows, columns in index.pairs():
                self._join_near(forest, members[rows], members[columns], bits)
            forest.settle()
            return forest.roots
        blocks = _Blocks.of(self, members, forest)
        for row in range(len(blocks)):
            for column in blocks.partners(row, bits, self._most, forest):
                first, second = self._close_hashes(blocks, row, int(column), bits)
                self._join_near(forest, first, second, bits)
        forest.settle()
        return forest.roots

    def _neighbours(self, members: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
        """Pairs that are likely to be near: next to each other by name, hash or brightness."""
        hashes = self._hashes[members]
        orders = [np.arange(len(members)), np.argsort(self._brightness[members], kind="stable")]
        orders += [np.argsort(np.bitwise_or(hashes << np.uint64(s), hashes >> np.uint64(64 - s))) for s in (16, 32, 48)]
        for order in [np.argsort(hashes), *orders]:
            for step in range(1, _NEIGHBOURS + 1):
                yield members[order[:-step]], members[order[step:]]

    def _close_hashes(self, blocks: _Blocks, row: int, column: int, bits: int) -> tuple[Numbers, Numbers]:
        left, right = blocks.members(row), blocks.members(column)
        distance = np.bitwise_count(self._hashes[left, None] ^ self._hashes[None, right])
        rows, columns = np.nonzero(distance <= bits)
        if row == column:
            rows, columns = rows[rows < columns], columns[rows < columns]
        return left[rows], right[columns]

    def _join_near(self, forest: _Forest, first: Numbers, second: Numbers, bits: int) -> None:
        """Join those of the pairs that are near; in pieces, because many are in one group after the first."""
        while len(first):
            apart = forest.roots[first] != forest.roots[second]
            first, second = first[apart], second[apart]
            near = self._are_near(first[:_PIECE], second[:_PIECE], bits)
            forest.join(first[:_PIECE][near], second[:_PIECE][near])
            first, second = first[_PIECE:], second[_PIECE:]

    def _are_near(self, first: Numbers, second: Numbers, bits: int) -> NDArray[np.bool_]:
        near = np.bitwise_count(self._hashes[first] ^ self._hashes[second]) <= bits
        near[near] = np.abs(self._coarse[first[near]] - self._coarse[second[near]]).sum(axis=1) <= self._most
        left, right = self._thumbnails[first[near]], self._thumbnails[second[near]]
        difference = np.maximum(left, right) - np.minimum(left, right)
        near[near] = difference.sum(axis=1, dtype=np.int64) <= self._most
        return np.asarray(near, np.bool_)


class _Forest:
    """Disjoint sets of 0 .. count - 1; a set is named by its first member. Few pairs are collected before joining."""

    def __init__(self, count: int) -> None:
        self.roots = np.arange(count)
        self.version = 0
        self._pending: list[tuple[Numbers, Numbers]] = []
        self._waiting = 0

    def join(self, first: Numbers, second: Numbers) -> None:
        if len(first):
            self._pending.append((first, second))
            self._waiting += len(first)
        if self._waiting >= _PENDING:
            self.settle()

    def settle(self) -> None:
        """Join the collected pairs."""
        if not self._waiting:
            return
        first, second = (np.concatenate(side) for side in zip(*self._pending, strict=True))
        self._pending, self._waiting = [], 0
        self.version += 1
        while True:
            left, right = self.roots[first], self.roots[second]
            apart = left != right
            if not apart.any():
                return
            first, second = first[apart], second[apart]
            np.minimum.at(self.roots, np.maximum(left, right)[apart], np.minimum(left, right)[apart])
            while (shorter := self.roots[self.roots]).tobytes() != self.roots.tobytes():
                self.roots = shorter


class _HashIndex:
    """Pairs of hashes uint64 [N] that can differ in at most ``bits`` bits, by hash tables of their four parts."""

    def __init__(self, hashes: NDArray[np.uint64], bits: int) -> None:
        self._bits = bits
        self._hashes = hashes
        values = np.arange(1 << _PART_BITS)
        # Four parts cannot all differ in more than a quarter of the bits.
        self._flips = values[np.bitwise_count(values) <= bits // _PARTS]
        self._parts = [
            (hashes >> np.uint64(_PART_BITS * part)).astype(np.int64) & (len(values) - 1) for part in range(_PARTS)
        ]

    @property
    def cost(self) -> float:
        """The number of pairs that `pairs` looks at."""
        values, cost = np.arange(1 << _PART_BITS), 0.0
        for part in self._parts:
            counts = np.bincount(part, minlength=len(values)).astype(np.float64)
            cost += sum(float(counts @ counts[values ^ flip]) for flip in self._flips) / 2
        return cost

    def pairs(self) -> Iterator[tuple[Numbers, Numbers]]:
        """Numbers of close hashes; a pair can come more than once."""
        for part in self._parts:
            order = np.argsort(part, kind="stable")
            values, hashes = part[order], self._hashes[order]
            starts = np.searchsorted(values, np.arange((1 << _PART_BITS) + 1))
            for flip in self._flips:
                partners = values ^ flip
                first, stop = starts[partners], starts[partners + 1]
                if flip:
                    stop = np.where(values < partners, stop, first)
                else:
                    first = np.arange(1, len(values) + 1)
                for rows, columns in _ranges(first, stop):
                    close = np.bitwise_count(hashes[rows] ^ hashes[columns]) <= self._bits
                    yield order[rows[close]], order[columns[close]]


def _ranges(first: Numbers, stop: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """Row numbers and every number from their ``first`` to before their ``stop``, some rows at a time."""
    counts = stop - first
    ends = np.cumsum(counts)
    row = 0
    while row < len(counts):
        before = ends[row] - counts[row]
        last = max(row + 1, int(np.searchsorted(ends, before + _CHUNK, side="right")))
        here = counts[row:last]
        rows = np.repeat(np.arange(row, last), here)
        offsets = np.arange(len(rows)) - np.repeat(ends[row:last] - here - before, here)
        yield rows, offsets + np.repeat(first[row:last], here)
        row = last


@dataclass
class _Blocks:
    """Photos in blocks, sorted by group and brightness, with the bounds of what is in each block."""

    order: Numbers
    starts: Numbers
    dark: Numbers
    bright: Numbers
    ones: NDArray[np.uint64]
    zeros: NDArray[np.uint64]
    low: NDArray[np.int32]
    high: NDArray[np.int32]
    version: int = -1

    @classmethod
    def of(cls, pairs: NearPairs, members: Numbers, forest: _Forest) -> _Blocks:
        forest.settle()
        brightness = pairs._brightness[members]
        roots = forest.roots[members]
        darkest = np.full(len(forest.roots), np.iinfo(np.int64).max)
        np.minimum.at(darkest, roots, brightness)
        order = members[np.lexsort((brightness, roots, darkest[roots]))]
        starts = np.arange(0, len(order), _BLOCK)
        hashes, levels, coarse = pairs._hashes[order], pairs._brightness[order], pairs._coarse[order]
        return cls(
            order=order, starts=starts,
            dark=np.minimum.reduceat(levels, starts), bright=np.maximum.reduceat(levels, starts),
            ones=np.bitwise_and.reduceat(hashes, starts), zeros=~np.bitwise_or.reduceat(hashes, starts),
            low=np.minimum.reduceat(coarse, starts), high=np.maximum.reduceat(coarse, starts),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.starts)

    def members(self, block: int) -> Numbers:
        return self.order[self.starts[block] : self.starts[block] + _BLOCK]

    def partners(self, row: int, bits: int, most: int, forest: _Forest) -> Iterator[int]:
        """The blocks from ``row`` on that may hold a near photo of another group, as groups stand at that moment."""
        later = slice(row, None)
        gap = np.maximum(self.low[later] - self.high[row], self.low[row] - self.high[later])
        apart = np.maximum(gap, 0).sum(axis=1) > most
        apart |= (self.dark[later] - self.bright[row] > most) | (self.dark[row] - self.bright[later] > most)
        differ = (self.ones[row] & self.zeros[later]) | (self.zeros[row] & self.ones[later])
        apart |= np.bitwise_count(differ) > bits
        for column in (row + np.flatnonzero(~apart)).tolist():
            self._refresh(forest)
            if not self._first[row] == self._last[row] == self._first[column] == self._last[column]:
                yield column

    def _refresh(self, forest: _Forest) -> None:
        if self.version != forest.version:
            roots = forest.roots[self.order]
            self._first, self._last = np.minimum.reduceat(roots, self.starts), np.maximum.reduceat(roots, self.starts)
            self.version = forest.version
