"""Read a PyTorch checkpoint of the legacy (pre-zip) format without torch, admitting tensors and nothing else.

Source: the layout that `torch.serialization._legacy_save` writes: five pickles (magic number, protocol, system
facts, the object, the storage keys) and then every storage as an int64 element count and its raw elements.
"""

from __future__ import annotations

import math
import os
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8", "HalfStorage": "<f2", "IntStorage": "<i4"}


@dataclass
class _StorageType:
    dtype: np.dtype[Any]


@dataclass
class _Storage:
    dtype: np.dtype[Any]
    count: int
    elements: npt.NDArray[Any] | None = None


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage; offsets and strides are in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> npt.NDArray[Any]:
        elements = self.storage.elements
        if elements is None or any(not isinstance(n, int) or n < 0 for n in (self.offset, *self.shape, *self.strides)):
            raise ModelError("a tensor of the checkpoint refers to a storage that it does not hold")
        if 0 in self.shape:
            return np.zeros(self.shape, self.storage.dtype)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if last >= elements.size:
            raise ModelError("a tensor of the checkpoint reaches past the end of its storage")
        # A view may repeat elements (a stride of 0), but no weight is larger than its storage.
        if math.prod(self.shape) > elements.size:
            raise ModelError("a tensor of the checkpoint is larger than its storage")
        strides = [s * elements.itemsize for s in self.strides]
        return np.lib.stride_tricks.as_strided(elements[self.offset :], self.shape, strides).copy()


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_unused: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without a storage")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _TensorUnpickler(pickle.Unpickler):
    """Resolves the names of torch tensors and of OrderedDict; any other name is refused, so no code can run."""

    def __init__(self, stream: BinaryIO, storages: dict[str, _Storage]) -> None:
        super().__init__(stream)
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _DTYPES:
            return _StorageType(np.dtype(_DTYPES[name]))
        raise pickle.UnpicklingError(f"it holds {module}.{name}, which is not a tensor")

    def persistent_load(self, pid: Any) -> Any:
        kind, storage_type, key, _location, count, view = pid
        if kind != "storage" or view is not None or not isinstance(storage_type, _StorageType):
            raise pickle.UnpicklingError("it holds a persistent object that is not a plain storage")
        return self._storages.setdefault(key, _Storage(storage_type.dtype, int(count)))


def read_checkpoint(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the checkpoint's tensors by name, in their PyTorch layouts.

    Raises ModelError where the file is not such a checkpoint, is cut short, or holds anything but tensors.
    """
    try:
        with path.open("rb") as stream:
            return _read(stream)
    except (
        OSError,
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        MemoryError,
        OverflowError,
        RecursionError,
    ) as e:
        raise ModelError(f"{path} cannot be read as a PyTorch checkpoint: {e}. Install its package again.") from None


def _read(stream: BinaryIO) -> dict[str, npt.NDArray[Any]]:
    storages: dict[str, _Storage] = {}
    magic, protocol, _facts, state, keys = (_TensorUnpickler(stream, storages).load() for _ in range(5))
    if magic != _MAGIC or protocol != _PROTOCOL:
        raise ValueError("its first bytes are not those of the legacy format")
    left = os.fstat(stream.fileno()).st_size - stream.tell()
    for key in keys:
        storage = storages[key]
        count = int(np.frombuffer(stream.read(8), "<i8")[0])
        if count != storage.count:
            raise ValueError(f"storage {key} has {count} elements where {storage.count} were declared")
        size = count * storage.dtype.itemsize
        if not 0 <= size <= left:
            raise ValueError(f"storage {key} has {size} bytes where {left} are left in the file")
        left -= size
        content = stream.read(size)
        storage.elements = np.frombuffer(content, storage.dtype, count)
    if not isinstance(state, dict) or not all(isinstance(t, _Tensor) for t in state.values()):
        raise ValueError("it is not a flat mapping of names to tensors")
    return {str(name): tensor.array() for name, tensor in state.items()}
