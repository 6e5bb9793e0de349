"""The image classifiers of keras.applications with random weights and a head fitted to photos; our own, trained."""

from __future__ import annotations

from typing import Any

import numpy as np
from own_networks import CLASSES, NETWORKS

# Classifier -> its module, whose preprocess_input becomes a part of the model, as in Keras' own guides.
_MODULES = {
    "DenseNet": "densenet", "InceptionResNet": "inception_resnet_v2", "Inception": "inception_v3",
    "MobileNetV3": "mobilenet_v3", "MobileNetV2": "mobilenet_v2", "MobileNet": "mobilenet", "NASNet": "nasnet",
    "EfficientNetV2": "efficientnet_v2", "EfficientNet": "efficientnet", "ConvNeXt": "convnext", "VGG16": "vgg16",
    "VGG19": "vgg19", "Xception": "xception",
}  # fmt: skip
# The smallest side that each accepts; 32 where it is not named.
_SIDES = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}
# From light to heavy.
SMALL = (
    "MobileNetV3Small", "MobileNet", "MobileNetV2", "ResNet50V2", "EfficientNetB0", "EfficientNetV2B0", "ConvNeXtTiny",
    "VGG16", "DenseNet121", "ResNet50", "Xception", "MobileNetV3Large", "EfficientNetV2B1", "EfficientNetB1", "VGG19",
    "InceptionV3", "NASNetMobile", "ResNet101", "DenseNet169", "InceptionResNetV2",
)  # fmt: skip
LARGE = (
    "ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge", "DenseNet201", "EfficientNetB2",
    "EfficientNetB3", "EfficientNetB4", "EfficientNetB5", "EfficientNetB6", "EfficientNetB7", "EfficientNetV2B2",
    "EfficientNetV2B3", "EfficientNetV2S", "EfficientNetV2M", "EfficientNetV2L", "NASNetLarge", "ResNet101V2",
    "ResNet152", "ResNet152V2",
)  # fmt: skip
OWN = tuple(NETWORKS)
# Bias of a BatchNormalization before an activation: most values pass it. Behind many random layers that pass half of
# them, two photos differ no more than a photo and its int8 rounding, which no trained network does.
_BIAS = 2.0
_ACTIVATIONS = ("relu", "activation", "silu", "swish", "sigmoid")
_STEPS, _BATCH = 200, 48
# Logit of a photo's class in the fit of the head, and the share of the features' variance that regularizes it.
_LOGIT, _RIDGE = 6.0, 0.01


def build(name: str) -> Any:
    """A Keras model of pixels 0..255 [N, H, W, 3] with random weights from a fixed seed."""
    import keras

    keras.utils.set_random_seed(17)
    return NETWORKS[name]() if name in NETWORKS else _application(name)


def side_of(name: str) -> int:
    """The side of its square input, in pixels."""
    return _SIDES.get(name, 32)


def _application(name: str) -> Any:
    import keras

    side = side_of(name)
    network = getattr(keras.applications, name)(
        weights=None, include_top=True, input_shape=(side, side, 3), classes=CLASSES
    )
    image = keras.Input((side, side, 3))
    module = next((module for start, module in _MODULES.items() if name.startswith(start)), None)
    if module is None:
        module = "resnet_v2" if name.endswith("V2") else "resnet"
    preprocess = getattr(keras.applications, module).preprocess_input
    return keras.Model(image, network(preprocess(image)), name=name)


def fit(model: Any, images: Any, labels: Any) -> None:
    """Fit every BatchNormalization and the last layer to photos uint8 [N, H, W, 3] with class numbers [N].

    With the initial statistics of random weights, activations grow or vanish from layer to layer, and no prediction
    depends on the photo; with a random head, half of all predictions are near ties that any rounding decides. The
    table's column of Keras' own accuracy on other photos shows what the network is then worth.
    """
    layers = list(_leaf_layers(model))
    for layer in layers:
        if type(layer).__name__ == "BatchNormalization" and layer.center and _is_activated(layer):
            layer.beta.assign(np.full(layer.beta.shape, _BIAS, np.float32))
    momenta = {layer: layer.momentum for layer in layers if hasattr(layer, "moving_mean")}
    rates = {layer: layer.rate for layer in layers if type(layer).__name__.endswith(("Dropout", "StochasticDepth"))}
    for layer in momenta:
        layer.momentum = 0.0
    for layer in rates:
        layer.rate = 0.0
    pixels = np.asarray(images, np.float32)
    # Layer after layer takes the statistics of what the layers before it give in training mode.
    model(pixels, training=True)
    for layer, value in momenta.items():
        layer.momentum = value
    for layer, value in rates.items():
        layer.rate = value
    _fit_head(model, [layer for layer in layers if hasattr(layer, "kernel")][-1], pixels, np.asarray(labels))


def train(model: Any, images: Any, labels: Any) -> None:
    """Train a small network on photos uint8 [N, H, W, 3] with class numbers [N], as many of each class in a batch."""
    import keras

    generator = np.random.default_rng(17)
    of_class = [np.flatnonzero(labels == k) for k in range(CLASSES)]
    for layer in _leaf_layers(model):
        if hasattr(layer, "moving_mean"):
            layer.momentum = 0.9
    rows = [generator.choice(of_class[k], (_STEPS, _BATCH // CLASSES)) for k in range(CLASSES)]
    order = np.concatenate(rows, axis=1).ravel()
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy")
    model.fit(images[order].astype(np.float32), labels[order], batch_size=_BATCH, shuffle=False, verbose=0)


def _is_activated(layer: Any) -> bool:
    names = [type(node.operation).__name__.lower() for node in layer._outbound_nodes]
    return any(word in name for name in names for word in _ACTIVATIONS)


def _leaf_layers(model: Any) -> Any:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _leaf_layers(layer)
        else:
            yield layer


def _fit_head(model: Any, head: Any, pixels: Any, labels: Any) -> None:
    """Ridge regression of the classes on what the head, a Dense or a 1x1 convolution, is given."""
    features = _inputs_of(model, head, pixels).reshape(len(pixels), -1).astype(np.float64)
    mean, targets = features.mean(axis=0), _LOGIT * np.eye(CLASSES)[labels]
    centred = features - mean
    gram = centred @ centred.T
    dual = np.linalg.solve(
        gram + _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), targets - targets.mean(axis=0)
    )
    kernel = centred.T @ dual
    head.set_weights([kernel.reshape(head.kernel.shape), targets.mean(axis=0) - mean @ kernel])


def _inputs_of(model: Any, layer: Any, pixels: Any) -> Any:
    taken: list[Any] = []
    original = layer.call

    def call(inputs: Any, *arguments: Any, **options: Any) -> Any:
        taken.append(np.asarray(inputs))
        return original(inputs, *arguments, **options)

    layer.call = call
    try:
        model(pixels, training=False)
    finally:
        layer.call = original
    return taken[-1]
