"""Make the files in this folder again: ``python tests/golden/foreign/make.py``. They are nobody's product.

Each is what a converter gives without edgekd, or with a mistake made on purpose; tests/inspection says what is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.quiet import import_keras

HERE = Path(__file__).parent
CLASSES = 5


def network(size: int = 32, *, rescale: bool = False, width: int = 24) -> Any:
    """A small classifier; pixels of -1..1 unless it rescales 0..255 itself."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    image = keras.Input((size, size, 3), name="photo")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image) if rescale else image
    x = layers.ReLU(6.0)(layers.Conv2D(8, 3, strides=2, padding="same")(x))
    x = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, padding="same")(x))
    x = layers.ReLU(6.0)(layers.Conv2D(width, 3, strides=2, padding="same")(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x))


def photos(low: float, high: float, size: int = 32) -> Iterator[list[Any]]:
    """What the calibration sees."""
    generator = np.random.default_rng(0)
    for _ in range(20):
        yield [generator.uniform(low, high, (1, size, size, 3)).astype(np.float32)]


def integers(model: Any, low: float, high: float, *, size: int = 32, only: bool = True) -> bytes:
    """Full-integer conversion, int8 in and out; with ``only``, no float op is allowed."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: photos(low, high, size)
    if only:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def plain(model: Any, *, dynamic_range: bool = False, flex: bool = False) -> bytes:
    """Float conversion, or with 8-bit weights only."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if dynamic_range:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if flex:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    return bytes(converter.convert())


def shaped(shape: tuple[int | None, ...]) -> bytes:
    """A convolution over an input of this shape."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    image = keras.Input(batch_shape=shape)
    x = layers.Permute((2, 3, 1))(image) if shape[1] == 3 else image
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(x))
    return plain(keras.Model(image, layers.Dense(CLASSES)(x)))


def with_layer(function: Any) -> Any:
    """A convolution, then anything."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, activation="relu")(image)
    x = layers.Lambda(function, output_shape=(14, 14, 4))(x)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(x))
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x))


def softmax_twice() -> bytes:
    """The usual accident: a softmax head, and another one added for the app."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    image = keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(image))
    x = layers.Dense(CLASSES, activation="softmax")(x)
    return plain(keras.Model(image, layers.Softmax()(x)))


def onnx_files(model: Any) -> None:
    """tf2onnx's float file, and what onnxruntime's own static quantization makes of it by default."""
    import tensorflow as tf
    import tf2onnx
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    signature = [tf.TensorSpec((None, 32, 32, 3), tf.float32, name="photo")]
    function = tf.function(lambda photo: model(photo, training=False), input_signature=signature)
    tf2onnx.convert.from_function(function, signature, opset=17, output_path=str(HERE / "tf2onnx_float.onnx"))

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._photos = photos(-1, 1)

        def get_next(self) -> Any:
            found = next(self._photos, None)
            return None if found is None else {"photo": found[0]}

    quantize_static(str(HERE / "tf2onnx_float.onnx"), str(HERE / "static_qdq.onnx"), Reader())


def main() -> None:
    """Write every file."""
    import_keras()
    import tensorflow as tf

    model = network()
    made = {
        "float_keras": plain(model),
        "dynamic_range": plain(model, dynamic_range=True),
        "int8_keras": integers(model, -1, 1),
        "int8_calibrated_on_unit": integers(network(rescale=True, width=8), 0, 1),
        "int8_narrow_range": integers(network(width=8), -0.7, 0.7),
        "softmax_twice": softmax_twice(),
        "nchw": shaped((1, 3, 16, 16)),
        "batch4": shaped((4, 16, 16, 3)),
        "free_size": shaped((1, None, None, 3)),
        "float_op": integers(with_layer(tf.sin), -1, 1, size=16, only=False),
        "flex": plain(with_layer(lambda x: tf.image.adjust_contrast(x, 2.0)), flex=True),
    }
    for name, content in made.items():
        (HERE / f"{name}.tflite").write_bytes(content)
    onnx_files(model)


if __name__ == "__main__":
    main()
