"""A .npz of photos: ``images`` and ``labels``, or ``x_train``, ``y_train``, ``x_test``, ``y_test`` as in Keras."""

from __future__ import annotations

import functools
import threading
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.data.listing import SPLITS, ListedPhoto, Listing, class_order, split_name, without_none
from edgekd.errors import DataError, EdgekdError, MemoryShortage
from edgekd.memory import find_bomb, free_memory
from edgekd.storage import require_regular_file
from edgekd.task import NONE_LABEL, Task
from edgekd.text import one_line

Array = NDArray[Any]
_KEYS = ("images", "labels", "classes", "split", "x_train", "y_train", "x_test", "y_test")
# Drawings on white shrink to a hundredth.
_MOST_GROWTH = 200
_LOADING = threading.Lock()


@dataclass(frozen=True)
class _Part:
    images: Array
    labels: Array
    splits: tuple[str | None, ...]


def list_npz(path: Path, task: Task = "single-label") -> Listing:
    """List the rows of a .npz: images uint8 [N, H, W, 3] or grey [N, H, W] or [N, H, W, 1], labels [N] or [N, 1].

    Labels are ints or strings. Optional: ``classes`` (names that integer labels index), ``split`` (a name per row).
    Tags are labels [N, C] of 0 and 1, in the order of ``classes``; a row of -1 where they are not known. One label each
    is one tag each. Nothing in the file is unpickled. Raises DataError.
    """
    parts, classes = _parts(path)
    if any(part.labels.ndim == 2 for part in parts):
        if task == "single-label":
            raise DataError(
                f"{path} has several labels a photo: its labels are a table. To read them as tags, set task = "
                '"multi-label" in [data] (load_dataset(..., task="multi-label") in Python)'
            )
        return _list_tagged(path, parts, classes)
    labels = [_label(value, classes, path) for part in parts for value in part.labels.tolist()]
    splits = [split for part in parts for split in part.splits]
    items = []
    for index, (label, split) in enumerate(zip(labels, splits, strict=True)):
        label_in_split = None if split == "unlabelled" else label
        items.append(ListedPhoto(f"{path.name}#{index}", path, index, label_in_split, split))
    names = _class_order(parts, items) if classes is None else classes
    if task == "multi-label":
        items = [
            replace(item, label=None, tags=None if item.label is None else without_none((item.label,), item.id))
            for item in items
        ]
        names = tuple(name for name in names if name != NONE_LABEL)
    return Listing(tuple(items), names, ())


def npz_task(path: Path) -> Task:
    """What the photos of a .npz have: one label each, or a row of tags. Raises DataError."""
    parts, _ = _parts(path)
    return "multi-label" if any(part.labels.ndim == 2 for part in parts) else "single-label"


def _list_tagged(path: Path, parts: tuple[_Part, ...], classes: tuple[str, ...] | None) -> Listing:
    widths = {part.labels.shape[1:] for part in parts}
    if len(widths) > 1 or (classes is not None and widths != {(len(classes),)}):
        raise DataError(
            f"{path}: its labels have {' and '.join(str(list(part.labels.shape)) for part in parts)} entries"
            f"{f' for {len(classes)} classes' if classes is not None else ''}. Give a column of 0 and 1 for each tag"
        )
    names = tuple(map(str, range(next(iter(widths))[0]))) if classes is None else classes
    items: list[ListedPhoto] = []
    for part in parts:
        for row, given in zip(part.labels.tolist(), part.splits, strict=True):
            tags = _tags_of(row, names, f"{path}, row {len(items)}")
            if tags is None and given not in (None, "unlabelled"):
                raise DataError(f"{path}, row {len(items)}: a {given} photo whose tags are not known. Give them")
            split = "unlabelled" if tags is None else given
            known = None if split == "unlabelled" else tags
            items.append(ListedPhoto(f"{path.name}#{len(items)}", path, len(items), None, split, known))
    return Listing(tuple(items), tuple(name for name in names if name != NONE_LABEL), ())


def _tags_of(row: list[int], names: tuple[str, ...], where: str) -> tuple[str, ...] | None:
    if set(row) == {-1}:
        return None
    if not set(row) <= {0, 1}:
        raise DataError(f"{where}: labels {row[:8]} must be 0 or 1, or all -1 where they are not known")
    return without_none(tuple(name for name, flag in zip(names, row, strict=True) if flag), where)


def _class_order(parts: tuple[_Part, ...], items: list[ListedPhoto]) -> tuple[str, ...]:
    """Names in text order; whole numbers are the numbers of classes, so they keep their order."""
    labels = {item.label for item in items if item.label is not None}
    numbered = all(part.labels.dtype.kind in "iu" for part in parts)
    return tuple(sorted(labels, key=int)) if numbered else class_order(labels)


