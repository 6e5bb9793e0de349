"""What the integration tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import Project

__all__ = ["Project", "weights"]


def weights(stage: Path) -> list[np.ndarray]:
    """Every weight of a stage's student."""
    from edgekd.teach.keras_teacher import load_model

    return list(load_model(stage / "student.keras").get_weights())
