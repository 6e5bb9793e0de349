"""Labelled photos that a teacher learns from, and what the frozen part of a network gives for their views.

A frozen part gives the same for a view whenever it is asked: it is asked once. The head of a network with frozen
blocks is fitted in every fold, and its last blocks see every view many times.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.progress import Progress
from edgekd.training.batches import ViewSource
from edgekd.training.loop import logits_of

Values = npt.NDArray[np.float32]

_MOST_BYTES = 2**30
"""What is kept of a part at most. A fixed number, so that a run that is resumed does the same."""
_FLOAT_BYTES = 4


@dataclass(frozen=True, eq=False)
class LabelledViews:
    """Labelled photos to learn from: rendered views of N photos, ``labels`` int64 [N] or tags int8 [N, C]."""

    source: ViewSource
    labels: npt.NDArray[np.integer]
    _known: dict[str, Values] = field(default_factory=dict, repr=False)

    def kept_bytes(self, part: Any) -> int:
        """Bytes of what ``part`` gives for all views; 0 where it is too much to keep, or not the same at every call."""
        shape = part.output_shape[1:]
        # A layer with a generator of random numbers, as Dropout, gives something else while its network is trained.
        if None in shape or any("seed_generator" in variable.path for variable in part.variables):
            return 0
        size = _FLOAT_BYTES * math.prod(shape) * len(self.labels) * self.source.views
        return size if size <= _MOST_BYTES else 0

    def outputs(self, part: Any, progress: Progress | None = None) -> Values:
        """What ``part``, a Keras model of pixels 0..255 in inference mode, gives for all views: float32 [N, V, ...].

        Asked again with the same weights, it is not computed again, unless there was more to keep than memory allows.
        """
        key = _fingerprint(part)
        if key not in self._known:
            everything, count = np.arange(len(self.labels)), self.source.views
            values = np.empty((len(everything), count, *part.output_shape[1:]), np.float32)
            for number in range(count):
                values[:, number] = logits_of(part, self.source.gather(everything, np.full(len(everything), number)))
                if progress:
                    progress(number + 1, count)
            while self._known and values.nbytes + sum(kept.nbytes for kept in self._known.values()) > _MOST_BYTES:
                del self._known[next(iter(self._known))]
            self._known[key] = values
        return self._known[key]


@dataclass(frozen=True, eq=False)
class StoredOutputs:
    """Outputs [N, V, ...] of a network's frozen part in place of the views, for training the rest of it."""

    values: Values

    @property
    def views(self) -> int:
        """Number of views a photo."""
        return int(self.values.shape[1])

    def gather(self, sample_indices: npt.NDArray[Any], view_numbers: npt.NDArray[Any]) -> Any:
        """Outputs float32 [B, ...] for photo and view numbers [B]."""
        return self.values[sample_indices, view_numbers]


def _fingerprint(part: Any) -> str:
    """Of the layers and weights of a Keras model."""
    digest = hashlib.sha256(repr([layer.name for layer in part.layers]).encode())
    for value in part.get_weights():
        digest.update(value.tobytes())
    return digest.hexdigest()
