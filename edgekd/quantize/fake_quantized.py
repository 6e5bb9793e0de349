"""A tf_keras student that computes as its int8 file will, and the ranges that it computes with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ModelError
from edgekd.quantize.bridge import Bridged
from edgekd.quantize.float_model import Source
from edgekd.quantize.placement import Weights, quantized
from edgekd.quantize.tfmot import own_layers, tf_keras

_PREFIX = "quant_"
_BATCH = 32


@dataclass(frozen=True)
class FakeQuantized:
    """``core`` takes what the input's range makes of pixels, ``learner`` pixels 0..255; both give logits [N, C]."""

    core: Any
    learner: Any
    source: Source

    @property
    def input_range(self) -> tuple[float, float]:
        """Values of the pixels 0 and 255, so that the input's scale and zero point are exactly the range's."""
        found = self.source.pixel_range
        if found is None or found.zero_point is None:
            return 0.0, 255.0
        return -found.zero_point * found.scale, (255 - found.zero_point) * found.scale

    def calibrate(self, bridged: Bridged, images: NDArray[np.uint8]) -> None:
        """Start every range as the mean of the batches' minima and maxima in the float model.

        TFMOT starts all at -6 to 6 and moves them by a thousandth a step, which a short fine-tune never mends.
        """
        layers = [layer for layer in self.core.layers if getattr(layer, "_output_quantizers", None)]
        outputs = [bridged.model.get_layer(layer.name.removeprefix(_PREFIX)).output for layer in layers]
        ranges = _ranges(tf_keras().Model(bridged.model.input, outputs), self.source, images)
        for layer, (low, high) in zip(layers, ranges, strict=True):
            layer._output_quantizer_vars["min_var"].assign(min(low, 0.0))
            layer._output_quantizer_vars["max_var"].assign(max(high, 0.0))
        self.settle()

    def settle(self) -> None:
        """Make the weights' ranges those of the weights as they are, not of the step before, and fix the input's."""
        low, high = self.input_range
        for layer in self.core.layers:
            for weight, quantizer, variables in getattr(layer, "_weight_vars", ()):
                quantizer(weight, True, weights=variables)
            if type(layer).__name__ == "QuantizeLayer":
                layer.quantizer_vars["min_var"].assign(low)
                layer.quantizer_vars["max_var"].assign(high)


def plainly(make: Callable[[], Any]) -> Any:
    """What ``make`` makes, without AutoGraph, which translates TFMOT's layers for most of the time that it takes."""
    import tensorflow as tf

    return tf.autograph.experimental.do_not_convert(make)()


def fake_quantized(bridged: Bridged, keep: Weights) -> FakeQuantized:
    """Put fake quantization into a bridged student. Raises ModelError naming a layer that has no int8 form."""
    core = plainly(lambda: quantized(bridged.model, keep))
    return FakeQuantized(core, plainly(lambda: on_pixels(core, bridged.source)), bridged.source)


def on_pixels(core: Any, source: Source) -> Any:
    """A tf_keras model of pixels 0..255 that puts the input's range before ``core``."""
    image = tf_keras().Input(core.input_shape[1:], name="pixels")
    found = source.range_in_graph
    x = own_layers()["Scale"](found["scale"], name="input_scale")(image)
    x = own_layers()["Shift"](found["offset"], name="input_shift")(x)
    return tf_keras().Model(image, core(x), name=f"{core.name}_on_pixels")


def _ranges(model: Any, source: Source, images: NDArray[np.uint8]) -> list[tuple[float, float]]:
    import tensorflow as tf

    found = source.range_in_graph

    @tf.function(reduce_retracing=True, autograph=False)  # type: ignore[untyped-decorator]
    def extremes(pixels: Any) -> Any:
        outputs = model(tf.cast(pixels, tf.float32) * found["scale"] + found["offset"], training=False)
        return [(tf.reduce_min(one), tf.reduce_max(one)) for one in tf.nest.flatten(outputs)]

    batches = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
    weights = [len(batch) for batch in batches]
    seen = np.array([extremes(tf.convert_to_tensor(batch)) for batch in batches])
    if not np.isfinite(seen).all():
        raise ModelError(f"{model.name} gives NaN or infinity on calibration images. Look at its weights")
    return [(float(low), float(high)) for low, high in np.average(seen, axis=0, weights=weights)]