def read_row(path: Path, index: int) -> NDArray[np.uint8]:
    """Row ``index`` of the .npz as uint8 RGB [H, W, 3], grey replicated. Raises DataError."""
    parts, _ = _parts(path)
    for part in parts:
        if index < len(part.images):
            row = part.images[index]
            grey = row.ndim == 2 or row.shape[2] == 1
            return np.repeat(row.reshape(*row.shape[:2], 1), 3, axis=2) if grey else np.array(row)
        index -= len(part.images)
    raise DataError(f"{path} has fewer rows than when it was listed. Load the data again")


def _parts(path: Path) -> tuple[tuple[_Part, ...], tuple[str, ...] | None]:
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror}. Give the path of a .npz file") from None
    with _LOADING:
        return _load(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=2)
def _load(path: Path, mtime_ns: int, size_bytes: int) -> tuple[tuple[_Part, ...], tuple[str, ...] | None]:
    try:
        _check_size(path)
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files if key in _KEYS}
            others = [key for key in file.files if key not in _KEYS]
    except MemoryError:
        raise MemoryShortage(
            f"there is not enough memory to read {path}. Give its photos as files in folders"
        ) from None
    except EdgekdError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy's reader of headers raise many kinds on a damaged file.
        raise DataError(f"{path} cannot be read as a .npz of plain arrays: {error}") from None
    classes = tuple(str(name) for name in arrays["classes"].tolist()) if "classes" in arrays else None
    if "images" in arrays and "labels" in arrays:
        splits = _splits(arrays.get("split"), len(arrays["images"]), path)
        parts = [_part(path, "images", "labels", arrays, splits)]
    elif "x_train" in arrays and "y_train" in arrays:
        parts = [_part(path, "x_train", "y_train", arrays, ("train",) * len(arrays["x_train"]))]
        if "x_test" in arrays and "y_test" in arrays:
            parts.append(_part(path, "x_test", "y_test", arrays, ("test",) * len(arrays["x_test"])))
    else:
        held = one_line(", ".join([*arrays, *others]))
        raise DataError(
            f"{path} holds {held or 'nothing'}. It must hold images and labels (and may hold classes and "
            "split), or x_train, y_train, x_test and y_test"
        )
    return tuple(parts), classes


def _check_size(path: Path) -> None:
    """Raise before anything is unpacked: OSError, DataError for an archive bomb, MemoryShortage."""
    require_regular_file(path)
    with zipfile.ZipFile(path) as archive:
        bomb = find_bomb(archive, _MOST_GROWTH)
        size = sum(member.file_size for member in archive.infolist())
    if bomb is not None:
        raise DataError(
            f"{path}: {one_line(bomb.filename)!r} unpacks from {bomb.compress_size:,} to {bomb.file_size:,} bytes, "
            "which no photos do. It is not opened"
        )
    memory = free_memory()
    if memory is not None and size > memory[0]:
        raise MemoryShortage(
            f"{path} unpacks to {size / 2**30:.1f} GiB, and {memory[0] / 2**30:.1f} GiB of memory are free. Give "
            "its photos as files in folders, which are read one by one"
        )


def _part(
    path: Path, images_key: str, labels_key: str, arrays: dict[str, Array], splits: tuple[str | None, ...]
) -> _Part:
    images, labels = arrays[images_key], arrays[labels_key]
    if images.dtype != np.uint8 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3))):
        raise DataError(
            f"{path}: {images_key} is {images.dtype} {list(images.shape)}. It must be uint8, 0 to 255, of shape "
            "[N, H, W, 3] (RGB) or [N, H, W] (grey)"
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind == "b" and labels.ndim == 2:
        labels = labels.astype(np.int8)
    kinds = "iu" if labels.ndim == 2 else "iuU"
    if labels.ndim not in (1, 2) or labels.dtype.kind not in kinds or len(labels) != len(images):
        raise DataError(
            f"{path}: {labels_key} is {labels.dtype} {list(labels.shape)}. It must be one whole number or string for "
            f"each of the {len(images)} photos in {images_key}, or a row of 0 and 1 where photos have tags"
        )
    return _Part(images, labels, splits)


def _splits(names: Array | None, count: int, path: Path) -> tuple[str | None, ...]:
    if names is None:
        return (None,) * count
    splits: list[str | None] = []
    for row, name in enumerate(names.tolist()):
        split = split_name(str(name)) if name else None
        if name and split is None:
            raise DataError(f"{path}: split of row {row} is {name!r}. It must be one of {', '.join(SPLITS)}, or empty")
        splits.append(split)
    if len(splits) != count:
        raise DataError(f"{path}: split has {len(splits)} rows and images has {count}. Give one for each")
    return tuple(splits)


def _label(value: int | str, classes: tuple[str, ...] | None, path: Path) -> str:
    if isinstance(value, str) or classes is None:
        return str(value)
    if not 0 <= value < len(classes):
        raise DataError(f"{path}: label {value} does not index its {len(classes)} classes. Number them from 0")
    return classes[value]
