"""What a teacher is: any function from images to logits."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class Teacher(Protocol):
    """Images uint8 RGB [N, H, W, 3] to logits float32 [N, C]; ``key`` changes when the answers may."""

    @property
    def num_classes(self) -> int:
        """C, in the order of the data's classes."""

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the images it takes."""

    @property
    def key(self) -> str:
        """Hash of everything that decides its answers."""

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Logits float32 [N, C] of images uint8 [N, H, W, 3]."""
