"""Keras networks as other tools' files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekd.quiet import quiet


def save_tflite(path: Path, model: Any) -> Path:
    """The model in float32."""
    import tensorflow as tf

    with quiet():
        path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    return path


def save_saved_model(path: Path, model: Any) -> Path:
    """The model as a directory."""
    with quiet():
        model.export(str(path), verbose=False)
    return path
