"""Views of two photos at once: mixup and cutmix, decided by the seed and the photos' contents.

Sources: mixup, arXiv:1710.09412; cutmix, arXiv:1905.04899.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from edgekd.data.dataset import Sample
from edgekd.preprocess import Pixels
from edgekd.section import Section

_UNIT = 256
# Edges of a pasted part stand on this grid: models whose sizes are multiples of it see the very same part.
GRID = 32


class MixPolicy(Section):
    """Views made of two photos. With both mixup and cutmix on, each view draws one of them."""

    mixup: float = Field(default=0.0, ge=0, le=2)
    """Alpha of mixup's Beta(alpha, alpha), which blends two photos: 0 (off), or 0.05 to 2."""
    cutmix: float = Field(default=0.0, ge=0, le=2)
    """Alpha of cutmix's Beta(alpha, alpha), which pastes a part of another photo: 0 (off), or 0.05 to 2."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of the augmented views that are mixed. The photo itself, view 0, never is."""

    @field_validator("mixup", "cutmix")
    @classmethod
    def _drawable(cls, value: float) -> float:
        if 0 < value < 0.05:
            raise ValueError("an alpha must be 0 (never) or at least 0.05")
        return value

    @property
    def on(self) -> bool:
        """Whether any view is mixed."""
        return self.mixup > 0 or self.cutmix > 0


@dataclass(frozen=True)
class Mix:
    """``weight`` is the photo's own part in 1/1024; the rest is that of the sample at ``partner``.

    ``box`` (left, top, right, bottom in 1/32 of the view) is what the partner covers; None: both are blended.
    """

    partner: int
    weight: int
    box: tuple[int, int, int, int] | None

    @property
    def share(self) -> float:
        """``weight`` as a part of 1."""
        return self.weight / GRID**2


class Mixing:
    """For every sample and view number, the mix that it is, if it is one.

    A labelled photo is mixed with labelled ones, so that its label keeps its worth; an unlabelled one with any.
    """

    def __init__(self, policy: MixPolicy, seed: int, samples: Sequence[Sample]) -> None:
        self._policy, self._seed, self._samples = policy, seed, samples
        # By content: the order of the samples does not decide which photos are mixed.
        order = sorted(range(len(samples)), key=lambda i: (samples[i].sha256, _known_of(samples[i]), samples[i].id))
        self._all = order
        self._labelled = [i for i in order if not samples[i].is_unlabelled]
        self._memory = functools.lru_cache(maxsize=1 << 18)(self._draw)

    def of(self, index: int, number: int) -> Mix | None:
        """The mix of view ``number`` of sample ``index``; None where it shows the one photo."""
        return self._memory(int(index), int(number)) if number else None

    def facts(self) -> list[bool]:
        """Which samples are labelled: with their hashes, all that decides the partners."""
        return [not sample.is_unlabelled for sample in self._samples]

    def _draw(self, index: int, number: int) -> Mix | None:
        sample = self._samples[index]
        key = hashlib.sha256(f"{self._seed}/{sample.sha256}/{number}/mix".encode()).digest()
        draws = _Draws(np.random.PCG64(int.from_bytes(key[:16], "little")))
        is_mixed, coin, rank = draws.next() < self._policy.share, draws.next(), draws.next()
        partner = self._partner(index, rank)
        if not is_mixed or partner is None:
            return None
        is_cut = self._policy.cutmix > 0 and (self._policy.mixup == 0 or coin < 0.5)
        weight = draws.beta(self._policy.cutmix if is_cut else self._policy.mixup)
        mix = _cutmix(partner, weight, draws.next(), draws.next()) if is_cut else _mixup(partner, weight)
        return None if mix.weight == GRID**2 else mix

    def _partner(self, index: int, rank: float) -> int | None:
        sample = self._samples[index]
        pool = self._all if sample.is_unlabelled else self._labelled
        place = int(rank * len(pool))
        for step in range(len(pool)):
            other = pool[(place + step) % len(pool)]
            if self._samples[other].sha256 != sample.sha256:
                return other
        return None


def mix_views(first: Pixels, partner: Pixels, mix: Mix) -> Pixels:
    """Two views uint8 [H, W, 3] of one size as the one that ``mix`` describes, in integers."""
    if mix.box is None:
        part = mix.weight // (GRID**2 // _UNIT)
        blended = (first.astype(np.uint16) * part + partner.astype(np.uint16) * (_UNIT - part) + 128) >> 8
        return blended.astype(np.uint8)
    height, width = first.shape[:2]
    left, top, right, bottom = mix.box
    out = first.copy()
    rows, columns = (slice(_edge(a, n), _edge(b, n)) for a, b, n in ((top, bottom, height), (left, right, width)))
    out[rows, columns] = partner[rows, columns]
    return out


def _edge(place: int, size: int) -> int:
    return (2 * place * size + GRID) // (2 * GRID)


def _mixup(partner: int, weight: float) -> Mix:
    return Mix(partner, round(_UNIT * weight) * (GRID**2 // _UNIT), None)


def _cutmix(partner: int, weight: float, across: float, down: float) -> Mix:
    half = GRID * math.sqrt(1 - weight) / 2
    left, right = (min(GRID, max(0, round(across * GRID + side))) for side in (-half, half))
    top, bottom = (min(GRID, max(0, round(down * GRID + side))) for side in (-half, half))
    return Mix(partner, GRID**2 - (right - left) * (bottom - top), (left, top, right, bottom))


class _Draws:
    """Numbers in 0..1 from raw draws, because only these stay the same in later versions of numpy."""

    def __init__(self, bits: np.random.PCG64) -> None:
        self._bits = bits

    def next(self) -> float:
        return float((int(self._bits.random_raw()) >> 11) * 2.0**-53)

    def beta(self, alpha: float) -> float:
        """Beta(alpha, alpha). Source: Jöhnk's rejection, Metrika 8 (1964)."""
        while True:
            x, y = self.next() ** (1 / alpha), self.next() ** (1 / alpha)
            if 0 < x + y <= 1:
                return float(x / (x + y))


def mixes_of(
    mixing: Mixing, indices: NDArray[np.int64], numbers: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Partners int64 [B], -1 where there is none, and the photos' own shares float32 [B]."""
    partners, shares = np.full(len(indices), -1, np.int64), np.ones(len(indices), np.float32)
    for row, (index, number) in enumerate(zip(indices, numbers, strict=True)):
        mix = mixing.of(int(index), int(number))
        if mix is not None:
            partners[row], shares[row] = mix.partner, mix.share
    return partners, shares


def _known_of(sample: Sample) -> str:
    return str(sample.label if sample.tags is None else sample.tags)
