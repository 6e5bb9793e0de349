"""Converts a QAT student to its int8 .tflite and checks that it computes what was trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError
from edgekd.formats import tflite_file
from edgekd.quantize.bridge import BridgedModel
from edgekd.quantize.fake_quantize import FakeQuantizedModel
from edgekd.quantize.float_model import INPUT_NAME, OUTPUT_NAME, FloatModel
from edgekd.quantize.ptq import Conversion, Output, check_int8
from edgekd.quantize.run_tflite import run_tflite
from edgekd.quiet import quiet, reason_of
from edgekd.training.loop import logits_of

# Rounding can swap probabilities that differ by less. It adds up over layers: in untrained networks up to 13 % of the
# predictions change, in trained ones almost none.
_TIE = 0.05
_LEAST_AGREEMENT = 0.8


def convert_qat(model: FakeQuantizedModel, images: NDArray[np.uint8], output: Output) -> Conversion:
    """Convert to integers only, and compare with the trained model on ``images`` uint8 [N, H, W, 3].

    Raises ExportError if an op stays float, the input's scale is wrong or the predictions differ.
    """
    content = _convert(model, output)
    pixel_range = model.float_model.range_in_graph
    check_int8(content, pixel_range["scale"], pixel_range["offset"])
    import tensorflow as tf

    record = {"converter": f"tensorflow {tf.__version__}", **_compare_outputs(model, content, images)}
    between = _requantizations(content)
    return Conversion(content, record | ({"requantized": between} if between else {}))


def make_float_twin(model: FakeQuantizedModel, bridged: BridgedModel) -> bytes | None:
    """Make a float .tflite of the trained weights, from which they can be rounded to other steps.

    None if the weights are computed from others, as clusters are. Copies the weights into the bridged model.
    """
    names = {layer.name for layer in bridged.model.layers}
    for layer in model.core.layers:
        inner = getattr(layer, "layer", layer)
        if inner.name not in names:
            # TFMOT's input quantizer.
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
    return _convert_core(bridged.model, model.float_model, lambda converter: None)


def _convert(model: FakeQuantizedModel, output: Output) -> bytes:
    import tensorflow as tf

    def configure(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.float32 if output == "float32" else tf.uint8

    return _convert_core(model.core, model.float_model, configure)


def _convert_core(core: Any, float_model: FloatModel, configure: Callable[[Any], None]) -> bytes:
    import tensorflow as tf

    shape = tf.TensorSpec((1, float_model.height, float_model.width, 3), tf.float32, name=INPUT_NAME)

    @tf.function(input_signature=[shape], autograph=False)  # type: ignore[untyped-decorator]
    def probabilities(image: Any) -> Any:
        ending = tf.nn.softmax if float_model.task == "single-label" else tf.sigmoid
        return {OUTPUT_NAME: ending(core(image, training=False))}

    # Saving the Keras model would trace each of its layers, which takes minutes.
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
                f"TensorFlow could not convert {float_model.model.name} after quantization-aware training: "
                f"{reason[:2000]}. Replace the layer named above, or quantize after training (leave quantize.qat out)"
            ) from None


def _compare_outputs(model: FakeQuantizedModel, content: bytes, images: NDArray[np.uint8]) -> dict[str, float]:
    """Compare the file's outputs with the trained model's. Raises ExportError."""
    expected = model.float_model.probabilities(logits_of(model.learner, images).astype(np.float64))
    outputs = run_tflite(content, images)
    by_tags = model.float_model.task == "multi-label"
    agreement, tied_agreement = ((_agree_on_tags if by_tags else _agree)(expected, outputs, tie) for tie in (0.0, _TIE))
    difference = np.abs(outputs - expected)
    if tied_agreement < _LEAST_AGREEMENT:
        raise ExportError(
            f"the int8 file predicts the trained model's {'tags' if by_tags else 'class'} on {tied_agreement:.1%} of "
            f"{len(images)} images, and "
            f"probabilities differ by {difference.mean():.3f} on average. The converter changed the network: report "
            "this with the model, or quantize after training (leave quantize.qat out)"
        )
    return {
        "agreement": agreement,
        "mean_difference": round(float(difference.mean()), 5),
        "max_difference": round(float(difference.max()), 5),
    }


def _agree(expected: NDArray[np.floating], outputs: NDArray[np.floating], tie: float) -> float:
    """Share of images whose likeliest class is expected to be within ``tie`` of the likeliest."""
    expected_of_chosen = expected[np.arange(len(expected)), outputs.argmax(axis=1)]
    return float(np.mean(expected_of_chosen >= expected.max(axis=1) - tie))


def _agree_on_tags(expected: NDArray[np.floating], outputs: NDArray[np.floating], tie: float) -> float:
    """Share of the tags of images that are on the expected side of 0.5, or expected to be within ``tie`` of it."""
    return float(np.mean(((expected >= 0.5) == (outputs >= 0.5)) | (np.abs(expected - 0.5) < tie)))


def _requantizations(content: bytes) -> list[str]:
    """The ops inside the graph that only change a scale."""
    graph = tflite_file.read(content, "the int8 conversion")
    edges = {*graph.inputs, *graph.outputs}
    return [
        graph.tensors[op.outputs[0]].name
        for op in graph.ops
        if op.name == "QUANTIZE" and not edges & {*op.inputs, *op.outputs}
    ]
