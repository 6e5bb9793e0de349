"""The arm64 root that emulated devices and the simulated Raspberry Pi run in, made once a session."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from sharing import shared

from edgekd.devices.arm_root import make_root


@pytest.fixture(scope="session")
def arm_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An arm64 Debian root with python3, numpy, ai-edge-litert and onnxruntime; a Raspberry Pi 5 by its /proc.

    The one that EDGEKD_ARM_ROOT names, or else made anew: 20 s and 400 MB.
    """
    if given := os.environ.get("EDGEKD_ARM_ROOT"):
        return make_root(Path(given))
    for tool, package in (("mmdebstrap", "mmdebstrap"), ("qemu-aarch64", "qemu-user")):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: apt-get install {package}")
    return shared(tmp_path_factory, "arm", lambda folder: make_root(folder / "root")) / "root"
