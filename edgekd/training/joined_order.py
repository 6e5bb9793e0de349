"""The photos of a pass and their labels where those of stored columns come after the pool's: none of these is held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekd.training.batches import UNLABELLED

_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RepeatedOrder:
    """Photo numbers of a pass: ``labelled`` over and over, ``repeated`` in all; then ``rest``; then ``more``."""

    labelled: _Numbers
    repeated: int
    rest: _Numbers
    more: range

    def __len__(self) -> int:
        return self.repeated + len(self.rest) + len(self.more)

    def __getitem__(self, rows: _Numbers) -> _Numbers:
        """Photo numbers int64 [B] of rows [B]."""
        rows = rows - self.repeated
        found = rows - len(self.rest) + self.more.start
        again, own = rows < 0, (rows >= 0) & (rows < len(self.rest))
        found[own] = self.rest[rows[own]]
        if again.any():
            found[again] = self.labelled[(rows[again] + self.repeated) % len(self.labelled)]
        return found


@dataclass(frozen=True)
class ExtendedLabels:
    """The labels of the pool's photos, and of ``more`` after these that have none."""

    pool: _Numbers
    more: int

    def __len__(self) -> int:
        return len(self.pool) + self.more

    def __getitem__(self, photos: _Numbers) -> _Numbers:
        """Labels int64 [B] of photo numbers [B], -1 where there is none."""
        found, own = np.full(len(photos), UNLABELLED), photos < len(self.pool)
        found[own] = self.pool[photos[own]]
        return found
