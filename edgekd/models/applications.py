"""Any network of `keras.applications` as a backbone that takes pixel values 0..255."""

from __future__ import annotations

import difflib
import inspect
import sys
from pathlib import Path
from typing import Any

from edgekd.errors import ModelError
from edgekd.models.logits import onto
from edgekd.models.pixel_range import affine_layers
from edgekd.models.rebuild import check_rebuilt, probe_images


def build(name: str, input_size: int, classes: int, weights: str) -> Any:
    """``keras.applications.<name>`` with a pooled-feature head: pixels 0..255 [N, S, S, 3] to logits [N, classes].

    ``weights`` is "imagenet" (Keras downloads them), "none", or the path of a weights file.
    Raises ModelError on an unknown name, or where the weights can't be had.
    """
    import keras

    constructor = getattr(keras.applications, name, None)
    if not inspect.isfunction(constructor):
        names = [n for n in dir(keras.applications) if n[:1].isupper()]
        near = difflib.get_close_matches(name, names, 1)
        raise ModelError(f"keras.applications has no {name!r}" + (f". Did you mean {near[0]!r}?" if near else ""))
    if weights not in ("imagenet", "none") and not Path(weights).is_file():
        raise ModelError(f'{weights} does not exist. Give weights = "imagenet", "none" or a weights file.')
    shape = (input_size, input_size, 3)
    try:
        backbone = constructor(include_top=False, weights=None if weights == "none" else weights, input_shape=shape)
    except Exception as error:
        raise ModelError(f"keras.applications.{name} at {input_size} px with weights {weights}: {error}") from error
    preprocess = sys.modules[constructor.__module__].preprocess_input
    image = keras.Input(shape, name="image")
    layers = affine_layers(preprocess)
    x = onto(backbone, image, layers)
    check_rebuilt(backbone, keras.Model(image, x), probe_images((None, *shape), 1), f"keras:{name}", fed=preprocess)
    x = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    logits = keras.layers.Dense(classes, kernel_initializer="zeros", name="logits")(x)
    return keras.Model(image, logits, name=name.lower())
