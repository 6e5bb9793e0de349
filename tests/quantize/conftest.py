from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tiny_student import SIZE, smooth_images


@pytest.fixture(scope="session")
def source(student: Any) -> Any:
    from edgekd.quantize.float_model import load_float_model

    return load_float_model(student)


@pytest.fixture(scope="session")
def calibrated(source: Any, images: NDArray[np.uint8]) -> Any:
    from edgekd.quantize.calibration import calibrate

    return calibrate(source, images)


@pytest.fixture(scope="session")
def unseen() -> NDArray[np.uint8]:
    return smooth_images(64, SIZE, seed=5)


@pytest.fixture(scope="session")
def float_answers(source: Any, unseen: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the tiny student itself says to ``unseen``."""
    return np.asarray(source.model(unseen.astype(np.float32), training=False))
