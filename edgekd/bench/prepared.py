"""Inputs of another tool's file, as the file takes them: of photos, or made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import UsageError


@dataclass(frozen=True, eq=False)
class PreparedInputs:
    """One array an input of the file, [n, *shape], in its own types and layout.

    ``source`` says whether they are photos or made; made ones have no ``input_size`` (height, width). The file gives
    ``outputs_n`` outputs.
    """

    arrays: tuple[NDArray[Any], ...]
    source: Literal["photos", "made"] = "photos"
    input_size: tuple[int, int] = (0, 0)
    outputs_n: int = 1

    def __post_init__(self) -> None:
        lengths = {len(array) for array in self.arrays}
        if len(lengths) != 1 or 0 in lengths:
            raise UsageError(f"prepared inputs must be arrays of the same length above 0, got {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.arrays[0])

    def first(self) -> PreparedInputs:
        """The first of them alone."""
        return replace(self, arrays=tuple(array[:1] for array in self.arrays))

    def sha256(self) -> str:
        """Hash of all bytes."""
        state = hashlib.sha256()
        for array in self.arrays:
            state.update(np.ascontiguousarray(array).tobytes())
        return state.hexdigest()
