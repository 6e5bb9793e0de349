"""The state of a training run as one file of arrays, whole or absent; nothing in it is executed when it is read."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import RunError
from edgekd.storage import replacing

Arrays = list[npt.NDArray[Any]]


@dataclass
class TrainingState:
    """What a training needs to continue after ``epoch`` finished epochs as if nothing had happened.

    ``best`` holds the weights of ``best_epoch``, which counts; ``highest_epoch`` has the highest validation score of
    those that may, and ``floor`` is the lower end of its interval.
    """

    key: str
    epoch: int = 0
    seconds: float = 0.0
    waited_s: float = 0.0
    best_epoch: int = -1
    highest_epoch: int = -1
    floor: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    model: Arrays = field(default_factory=list)
    optimizer: Arrays = field(default_factory=list)
    best: Arrays = field(default_factory=list)


_FACTS = ("key", "epoch", "seconds", "waited_s", "best_epoch", "highest_epoch", "floor", "history")
_LISTS = ("model", "optimizer", "best")


def save_state(path: Path, state: TrainingState) -> None:
    """Write ``state`` to ``path`` (.npz), whole or not at all."""
    arrays = {f"{name}/{i}": a for name in _LISTS for i, a in enumerate(getattr(state, name))}
    facts = json.dumps({name: getattr(state, name) for name in _FACTS})
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, facts=np.frombuffer(facts.encode(), np.uint8), **arrays)


def load_state(path: Path, key: str) -> TrainingState | None:
    """Read the state if it is there and belongs to ``key``; None otherwise. Raises RunError on a damaged file."""
    if not path.is_file():
        return None
    try:
        _check_sizes(path)
        with np.load(path, allow_pickle=False) as archive:
            facts = json.loads(archive["facts"].tobytes())
            if facts["key"] != key:
                return None
            lists = {name: _load_list(archive, name) for name in _LISTS}
    except Exception as error:  # zipfile and NumPy's reader of headers raise many kinds on a damaged file.
        raise RunError(f"{path} is damaged ({error}). Delete it to train from the start.") from None
    state = TrainingState(key)
    for name, value in {**facts, **lists}.items():
        setattr(state, name, value)
    return state


def _check_sizes(path: Path) -> None:
    """Raises ValueError where an array is larger than its part of the file: they are stored as they are."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(stream)
            if member.compress_type != zipfile.ZIP_STORED or math.prod(shape) * dtype.itemsize > member.file_size:
                raise ValueError(f"{member.filename} is not stored as it was saved")


def _load_list(archive: Any, name: str) -> Arrays:
    count = sum(1 for key in archive.files if key.startswith(f"{name}/"))
    return [archive[f"{name}/{i}"] for i in range(count)]


def copy_values(variables: Sequence[Any]) -> Arrays:
    """Copies of Keras variables as arrays."""
    return [np.array(v.numpy()) for v in variables]


def assign(variables: Sequence[Any], arrays: Arrays) -> None:
    """Set Keras variables from arrays of the same number and shapes. Raises RunError where they differ."""
    if len(variables) != len(arrays):
        raise RunError(f"the saved state has {len(arrays)} arrays where the model has {len(variables)}")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
