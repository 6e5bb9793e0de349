"""Which photo, in which view, is in which batch: a pure function of the seed and the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from edgekd.training.labels import are_tags, has_label
from edgekd.training.order import Numbers, permute

UNLABELLED = -1
_AHEAD = 3


Mixes = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]


class ViewSource(Protocol):
    """Rendered views: ``gather`` gives uint8 [B, H, W, 3] for photo and view numbers [B]."""

    @property
    def views(self) -> int:
        """Number of views a photo."""

    def gather(self, sample_indices: npt.NDArray[Any], view_numbers: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Views as uint8 [B, H, W, 3]."""


@runtime_checkable
class MixedSource(Protocol):
    """A view source some of whose views may show two photos."""

    def mixes(
        self, sample_indices: npt.NDArray[Any], view_numbers: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]] | None:
        """Partners int64 [B] (-1: none) and the photos' own shares float32 [B]; None where no view is ever mixed."""


class StoredLogits(Protocol):
    """A teacher's logits: ``logits[photos, views]`` of numbers [B] gives float [B, C]; its features alike, [B, ...]."""

    def __getitem__(self, where: tuple[npt.NDArray[Any], npt.NDArray[Any]], /) -> npt.NDArray[Any]:
        """Logits [B, C], or features [B, ...]."""


@dataclass(frozen=True)
class Batch:
    """``images`` uint8 [B, H, W, 3]; ``labels`` int32 [B], -1 where there is none; ``teacher`` float32 [B, C].

    Where photos have tags, ``labels`` is int32 [B, C] of 0 and 1, with a row of -1 where none are known.
    Where views show two photos, ``second`` (as ``labels``) are the other photos' labels and ``share`` float32 [B] is
    the weight of ``labels`` (1 for a view of one photo); the rest is that of ``second``. A view of which one label is
    not known has none at all: its label would be wrong for the other part. ``sure`` float32 [B] is then the
    teacher's certainty of the photos as they are, each counted by its share: no teacher is certain of a mixture.
    ``features`` are the teacher's, float32 [B, ...] each, where an objective asks for them.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int32]
    teacher: npt.NDArray[np.float32]
    second: npt.NDArray[np.int32] | None = None
    share: npt.NDArray[np.float32] | None = None
    features: tuple[npt.NDArray[np.float32], ...] = ()
    sure: npt.NDArray[np.float32] | None = None


class BatchStream:
    """Endless batches over ``photos`` (indices into the view source), each pass in a new seeded order.

    In pass p photo i is seen in view (i + p) mod V, so that every view is met once in V passes. ``teacher`` holds
    stored logits [N, V, C], or None for training on labels alone; ``features`` its features, stored or computed now.
    Where ``photos`` is not an array, the order is not held in memory either, and differs from an array's.
    """

    def __init__(
        self,
        source: ViewSource,
        photos: Numbers,
        labels: Numbers,
        teacher: StoredLogits | None,
        *,
        batch_size: int,
        seed: int,
        features: Sequence[StoredLogits] = (),
    ) -> None:
        if len(photos) == 0:
            raise ValueError("no photos to train on")
        self._source, self._photos, self._labels, self._teacher = source, photos, labels, teacher
        self._batch_size, self._seed, self._features = batch_size, seed, features
        self._pool, self._ahead = ThreadPoolExecutor(1), dict[int, Future[Batch]]()
        self._orders: dict[int, npt.NDArray[np.int64]] = {}

    def batch(self, step: int) -> Batch:
        """The batch of optimizer step ``step``."""
        places = np.arange(step * self._batch_size, (step + 1) * self._batch_size)
        passes, ranks = np.divmod(places, len(self._photos))
        rows = self._rows(passes, ranks)
        photos, views = self._photos[rows], (rows + passes) % self._source.views
        teacher = (
            np.zeros((len(rows), 0), np.float32)
            if self._teacher is None
            else np.asarray(self._teacher[photos, views], np.float32)
        )
        mixes = self._source.mixes(photos, views) if isinstance(self._source, MixedSource) else None
        labels, second = self._labels_of(photos, mixes)
        features = tuple(np.asarray(feature[photos, views], np.float32) for feature in self._features)
        images = self._source.gather(photos, views)
        if mixes is None:
            return Batch(images, labels, teacher, features=features)
        sure = self._sure(photos, teacher, mixes, tag_certainty if are_tags(labels) else top_probability)
        return Batch(images, labels, teacher, second, mixes[1], features, sure)

    def range(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches of steps ``start`` to ``stop``, the next ones made in a thread while one is used.

        Those after ``stop`` are begun as well: while an epoch is judged and saved, the next one's are made.
        """
        # Batches begun for another place are dropped.
        self._ahead = {step: future for step, future in self._ahead.items() if start <= step <= start + _AHEAD}
        for step in range(start, stop):
            for later in range(step, step + _AHEAD + 1):
                if later not in self._ahead:
                    self._ahead[later] = self._pool.submit(self.batch, later)
            yield self._ahead.pop(step).result()

    def _labels_of(
        self, photos: npt.NDArray[np.int64], mixes: Mixes | None
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32] | None]:
        """Labels [B] or tags [B, C], and of mixed views the partners' ones."""
        labels = self._labels[photos].astype(np.int32)
        if mixes is None:
            return labels, None
        partners, _ = mixes
        alone = (partners < 0).reshape(-1, *(1,) * (labels.ndim - 1))
        second = np.where(alone, labels, self._labels[partners]).astype(np.int32)
        unknown = ~(has_label(labels) & has_label(second))
        labels[unknown], second[unknown] = UNLABELLED, UNLABELLED
        return labels, second

    def _sure(
        self,
        photos: npt.NDArray[np.int64],
        teacher: npt.NDArray[np.float32],
        mixes: Mixes,
        certainty: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
    ) -> npt.NDArray[np.float32]:
        """The teacher's ``certainty`` [B]; of mixed views by its logits for view 0, the whole photo, of both photos."""
        if self._teacher is None:
            return np.ones(len(photos), np.float32)
        partners, share = mixes
        sure, mixed = certainty(teacher), np.flatnonzero(partners >= 0)
        if len(mixed):
            whole = np.zeros(len(mixed), np.int64)
            first, second = (
                certainty(np.asarray(self._teacher[those, whole], np.float32))
                for those in (photos[mixed], partners[mixed])
            )
            sure[mixed] = share[mixed] * first + (1 - share[mixed]) * second
        return sure

    def _rows(self, passes: npt.NDArray[np.int64], ranks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Rows of ``photos`` [B], of passes and of places in the order of these."""
        if isinstance(self._photos, np.ndarray):
            return np.array([self._order(int(p))[r] for p, r in zip(passes, ranks, strict=True)])
        rows = np.empty_like(ranks)
        for number in np.unique(passes):
            here = passes == number
            rows[here] = permute(ranks[here], len(self._photos), (self._seed, int(number)))
        return rows

    def _order(self, number: int) -> npt.NDArray[np.int64]:
        if number not in self._orders:
            if len(self._orders) > 8:
                del self._orders[min(self._orders)]
            self._orders[number] = np.random.default_rng([self._seed, number]).permutation(len(self._photos))
        return self._orders[number]


def top_probability(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probability of the most likely class [B], of logits [B, C]."""
    return np.asarray(1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1), np.float32)


def tag_certainty(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The share of a photo's tags that is likely to be right [B], of logits [B, C]: the mean of max(p, 1 - p)."""
    return np.asarray((1 / (1 + np.exp(-np.abs(logits)))).mean(axis=1), np.float32)
