"""A tf_keras student with fake quantization: it computes as its int8 file will."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ModelError
from edgekd.quantize.bridge import BridgedModel
from edgekd.quantize.float_model import FloatModel
from edgekd.quantize.placement import Weights, insert_fake_quantization
from edgekd.quantize.tfmot import custom_layers, tf_keras

_PREFIX = "quant_"
_BATCH = 32


@dataclass(frozen=True)
class FakeQuantizedModel:
    """``core`` takes what the input's range makes of pixels, ``learner`` pixels 0..255; both give logits [N, C]."""

    core: Any
    learner: Any
    float_model: FloatModel

    @property
    def input_range(self) -> tuple[float, float]:
        """Values of the pixels 0 and 255, so that the input's scale and zero point are exactly the range's."""
        pixel_range = self.float_model.pixel_range
        if pixel_range is None or pixel_range.zero_point is None:
            return 0.0, 255.0
        return -pixel_range.zero_point * pixel_range.scale, (255 - pixel_range.zero_point) * pixel_range.scale

    def calibrate(self, bridged: BridgedModel, images: NDArray[np.uint8]) -> None:
        """Start every range as the mean of the batches' minima and maxima in the float model.

        TFMOT starts all at -6 to 6 and moves them by a thousandth a step, too slow for a short fine-tune.
        """
        layers = [layer for layer in self.core.layers if getattr(layer, "_output_quantizers", None)]
        outputs = [bridged.model.get_layer(layer.name.removeprefix(_PREFIX)).output for layer in layers]
        ranges = _ranges(tf_keras().Model(bridged.model.input, outputs), self.float_model, images)
        for layer, (low, high) in zip(layers, ranges, strict=True):
            layer._output_quantizer_vars["min_var"].assign(min(low, 0.0))
            layer._output_quantizer_vars["max_var"].assign(max(high, 0.0))
        self.settle()

    def settle(self) -> None:
        """Update the weight ranges to the current weights, and fix the input's range."""
        low, high = self.input_range
        for layer in self.core.layers:
            for weight, quantizer, variables in getattr(layer, "_weight_vars", ()):
                quantizer(weight, True, weights=variables)
            if type(layer).__name__ == "QuantizeLayer":
                layer.quantizer_vars["min_var"].assign(low)
                layer.quantizer_vars["max_var"].assign(high)


def without_autograph(make: Callable[[], Any]) -> Any:
    """Call ``make`` without AutoGraph, which would spend most of the time translating TFMOT's layers."""
    import tensorflow as tf

    return tf.autograph.experimental.do_not_convert(make)()


def fake_quantize(bridged: BridgedModel, keep: Weights) -> FakeQuantizedModel:
    """Put fake quantization into a bridged student. Raises ModelError naming a layer that has no int8 form."""
    core = without_autograph(lambda: insert_fake_quantization(bridged.model, keep))
    return FakeQuantizedModel(
        core, without_autograph(lambda: add_pixel_range(core, bridged.float_model)), bridged.float_model
    )


def add_pixel_range(core: Any, float_model: FloatModel) -> Any:
    """Put the pixel range before ``core``: a tf_keras model of pixels 0..255."""
    image = tf_keras().Input(core.input_shape[1:], name="pixels")
    pixel_range = float_model.range_in_graph
    x = custom_layers()["Scale"](pixel_range["scale"], name="input_scale")(image)
    x = custom_layers()["Shift"](pixel_range["offset"], name="input_shift")(x)
    return tf_keras().Model(image, core(x), name=f"{core.name}_on_pixels")


def _ranges(model: Any, float_model: FloatModel, images: NDArray[np.uint8]) -> list[tuple[float, float]]:
    import tensorflow as tf

    pixel_range = float_model.range_in_graph

    @tf.function(reduce_retracing=True, autograph=False)  # type: ignore[untyped-decorator]
    def extremes(pixels: Any) -> Any:
        outputs = model(tf.cast(pixels, tf.float32) * pixel_range["scale"] + pixel_range["offset"], training=False)
        return [(tf.reduce_min(output), tf.reduce_max(output)) for output in tf.nest.flatten(outputs)]

    batches = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
    weights = [len(batch) for batch in batches]
    batch_ranges = np.array([extremes(tf.convert_to_tensor(batch)) for batch in batches])
    if not np.isfinite(batch_ranges).all():
        raise ModelError(f"{model.name} gives NaN or infinity on calibration images. Look at its weights")
    return [(float(low), float(high)) for low, high in np.average(batch_ranges, axis=0, weights=weights)]
