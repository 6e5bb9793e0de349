"""Keras models from files, without running code that a file carries."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.errors import ModelError, UsageError
from edgekd.models.keras_file import check_keras_file
from edgekd.models.rebuild import PhotosAt, functional, in_float32
from edgekd.quiet import import_keras
from edgekd.text import first_line, one_line


def load_model(path: str | os.PathLike[str], photos: PhotosAt | None = None) -> Any:
    """Load a model that Keras 3 saved, without running code from its file.

    Args:
        path: of a .keras file, or of an .h5 file with a whole model in it.
        photos: real ones, on which a model of half precision is compared with its float32 form; seeded images if None.

    Returns:
        The ``keras.Model``, not compiled, in float32 whatever its precision was; one input or output in a list counts
        as one without.

    Raises:
        ModelError: naming the file, where it is missing, damaged, of Keras 2 or another format, carries code, uses a
            class that is not imported, or holds NaN.

    Example:
        >>> model = load_model("runs/litter/student/student.keras")  # doctest: +SKIP
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path} does not exist. Give the path of a .keras file.")
    import_keras()
    import keras

    contents = check_keras_file(path)
    if contents.classes:
        raise contents.explain(None)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds on a foreign or damaged file.
        raise contents.explain(error) from error
    _check_weights(model, path)
    return plain_model(model, str(path), photos)


def plain_model(model: Any, where: str, photos: PhotosAt | None = None) -> Any:
    """A Keras model in float32 whose input and output are not in lists; one of several inputs as it is.

    Scores [N, 1, 1, C], of a last layer that is a convolution, become [N, C].

    Raises ModelError naming ``where``, where it computes something else for ``photos`` in float32.
    """
    if len(getattr(model, "inputs", None) or ()) != 1:
        return model
    return in_float32(row_of_scores(_without_lists(model)), where, photos)


def import_custom_layers(modules: Sequence[str]) -> None:
    """Import modules that register layers (``keras.saving.register_keras_serializable``). This runs their code.

    Raises UsageError naming a module that can't be imported.
    """
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # Whatever the user's own code raises.
            raise UsageError(
                f"import {one_line(name)}: {type(error).__name__}: {first_line(error)}. Name a module that Python "
                "finds, for example with PYTHONPATH=."
            ) from error


def _without_lists(model: Any) -> Any:
    """``keras.Model([x], [y])`` as the ``keras.Model(x, y)`` that it is."""
    import keras

    graph = functional(model)
    if len(model.outputs) != 1 or not any(isinstance(x, (list, dict)) for x in (graph.input, graph.output)):
        return model
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def row_of_scores(model: Any) -> Any:
    """A model that gives [N, 1, 1, C] as one that gives [N, C]; any other itself."""
    import keras

    outputs = list(getattr(model, "outputs", None) or ())
    shape = tuple(outputs[0].shape) if len(outputs) == 1 else ()
    if len(shape) < 3 or set(shape[1:-1]) != {1} or shape[-1] is None:
        return model
    return keras.Model(model.inputs[0], keras.layers.Reshape((shape[-1],))(outputs[0]), name=model.name)


def _check_weights(model: Any, path: Path) -> None:
    for layer in model._flatten_layers():
        for variable in layer._trainable_variables + layer._non_trainable_variables:
            value = np.asarray(variable)
            if value.dtype.kind == "f" and np.isnan(value).any():
                raise ModelError(
                    f"{path} holds NaN in the weight {variable.name} of the layer {layer.name}: its training failed. "
                    "Save it from an earlier epoch, or train again with a lower learning rate"
                )
