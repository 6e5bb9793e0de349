from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_run import build_run


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A whole run of made-up numbers."""
    return build_run(tmp_path / "run")
