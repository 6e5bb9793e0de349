"""Groups of near duplicates are those of comparing every pair, at a fraction of the comparisons."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.data.duplicates import TOLERANCE_LEVELS, near_groups
from edgekd.data.near_pairs import NearPairs


def photos(kind: str, count: int, seed: int) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Hashes and thumbnails of unlike photos, of a few cameras, of one camera over a day, or of noise on the limit."""
    noise = np.random.default_rng(seed)
    scenes = {"unlike": count, "cameras": 12, "day": 1, "limit": 5}[kind]
    scene = noise.integers(0, scenes, count)
    hashes = noise.integers(0, 2**64, scenes, np.uint64)[scene]
    for _ in range({"unlike": 0, "cameras": 3, "day": 2, "limit": 6}[kind]):
        hashes ^= np.where(
            noise.random(count) < 0.7, np.uint64(1) << noise.integers(0, 64, count, np.uint64), 0
        ).astype(np.uint64)
    thumbnails = noise.integers(0, 256, (scenes, 192)).astype(np.float64)[scene]
    if kind == "day":
        thumbnails = thumbnails * 0.5 + 120 * np.sort(noise.random(count))[:, None]
    if kind == "limit":
        thumbnails += noise.normal(0, 9.5, (count, 192))
    thumbnails += noise.normal(0, 2, (count, 192))
    return hashes, np.clip(thumbnails, 0, 255).astype(np.uint8)


def groups_by_every_pair(hashes: NDArray[np.uint64], thumbnails: NDArray[np.uint8], bits: int) -> list[int]:
    small = thumbnails.astype(np.int64)
    near = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= bits
    near &= np.array([np.abs(small - row).sum(axis=1) <= TOLERANCE_LEVELS * 192 for row in small])
    roots = np.arange(len(hashes))
    while True:
        lower = np.array([roots[row].min() for row in near])
        if (lower == roots).all():
            return roots.tolist()
        roots = lower


@pytest.mark.parametrize("kind", ["unlike", "cameras", "day", "limit"])
@pytest.mark.parametrize("bits", [8, 3, 0])
@pytest.mark.parametrize(("by_index", "seed"), [(True, 0), (False, 0), (False, 1), (False, 2)])
def test_groups_are_those_of_comparing_every_pair(
    kind: str, bits: int, by_index: bool, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgekd.data.near_pairs._FEW", 0)
    monkeypatch.setattr("edgekd.data.near_pairs._INDEX_COST", 1e9 if by_index else 0)
    monkeypatch.setattr("edgekd.data.near_pairs._CHUNK", 10_000)
    monkeypatch.setattr("edgekd.data.near_pairs._BLOCK", 32)
    monkeypatch.setattr("edgekd.data.near_pairs._PIECE", 50)
    monkeypatch.setattr("edgekd.data.near_pairs._PENDING", 7)
    hashes, thumbnails = photos(kind, 400, seed)
    roots = NearPairs(hashes, thumbnails, TOLERANCE_LEVELS).components(np.arange(400), bits)
    assert roots.tolist() == groups_by_every_pair(hashes, thumbnails, bits)


def test_exact_groups_stay_together_and_bits_are_tightened() -> None:
    hashes, thumbnails = photos("cameras", 300, 0)
    exact = list(range(300))
    exact[7] = 2
    groups, bits = near_groups(exact, hashes, thumbnails, 8, 300)
    assert bits == 8 and groups[7] == groups[2] == min(groups[7], groups[2])
    fewer, tight = near_groups(exact, hashes, thumbnails, 8, 20)
    assert tight < 8 and len(set(fewer)) > len(set(groups))
    assert all(groups[root] == groups[member] for member, root in enumerate(fewer))


def test_one_photo_and_none() -> None:
    hashes, thumbnails = photos("unlike", 1, 0)
    assert near_groups([0], hashes, thumbnails, 8, 50) == ([0], 8)
