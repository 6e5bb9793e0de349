"""From a student trained quantization-aware to its int8 .tflite, checked to do what was trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError
from edgekd.formats import tflite_file
from edgekd.quantize.bridge import Bridged
from edgekd.quantize.fake_quantized import FakeQuantized
from edgekd.quantize.float_model import INPUT_NAME, OUTPUT_NAME, Source
from edgekd.quantize.ptq import Conversion, Output, check_int8
from edgekd.quantize.run_tflite import probabilities_of
from edgekd.quiet import quiet, reason_of
from edgekd.training.loop import logits_of

# Rounding may turn the order of probabilities that differ by less. It adds up from layer to layer: in networks that
# were never trained to as many as 13 % other choices, in trained ones to next to none.
_TIE = 0.05
_LEAST_AGREEMENT = 0.8


def converted(model: FakeQuantized, images: NDArray[np.uint8], output: Output) -> Conversion:
    """Convert to integers only, and compare with the trained model on ``images`` uint8 [N, H, W, 3].

    Raises ExportError where an op stays float, the input's scale is not as meant or the answers differ.
    """
    content = _convert(model, output)
    found = model.source.range_in_graph
    check_int8(content, found["scale"], found["offset"])
    import tensorflow as tf

    record = {"converter": f"tensorflow {tf.__version__}", **_compared(model, content, images)}
    between = _requantizations(content)
    return Conversion(content, record | ({"requantized": between} if between else {}))


def float_twin(model: FakeQuantized, bridged: Bridged) -> bytes | None:
    """A float .tflite of the weights as they were trained, from which they can be rounded to other steps.

    None where the weights are computed from others, as clusters are. The bridged model gets those weights.
    """
    names = {layer.name for layer in bridged.model.layers}
    for layer in model.core.layers:
        inner = getattr(layer, "layer", layer)
        if inner.name not in names:
            # What TFMOT put before the first layer.
            continue
        # TFMOT keeps a quantized kernel's variable in its wrapper.
        kernels = [weight for weight, _, _ in getattr(layer, "_weight_vars", ())]
        values = [*kernels, *(w for w in inner.weights if all(w is not kernel for kernel in kernels))]
        if not values:
            continue
        target = bridged.model.get_layer(inner.name)
        if [tuple(w.shape) for w in target.weights] != [tuple(w.shape) for w in values]:
            return None
        target.set_weights([np.asarray(value) for value in values])
    return _converted(bridged.model, model.source, lambda converter: None)


def _convert(model: FakeQuantized, output: Output) -> bytes:
    import tensorflow as tf

    def configure(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.float32 if output == "float32" else tf.uint8

    return _converted(model.core, model.source, configure)


def _converted(core: Any, source: Source, configure: Callable[[Any], None]) -> bytes:
    import tensorflow as tf

    shape = tf.TensorSpec((1, source.height, source.width, 3), tf.float32, name=INPUT_NAME)

    @tf.function(input_signature=[shape], autograph=False)  # type: ignore[untyped-decorator]
    def probabilities(image: Any) -> Any:
        return {OUTPUT_NAME: tf.nn.softmax(core(image, training=False))}

    # The model itself would be saved with all that Keras traces for each of its layers, which takes minutes.
    holder = tf.Module()
    holder.probabilities, holder.values = probabilities, list(core.variables)
    with quiet() as read_log:
        function = probabilities.get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], holder)
        configure(converter)
        try:
            return bytes(converter.convert())
        except Exception as error:  # the converter raises many kinds
            reason = reason_of(error, read_log)
            raise ExportError(
                f"TensorFlow could not convert {source.whole.name} after quantization-aware training: {reason[:2000]}. "
                "Replace the layer named above, or quantize after training (leave quantize.qat out)"
            ) from None


def _compared(model: FakeQuantized, content: bytes, images: NDArray[np.uint8]) -> dict[str, float]:
    """How far the file's answers are from those of the model that was trained. Raises ExportError."""
    logits = logits_of(model.learner, images).astype(np.float64)
    wanted = np.exp(logits - logits.max(axis=1, keepdims=True))
    wanted /= wanted.sum(axis=1, keepdims=True)
    given = probabilities_of(content, images)
    chosen = wanted[np.arange(len(wanted)), given.argmax(axis=1)]
    agreement, tied = float(np.mean(chosen >= wanted.max(axis=1))), float(np.mean(chosen >= wanted.max(axis=1) - _TIE))
    difference = np.abs(given - wanted)
    if tied < _LEAST_AGREEMENT:
        raise ExportError(
            f"the int8 file chooses as the model that was trained on {tied:.1%} of {len(images)} images only, and "
            f"probabilities differ by {difference.mean():.3f} on average. The converter changed the network: report "
            "this with the model, or quantize after training (leave quantize.qat out)"
        )
    return {
        "agreement": agreement,
        "mean_difference": round(float(difference.mean()), 5),
        "max_difference": round(float(difference.max()), 5),
    }


def _requantizations(content: bytes) -> list[str]:
    """The ops inside the graph that do nothing but change a scale."""
    graph = tflite_file.read(content, "the int8 conversion")
    edges = {*graph.inputs, *graph.outputs}
    return [
        graph.tensors[op.outputs[0]].name
        for op in graph.ops
        if op.name == "QUANTIZE" and not edges & {*op.inputs, *op.outputs}
    ]
