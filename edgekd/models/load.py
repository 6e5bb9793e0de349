"""Keras models from files, without running code that a file carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekd.errors import ModelError
from edgekd.quiet import import_keras


def load_model(path: Path) -> Any:
    """Load a .keras file without running code from it. Raises ModelError naming the file where that fails."""
    import_keras()
    import keras

    if not path.is_file():
        raise ModelError(f"{path} does not exist. Give the path of a .keras file.")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds on a foreign or damaged file.
        reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise ModelError(f"{path} cannot be loaded as a Keras 3 model: {reason}") from error
