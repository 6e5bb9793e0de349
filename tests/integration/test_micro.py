"""The int8 .tflite in TensorFlow Lite for Microcontrollers' own interpreter, within the arena of our estimate."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from reference_kernels import by_reference_kernels

from edgekd.export.c_array import arena_estimate_bytes
from edgekd.formats import tflite_file
from edgekd.runtime import open_runner

CLIENT = Path(__file__).parents[1] / "clients/micro_client.py"
VARIABLE = "EDGEKD_TFLITE_MICRO_PYTHON"


@pytest.fixture
def python() -> str:
    found = os.environ.get(VARIABLE)
    if not found:
        pytest.skip(f"{VARIABLE} does not name a Python with tflite-micro")
    return found


def test_it_answers_as_litert_does(
    python: str, exported: dict[str, Any], images: NDArray[np.uint8], tmp_path: Path
) -> None:
    artifact = exported["int8.tflite"]
    arena_bytes = arena_estimate_bytes(tflite_file.read(artifact.content(), "x"))
    np.save(tmp_path / "images.npy", images)
    argv = [python, str(CLIENT), str(artifact.path), str(tmp_path / "images.npy"), str(arena_bytes)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = np.array(json.loads(done.stdout.splitlines()[-1]))
    # The same reference kernels in LiteRT, but for a tie now and then, of which a steep head makes a few steps.
    reference = by_reference_kernels(artifact, images)
    apart = np.abs(found - reference).max(axis=1)
    assert (apart <= 1 / 256).mean() >= 0.9 and apart.max() <= 4 / 256
    # Those of every day round some sums the other way, and a steep head makes several steps of one: as far as LiteRT's
    # own two kinds of kernels are apart.
    wanted = open_runner(artifact).run(images)
    assert (found.argmax(axis=1) == wanted.argmax(axis=1)).mean() >= 0.95
    assert np.abs(found - wanted).max() <= np.abs(reference - wanted).max() + 4 / 256
