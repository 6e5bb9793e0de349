"""Stage ``extra_targets``: stored soft targets of further photos, which the student is distilled from too."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.errors import DataError, UsageError
from edgekd.pipeline.context import RunContext, teacher_identity, view_settings
from edgekd.progress import Progress
from edgekd.recipe import Recipe
from edgekd.scale.place import Place, copy_file, open_place
from edgekd.soft_targets.joined import ROWS, STORES, ExtraStore, extra_stores
from edgekd.soft_targets.photo_list import NAMES
from edgekd.soft_targets.store import MANIFEST, SHARD, SoftTargets, open_soft_targets, read_manifest
from edgekd.storage import replacing, sha256_file, write_json


def check(recipe: Recipe) -> None:
    """Check what can be known of the stores of ``data.soft_labelled`` before there is a teacher: that
    they are finished and have the recipe's views.

    Raises UsageError, StorageError, RunError.
    """
    for where in recipe.data.soft_labelled or ():
        _open_checked(where, view_settings(recipe))


def run(context: RunContext) -> None:
    """Check the stores of ``data.soft_labelled``, and record which of their photos have logits and where they are.

    Stores at a URI are fetched, as far as they are missing here. Writes ``extra_targets/``.
    Raises UsageError where a store is not finished or not of this recipe's teacher and views; StorageError, RunError.
    """
    if not context.recipe.data.soft_labelled:
        shutil.rmtree(context.path / "extra_targets", ignore_errors=True)
        return
    watcher = context.workspace.watcher
    wanted = {**view_settings(context.recipe), **teacher_identity(context.recipe, context.path)}
    stores = [_open_checked(where, wanted) for where in context.recipe.data.soft_labelled]

    def work(directory: Path, _key: str) -> None:
        for stale in set(directory.glob("*/")) - {directory / manifest["key"] for _, manifest in stores}:
            shutil.rmtree(stale)
        records = [_fetch(place, manifest, directory / manifest["key"], watcher.progress) for place, manifest in stores]
        write_json(directory / STORES, records)

    depends = [[str(place), manifest["key"]] for place, manifest in stores]
    context.workspace.stage("extra_targets", {"stores": depends}, (STORES,), work)
    records = extra_stores(context.path)
    photos, left_out = sum(record["photos"] for record in records), sum(record["left_out"] for record in records)
    watcher.note(f"{photos:,} photos with stored soft targets join the distillation; {left_out:,} could not be read")


def _fetch(place: Place, manifest: dict[str, Any], folder: Path, progress: Progress) -> ExtraStore:
    """A store's logits and names on this machine, and the index of its photos that have logits."""
    folder.mkdir(exist_ok=True)
    store, about = open_soft_targets(str(place), folder, progress), manifest["about"]
    local = store.directory
    if local == folder and not _is(folder / NAMES, about["names"]):
        copy_file(place, NAMES, folder / NAMES)
    photos = _write_index(store, local / NAMES, about["names"], folder / ROWS)
    return {
        "place": str(place), "key": manifest["key"], "list": about["list"], "photos": photos,
        "left_out": len(store) - photos, "folder": str(local) if local != folder else None,
    }  # fmt: skip


def _open_checked(where: str, wanted: dict[str, Any]) -> tuple[Place, dict[str, Any]]:
    """A store's place and manifest, checked to be made with the settings ``wanted``. Raises UsageError."""
    place = open_place(where)
    if not place.has(MANIFEST):
        raise UsageError(
            f"data.soft_labelled: {where} holds no finished soft targets. "
            f"Finish them: edgekd label RECIPE --photos LIST --to {where}"
        )
    manifest = read_manifest(place)
    about = manifest.get("about")
    if not (isinstance(about, dict) and all(isinstance(about.get(name), str) for name in ("list", "names", "teacher"))):
        raise UsageError(
            f"data.soft_labelled: {where} does not record what it was made from. Compute it again: edgekd label "
            f"RECIPE --photos LIST --to {where}"
        )
    for name, value in wanted.items():
        if about.get(name) != value:
            raise UsageError(
                f"data.soft_labelled: {where} was computed with other {name} than this recipe's. Name another store, "
                f"or compute this one again: edgekd label RECIPE --photos {about['list']} --to {where}"
            )
    return place, manifest


def _write_index(store: SoftTargets, names: Path, sha256: str, path: Path) -> int:
    """Write number and offset in ``names`` of every photo that has logits; returns how many. Further rows are zeros.

    Raises DataError where there is none, or where ``names`` does not hash to ``sha256``.
    """
    if not _is(names, sha256):
        # Another list came to the same folder, and was stopped before its first logits.
        raise DataError(
            f"{names} is not the list that the soft targets beside it were computed from. Compute them again"
        )
    done = 0
    with replacing(path) as temporary, names.open("rb") as stream:
        # Rows that are never written take no room on the disk.
        rows = np.lib.format.open_memmap(temporary, "w+", np.int64, (len(store), 2))
        starts = itertools.accumulate(map(len, stream), initial=0)
        for first in range(0, len(store), SHARD):
            known = store.readable(first // SHARD)
            size, end = min(SHARD, len(store) - first), done + len(known)
            here = np.fromiter(itertools.islice(starts, size), np.int64, size)
            rows[done:end, 0], rows[done:end, 1], done = first + known, here[known], end
        rows.flush()
    if not done:
        raise DataError(f"{names.parent}: none of the photos could be read. See its failed.txt")
    return done


def _is(file: Path, sha256: str) -> bool:
    return file.is_file() and sha256_file(file) == sha256
