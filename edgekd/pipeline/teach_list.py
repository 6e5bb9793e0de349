"""A finished teacher's column of any list of photos, at any place: labels for millions that no run could hold."""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd import __version__
from edgekd.data.dataset import Dataset
from edgekd.data.settings import facts_of
from edgekd.data.views import draw_view, reduced, render
from edgekd.errors import DataError, UsageError
from edgekd.pipeline.column import batch_photos, finished_teacher
from edgekd.preprocess import Pixels, Preprocessing, decode
from edgekd.recipe import Recipe
from edgekd.scale.photo_list import ListFacts, read_photo, shard_names, shard_starts, store_list
from edgekd.scale.place import Place, is_uri, open_place
from edgekd.scale.workers import Told, Work, Workers
from edgekd.storage import digest
from edgekd.teach.column import SHARD, RenderedShard, as_file, fill_column, shard_logits, shard_name
from edgekd.training.loop import Progress

_READERS, _AHEAD = 8, 3
FAILED = "failed.txt"


@dataclass(frozen=True)
class Taught:
    """A column at ``place`` of ``photos``, of which ``failed`` could not be read and are listed in ``failed.txt``.

    ``computed`` photos were done by this call, in which the workers took ``seconds`` in all, ``teacher_s`` of them the
    teacher's own.
    """

    place: str
    photos: int
    failed: int
    computed: int
    seconds: float
    teacher_s: float


@dataclass(frozen=True)
class ListJob:
    """What computes the shards of a list's column: ``run`` holds the finished teacher, ``place`` the stored list."""

    recipe: Recipe
    run: Path
    source: str
    place: str
    photos: int

    def __call__(self) -> Work:
        """Load the teacher, and where the names of every shard stand."""
        dataset = Dataset.load(self.run / "data" / "dataset.json")
        return _ShardOfList(self, finished_teacher(self.recipe, self.run, dataset))


def teach_list(
    recipe: Recipe, run: Path, source: str, where: str, *, workers: Workers | None = None,
    progress: Progress | None = None,
) -> Taught:  # fmt: skip
    """Store the column of the photos that the list ``source`` names, in the recipe's views, at ``where``.

    ``run`` is a run directory of the recipe that has come past its teacher. Killed and called again, it computes what
    is missing. Photos that are gone or don't decode have NaN for logits and are listed.

    Raises: UsageError, DataError, StorageError.
    """
    policy = recipe.data.views
    if policy.mix.on:
        raise UsageError(
            "views of two photos need all of them at hand: leave out [data.views.mix] to teach from a list"
        )
    place = open_place(where)
    source = source if is_uri(source) else str(Path(source).absolute())
    facts = store_list(place, source, SHARD)
    job = ListJob(recipe, run.absolute(), source, str(place), facts.photos)
    told = fill_column(
        place, job, photos=facts.photos, views=policy.views, key=_key(recipe, run, facts),
        workers=workers, progress=progress, finish=lambda: _failures(place),
    )  # fmt: skip
    total = {name: sum(one[name] for one in told) for name in ("photos", "seconds", "teacher_s")}
    failed = json.loads(place.read("manifest.json"))["failed"]
    return Taught(str(place), facts.photos, failed, total["photos"], total["seconds"], total["teacher_s"])


class _ShardOfList:
    """The work on one shard: its photos are fetched by threads, a few batches ahead of the teacher."""

    def __init__(self, job: ListJob, teacher: Any) -> None:
        self._job, self._teacher, self._place = job, teacher, open_place(job.place)
        self._starts = shard_starts(self._place)

    def __call__(self, number: int) -> Told:
        """Compute a shard and write it, after the list of its photos that failed."""
        started = time.perf_counter()
        if self._place.has(shard_name(number)):
            return {"photos": 0, "seconds": 0.0, "teacher_s": 0.0}
        names = shard_names(self._place, self._starts, number)
        photos = [_Photo(name, self._job.source) for name in names]
        with ThreadPoolExecutor(_READERS) as pool:
            logits, teacher_s = shard_logits(
                self._teacher, lambda size: self._rendered(photos, size, pool), (0, len(names)), self._views
            )
        failed = {row: photo.error for row, photo in enumerate(photos) if photo.error}
        if failed:
            logits[list(failed)] = np.nan
            lines = [f"{number * SHARD + row}\t{names[row]}\t{error}\n" for row, error in failed.items()]
            self._place.write(f"failed-{number:05d}.txt", "".join(lines).encode())
        self._place.write(shard_name(number), as_file(logits))
        return {"photos": len(names), "seconds": time.perf_counter() - started, "teacher_s": teacher_s}

    @property
    def _views(self) -> int:
        return self._job.recipe.data.views.views

    def _rendered(self, photos: Sequence[_Photo], size: tuple[int, int], pool: ThreadPoolExecutor) -> RenderedShard:
        recipe = self._job.recipe
        preprocessing = Preprocessing(height=size[0], width=size[1], crop=recipe.data.crop)

        def rendered(start: int, stop: int) -> Iterator[npt.NDArray[np.uint8]]:
            step, coming = batch_photos(self._views), deque[list[Future[Any]]]()
            for first in range(start, stop, step):
                batch = photos[first : min(first + step, stop)]
                coming.append([pool.submit(photo.views, recipe, preprocessing) for photo in batch])
                if len(coming) > _AHEAD:
                    yield np.stack([one.result() for one in coming.popleft()])
            for asked in coming:
                yield np.stack([one.result() for one in asked])

        return rendered


class _Photo:
    """One photo of a list; where it can't be read its views are black and ``error`` says why."""

    def __init__(self, name: str, source: str) -> None:
        self._name, self._source, self.error = name, source, ""

    def views(self, recipe: Recipe, preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
        """Every view, uint8 [V, H, W, 3]: those that a run of the same photo would see."""
        try:
            content = read_photo(self._name, self._source)
            pixels = decode(content, self._name).pixels
        except (FileNotFoundError, PermissionError) as error:
            self.error = error.strerror or "there is no such file"
        except DataError as error:
            self.error = " ".join(str(error).split())
        if self.error:
            return np.zeros((recipe.data.views.views, preprocessing.height, preprocessing.width, 3), np.uint8)
        return _views(recipe, hashlib.sha256(content).hexdigest(), pixels, preprocessing)


def _views(recipe: Recipe, sha256: str, pixels: Pixels, preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    policy, found = recipe.data.views, []
    small = reduced(pixels, policy.base_px)
    for number in range(policy.views):
        view = draw_view(policy, recipe.seed, sha256, number)
        found.append(render(small if number else pixels, view, preprocessing))
    return np.stack(found)


def _failures(place: Place) -> dict[str, Any]:
    """Write the list of all photos that failed, if any did; gives what the manifest says of it."""
    parts = sorted(name for name in place.names() if name.startswith("failed-"))
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for part in parts:
            content = place.read(part)
            count += content.count(b"\n")
            yield content

    if parts:
        place.stream(FAILED, lines())
    return {"failed": count}


def _key(recipe: Recipe, run: Path, facts: ListFacts) -> str:
    """Hash of all that decides the column: teacher, views, and the names in their order."""
    teacher = json.loads((run / "teacher" / "stage.json").read_text(encoding="utf-8"))["outputs"]
    return digest(
        {
            "edgekd": __version__, "teacher": teacher, "views": facts_of(recipe.data.views), "crop": recipe.data.crop,
            "seed": recipe.seed, "photos": facts.sha256,
        }
    )  # fmt: skip
