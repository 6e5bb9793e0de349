"""The networks that come without a file: the built-in ones and those of keras.applications, by their names."""

from __future__ import annotations

from typing import Any

from edgekd.models import applications, efficientnet_lite

APPLICATION = "keras:"
"""What the name of a network of keras.applications begins with."""


def build_named(name: str, input_size: int, classes: int, weights: str) -> Any:
    """A network of pixels 0..255 [N, S, S, 3] to logits [N, classes], which start at zero.

    Args:
        name: A key of ``efficientnet_lite.VARIANTS``, or "keras:NAME".
        input_size: Side S in pixels.
        classes: Number of classes.
        weights: "imagenet", "none", or the path of a weights file of keras.applications.

    Raises:
        MissingExtraError: the weights' package is missing.
        ModelError: there is no such network, or its weights can't be had.
    """
    if name in efficientnet_lite.VARIANTS:
        return efficientnet_lite.build(input_size, classes, pretrained=weights != "none", name=name)
    return applications.build(name.removeprefix(APPLICATION), input_size, classes, weights)
