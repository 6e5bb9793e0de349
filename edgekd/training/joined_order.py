"""The photos of a pass and their labels, with soft-labelled photos after the pool's; neither list is held in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekd.training.batches import UNLABELLED

_Numbers = npt.NDArray[np.int64]
_Labels = npt.NDArray[np.integer]


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
        numbers = rows - len(self.rest) + self.more.start
        again, in_rest = rows < 0, (rows >= 0) & (rows < len(self.rest))
        numbers[in_rest] = self.rest[rows[in_rest]]
        if again.any():
            numbers[again] = self.labelled[(rows[again] + self.repeated) % len(self.labelled)]
        return numbers


@dataclass(frozen=True)
class ExtendedLabels:
    """The labels of the pool's photos, and of ``more`` after these that have none."""

    pool: _Labels
    more: int

    def __len__(self) -> int:
        return len(self.pool) + self.more

    def __getitem__(self, photos: _Numbers) -> _Labels:
        """Labels [B], or tags [B, C], of photo numbers [B]; -1 for a photo without any."""
        labels = np.full((len(photos), *self.pool.shape[1:]), UNLABELLED, self.pool.dtype)
        in_pool = photos < len(self.pool)
        labels[in_pool] = self.pool[photos[in_pool]]
        return labels
