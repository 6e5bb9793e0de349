"""Photos of stored columns, which a run's student is distilled from beside its own (``data.taught``).

Nothing of them is held in memory: their names and logits are mapped, and a photo is read and rendered for its batch.
"""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.errors import DataError, UsageError
from edgekd.pipeline.context import teacher_of, views_of
from edgekd.pipeline.stage import Workspace
from edgekd.recipe import Recipe
from edgekd.scale.place import Place, copied, open_place
from edgekd.soft_targets.joined import _ROWS, COLUMNS
from edgekd.soft_targets.photo_list import NAMES
from edgekd.soft_targets.store import MANIFEST, SHARD, SoftTargets, open_soft_targets, read_manifest
from edgekd.storage import read_json, replacing, sha256_file, write_json


def check_extra_targets(recipe: Recipe) -> None:
    """Check what can be said of the columns of ``data.taught`` before there is a teacher: that they are finished and
    of the recipe's views.

    Raises UsageError, StorageError, RunError.
    """
    for where in recipe.data.taught or ():
        _checked(where, views_of(recipe))


def extra_targets_stage(work: Workspace, recipe: Recipe) -> None:
    """Check the columns of ``data.taught`` and note which of their photos have an answer, and where they stand.

    Those that are elsewhere are fetched, what is missing of them. Writes ``taught/``, where the recipe names any.
    Raises UsageError where a column is not finished or not of this recipe's teacher and views; StorageError, RunError.
    """
    if not recipe.data.taught:
        shutil.rmtree(work.path / "taught", ignore_errors=True)
        return
    wanted = {**views_of(recipe), **teacher_of(work.path)}
    found = [_checked(where, wanted) for where in recipe.data.taught]

    def do(directory: Path, _key: str) -> None:
        for stale in set(directory.glob("*/")) - {directory / key for key in (one["key"] for _, one in found)}:
            shutil.rmtree(stale)
        told = []
        for place, manifest in found:
            own = directory / manifest["key"]
            own.mkdir(exist_ok=True)
            column, about = open_soft_targets(str(place), own, work.watcher.progress), manifest["about"]
            folder = column.directory
            if folder == own and not _is(own / NAMES, about["names"]):
                copied(place, NAMES, own / NAMES)
            photos = _index(column, folder / NAMES, about["names"], own / _ROWS)
            told.append(
                {
                    "place": str(place), "key": manifest["key"], "list": about["list"], "photos": photos,
                    "left_out": len(column) - photos, "folder": str(folder) if folder != own else None,
                }
            )  # fmt: skip
        write_json(directory / COLUMNS, told)

    depends = [[str(place), manifest["key"]] for place, manifest in found]
    directory = work.stage("taught", {"columns": depends}, (COLUMNS,), do)
    told = read_json(directory / COLUMNS)
    photos, left_out = (sum(one[name] for one in told) for name in ("photos", "left_out"))
    work.watcher.note(f"{photos:,} photos of stored columns join the distillation; {left_out:,} could not be read")


def extra_stores(run: Path) -> list[dict[str, Any]]:
    """What a run's ``taught/`` says of each of its columns: place, key, photos, left_out; none where it has none."""
    told = run / "taught" / COLUMNS
    columns: list[dict[str, Any]] = read_json(told) if told.is_file() else []
    return columns


def _checked(where: str, wanted: dict[str, Any]) -> tuple[Place, dict[str, Any]]:
    """A column's place and manifest, which says the same of how it was made as ``wanted``. Raises UsageError."""
    place = open_place(where)
    if not place.has(MANIFEST):
        raise UsageError(
            f"data.taught: {where} holds no finished column. Finish it: edgekd teach RECIPE --photos LIST --to {where}"
        )
    manifest = read_manifest(place)
    told = manifest.get("about")
    if not (isinstance(told, dict) and all(isinstance(told.get(name), str) for name in ("list", "names", "teacher"))):
        raise UsageError(
            f"data.taught: {where} does not say what it was made from. Say it, with this edgekd: edgekd teach RECIPE "
            f"--photos LIST --to {where}"
        )
    for name, value in wanted.items():
        if told.get(name) != value:
            raise UsageError(
                f"data.taught: {where} has not the {name} of this recipe. Name another column, or compute this one "
                f"again: edgekd teach RECIPE --photos {told['list']} --to {where}"
            )
    return place, manifest


def _index(column: SoftTargets, names: Path, sha256: str, path: Path) -> int:
    """Write number and place in ``names`` of every photo that has logits, and gives how many; further rows are zeros.

    Raises DataError where there is none, or where ``names`` does not hash to ``sha256``.
    """
    if not _is(names, sha256):
        # Another list came to the same folder, and was stopped before its first logits.
        raise DataError(f"{names} is not the list that the column beside it was made of. Teach the list again")
    done = 0
    with replacing(path) as temporary, names.open("rb") as stream:
        # Rows that are never written take no room on the disk.
        rows = np.lib.format.open_memmap(temporary, "w+", np.int64, (len(column), 2))
        starts = itertools.accumulate(map(len, stream), initial=0)
        for first in range(0, len(column), SHARD):
            known = column.known(first // SHARD)
            size, end = min(SHARD, len(column) - first), done + len(known)
            here = np.fromiter(itertools.islice(starts, size), np.int64, size)
            rows[done:end, 0], rows[done:end, 1], done = first + known, here[known], end
        rows.flush()
    if not done:
        raise DataError(f"{names.parent}: none of the column's photos could be read. See its failed.txt")
    return done


def _is(file: Path, sha256: str) -> bool:
    return file.is_file() and sha256_file(file) == sha256
