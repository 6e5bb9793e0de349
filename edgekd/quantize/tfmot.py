"""Loads tf_keras and TFMOT without affecting Keras 3 or child processes, and defines the layers that tf_keras lacks."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from edgekd.quiet import import_keras, quiet

_SWITCH = "TF_USE_LEGACY_KERAS"


@cache
def tf_keras() -> Any:
    """The module tf_keras (Keras 2), the only one that TFMOT takes models of."""
    import_keras()
    with quiet():
        import tf_keras as module
    return module


@cache
def tfmot() -> Any:
    """The module tensorflow_model_optimization.

    Importing it sets TF_USE_LEGACY_KERAS for good and, where ``tf.keras`` was not looked at before, turns that into
    Keras 2 for the whole process: so ``tf.keras`` is made Keras 3 first, and the variable is put back.
    """
    import_keras()
    before = os.environ.get(_SWITCH)
    with quiet():
        import tensorflow as tf

        tf.keras.version()
        try:
            import tensorflow_model_optimization as module
        finally:
            if before is None:
                os.environ.pop(_SWITCH, None)
            else:
                os.environ[_SWITCH] = before
    return module


@cache
def custom_layers() -> dict[str, Any]:
    """The tf_keras layers of this package by class name, as a custom object scope takes them.

    ``Scale`` and ``Shift`` multiply by and add constants, ``HardSwish`` is x · ReLU6(x + 3) / 6, and ``FixedMoments``
    is a BatchNormalization that computes with the moments it has while everything else of it is trained.
    """
    import tensorflow as tf

    layers = tf_keras().layers

    class _Constant(layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, value: Any, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.value = value

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "value": self.value}

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    class Scale(_Constant):
        def call(self, x: Any) -> Any:
            return x * tf.constant(self.value, tf.float32)

    class Shift(_Constant):
        def call(self, x: Any) -> Any:
            return x + tf.constant(self.value, tf.float32)

    class HardSwish(layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            # The form that the converter knows as the one op HARD_SWISH.
            return x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    class FixedMoments(layers.BatchNormalization):  # type: ignore[misc, name-defined]
        def call(self, x: Any, training: Any = None) -> Any:
            return super().call(x, training=False)

    return {kind.__name__: kind for kind in (Scale, Shift, HardSwish, FixedMoments)}
