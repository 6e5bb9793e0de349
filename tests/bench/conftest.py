from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import write_onnx

# Both models answer with the channel whose mean is largest: what they must say is known beforehand.
_MAKE_TFLITE = """
import sys
import tensorflow as tf

@tf.function(input_signature=[tf.TensorSpec([1, 12, 8, 3], tf.uint8)])
def means(x):
    return tf.reduce_mean(tf.cast(x, tf.float32), [1, 2])

module = tf.Module()
converter = tf.lite.TFLiteConverter.from_concrete_functions([means.get_concrete_function()], module)
open(sys.argv[1], "wb").write(converter.convert())
"""


@pytest.fixture(scope="session")
def means_tflite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "means.tflite"
    subprocess.run([sys.executable, "-c", _MAKE_TFLITE, str(path)], check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def means_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "it's a model.onnx"
    write_onnx(path, ["batch", 12, 8, 3])
    return path


@pytest.fixture(scope="session")
def images() -> NDArray[np.uint8]:
    """Five images whose brightest channels are 2, 0, 1, 1, 2."""
    made = np.random.default_rng(0).integers(0, 100, size=(5, 12, 8, 3), dtype=np.uint8)
    for index, channel in enumerate((2, 0, 1, 1, 2)):
        made[index, :, :, channel] += 120
    return made
