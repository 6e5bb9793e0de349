"""Ten small networks in the styles that people build themselves, each of pixels 0..255 with three outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CLASSES = 3
SIDE = 32


def _start(width: int = 16) -> tuple[Any, Any]:
    import keras
    from keras import layers

    image = keras.Input((SIDE, SIDE, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    x = layers.BatchNormalization()(layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(x))
    return image, layers.ReLU()(x)


def _end(image: Any, x: Any, name: str) -> Any:
    import keras
    from keras import layers

    pooled = x if len(x.shape) == 2 else layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(pooled), name=name)


def vision_transformer() -> Any:
    """Patches, position embeddings of a constant range, two blocks of attention; arXiv:2010.11929."""
    import keras
    from keras import layers

    width, patches = 32, (SIDE // 8) ** 2
    image = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(width, 8, strides=8)(layers.Rescaling(1 / 127.5, offset=-1.0)(image))
    x = layers.Reshape((patches, width))(x)
    x = x + layers.Embedding(patches, width)(keras.ops.arange(patches))
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(4, width // 4)(y, y)])
        y = layers.Dense(2 * width, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(width)(y)])
    return _end(image, layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x)), "vit")


def convnext_like() -> Any:
    """Depthwise 7x7, LayerNormalization, Dense with GELU; arXiv:2201.03545."""
    from keras import layers

    image, x = _start(24)
    for _ in range(2):
        y = layers.LayerNormalization(epsilon=1e-6)(layers.DepthwiseConv2D(7, padding="same")(x))
        x = layers.Add()([x, layers.Dense(24)(layers.Dense(96, activation="gelu")(y))])
    return _end(image, x, "convnext_like")


def ghostnet_like() -> Any:
    """Cheap depthwise features concatenated, hard sigmoid; arXiv:1911.11907."""
    from keras import layers

    image, x = _start()
    for width in (16, 32):
        y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(width // 2, 1, use_bias=False)(x)))
        ghost = layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y))
        y = layers.Concatenate()([y, layers.ReLU()(ghost)])
        gate = layers.Conv2D(width, 1, activation="hard_sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(y))
        x = layers.MaxPooling2D()(layers.Multiply()([y, gate]))
    return _end(image, x, "ghostnet_like")


def squeeze_excite() -> Any:
    """A gate per channel by Dense layers and a Reshape, with swish; arXiv:1709.01507."""
    from keras import layers

    image, x = _start(24)
    x = layers.Activation("swish")(layers.BatchNormalization()(layers.Conv2D(24, 3, padding="same")(x)))
    gate = layers.Dense(6, activation="relu")(layers.GlobalAveragePooling2D()(x))
    gate = layers.Reshape((1, 1, 24))(layers.Dense(24, activation="sigmoid")(gate))
    return _end(image, layers.Multiply()([x, gate]), "squeeze_excite")


def gelu() -> Any:
    """GELU after convolutions, exact and approximate."""
    import keras
    from keras import layers

    image, x = _start()
    x = layers.Activation("gelu")(layers.Conv2D(24, 3, strides=2, padding="same")(x))
    x = keras.ops.gelu(layers.Conv2D(24, 3, padding="same")(x), approximate=True)
    return _end(image, x, "gelu")


def group_norm() -> Any:
    """GroupNormalization instead of BatchNormalization."""
    from keras import layers

    image, x = _start()
    for width in (16, 32):
        x = layers.Conv2D(width, 3, strides=2, padding="same")(x)
        x = layers.ReLU()(layers.GroupNormalization(4)(x))
    return _end(image, x, "group_norm")


def grouped_convolution() -> Any:
    """Convolutions of four groups; arXiv:1611.05431."""
    from keras import layers

    image, x = _start()
    for width in (16, 32):
        y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same", groups=4)(x)))
        x = layers.MaxPooling2D()(layers.Conv2D(width, 1)(y))
    return _end(image, x, "grouped_convolution")


def global_max() -> Any:
    """GlobalMaxPooling2D, LeakyReLU and a separable convolution."""
    from keras import layers

    image, x = _start()
    x = layers.LeakyReLU(0.1)(layers.SeparableConv2D(32, 3, strides=2, padding="same")(x))
    return _end(image, layers.GlobalMaxPooling2D()(x), "global_max")


def upsampling() -> Any:
    """Down and up again: bilinear, nearest and transposed; arXiv:1505.04597."""
    from keras import layers

    image, x = _start()
    y = layers.ReLU()(layers.Conv2D(24, 3, strides=2, padding="same")(x))
    y = layers.Concatenate()([x, layers.UpSampling2D(2, interpolation="bilinear")(y)])
    z = layers.ReLU()(layers.Conv2D(16, 3, strides=2, padding="same")(y))
    z = layers.Concatenate()([layers.UpSampling2D(2)(z), layers.Conv2DTranspose(8, 3, strides=2, padding="same")(z)])
    return _end(image, layers.Conv2D(24, 3, padding="same", activation="relu")(z), "upsampling")


def nested() -> Any:
    """A Sequential and a functional model inside another, with PReLU and Flatten."""
    import keras
    from keras import layers

    inner_image = keras.Input((SIDE // 2, SIDE // 2, 16))
    inner_x = layers.PReLU(shared_axes=(1, 2))(layers.Conv2D(16, 3, padding="same")(inner_image))
    block = keras.Model(inner_image, layers.Add()([inner_image, inner_x]), name="block")
    tail = keras.Sequential([layers.Conv2D(24, 3, strides=2, activation="relu"), layers.Flatten()], name="tail")
    image, x = _start()
    return _end(image, tail(block(x)), "nested")


NETWORKS: dict[str, Callable[[], Any]] = {
    "own: ViT": vision_transformer,
    "own: ConvNeXt-like": convnext_like,
    "own: GhostNet-like": ghostnet_like,
    "own: squeeze and excite": squeeze_excite,
    "own: GELU": gelu,
    "own: GroupNorm": group_norm,
    "own: grouped convolution": grouped_convolution,
    "own: GlobalMax": global_max,
    "own: upsampling": upsampling,
    "own: nested": nested,
}
