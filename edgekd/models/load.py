"""Keras models from files, without running code that a file carries."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from edgekd.errors import ModelError
from edgekd.quiet import import_keras
from edgekd.text import first_line


def load_model(path: str | os.PathLike[str]) -> Any:
    """Load a .keras file without running code from it.

    Args:
        path: of a file that Keras 3 saved.

    Returns:
        The ``keras.Model``, not compiled.

    Raises:
        ModelError: naming the file, where it is missing, damaged, of another format, or carries code.

    Example:
        >>> model = load_model("runs/litter/student/student.keras")  # doctest: +SKIP
    """
    path = Path(path)
    import_keras()
    import keras

    if not path.is_file():
        raise ModelError(f"{path} does not exist. Give the path of a .keras file.")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds on a foreign or damaged file.
        reason = first_line(error)
        raise ModelError(f"{path} cannot be loaded as a Keras 3 model: {reason}") from error
