from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tiny_student import SIZE, smooth_images


@pytest.fixture(scope="session")
def images() -> NDArray[np.uint8]:
    """Those that the exported files were calibrated with, and not the few of the tests beside."""
    return smooth_images(48, SIZE)
