"""Groups of photos divided into parts so that each tag has its share of every part, though a photo has several tags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


class UncoveredTag(Exception):
    """Tag ``tag`` can't be in every part; ``part`` is one that lacks it."""

    def __init__(self, tag: int, part: int) -> None:
        super().__init__(tag, part)
        self.tag, self.part = tag, part


def stratify(counts: Counts, sizes: Counts, shares: Sequence[float]) -> Counts:
    """The part [G] of every group, by iterative stratification: the rarest tag's groups are dealt out first.

    A group goes to the part that still lacks most photos of that tag, then to the one that lacks most photos.
    Source: Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data", ECML PKDD 2011.

    Args:
        counts: Photos of every group with every tag, [G, C]. Each group has one at least: let a column count the photos
            without any tag.
        sizes: Photos of every group, [G].
        shares: Share of all photos of every part; they sum to 1.
    """
    wanted = np.outer(shares, counts.sum(axis=0)).astype(np.float64)
    room = np.asarray(shares, np.float64) * sizes.sum()
    parts = np.full(len(counts), -1, np.int64)
    while (parts < 0).any():
        holders = ((counts > 0) & (parts < 0)[:, None]).sum(axis=0)
        tag = int(np.where(holders > 0, holders, len(counts) + 1).argmin())
        members = np.flatnonzero((counts[:, tag] > 0) & (parts < 0))
        # The largest first: they fit worst.
        for group in members[np.argsort(-sizes[members], kind="stable")]:
            part = int(np.lexsort((-room, -wanted[:, tag]))[0])
            parts[group] = part
            wanted[part] -= counts[group]
            room[part] -= sizes[group]
    return parts


def cover_every_part(parts: Counts, has: NDArray[np.bool_], sizes: Counts, count: int) -> Counts:
    """Move groups until each of ``count`` parts has every tag; ``has`` [G, C] says which group has which tag.

    The smallest group that can be spared is moved. Raises UncoveredTag where there is none.
    """
    parts = parts.copy()
    while True:
        holders = np.array([has[parts == part].sum(axis=0) for part in range(count)])
        lacking = np.argwhere(holders == 0)
        if not len(lacking):
            return parts
        part, tag = map(int, lacking[0])
        # A group can be spared where its part has another one of each of its tags.
        spared = [g for g in np.flatnonzero(has[:, tag]) if (holders[parts[g]][has[g]] > 1).all()]
        if not spared:
            raise UncoveredTag(tag, part)
        parts[min(spared, key=lambda group: (sizes[group], group))] = part
