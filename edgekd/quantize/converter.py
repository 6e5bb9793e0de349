"""Runs TensorFlow's TFLite converter. TensorFlow is imported when a function is called."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from edgekd.errors import ExportError, UnsupportedOpError
from edgekd.quiet import quiet, reason_of

_NOT_BUILTIN = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")

Configure = Callable[[Any, Any], None]


def convert(model: Any, configure: Configure) -> bytes:
    """Convert a Keras model of one input; ``configure`` gets the converter and TensorFlow.

    Raises: ExportError; UnsupportedOpError naming an op that is not among TFLite's built-in ones.
    """
    with quiet() as read_log:
        import tensorflow as tf

        try:
            converter = tf.lite.TFLiteConverter.from_concrete_functions(*_inference_function(model, tf))
            configure(converter, tf)
            return bytes(converter.convert())
        except Exception as error:  # the converter raises many kinds
            reason = reason_of(error, read_log)
            missing = sorted(set(_NOT_BUILTIN.findall(reason)))
            if missing:
                raise UnsupportedOpError(
                    f"{model.name} needs {', '.join(missing)}, which TFLite's built-in ops do not include: an app "
                    "would need TensorFlow's own kernels (Flex, Select TF). Replace the layers that use them"
                ) from None
            raise ExportError(
                f"TensorFlow could not convert {model.name}: {reason[:2000]}. Ops outside TFLite's built-in ones are "
                "not supported: replace the layer named above"
            ) from None


def _inference_function(model: Any, tf: Any) -> tuple[list[Any], Any]:
    """The model's inference with its weights as constants, and what holds it.

    ``from_keras_model`` gives the same network, but saves and loads a function of every layer and all variables, which
    takes four times as long.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    (image,) = model.inputs
    shape = tf.TensorSpec(image.shape, image.dtype, name=image.name)
    traced = tf.function(lambda pixels: model(pixels, training=False), input_signature=[shape], autograph=False)
    holder = tf.Module()
    holder.inference = convert_variables_to_constants_v2(traced.get_concrete_function(), lower_control_flow=False)
    return [holder.inference], holder


def quantize(content: bytes, float_ops: tuple[str, ...] = (), *, per_channel: bool = True) -> bytes:
    """Quantize a float .tflite whose tensors carry ranges; ops whose outputs are named in ``float_ops`` stay float.

    So do those without an integer form. Weights get a scale per output channel, or one per tensor. The graph's input
    and output stay float32. Raises ExportError.
    """
    with quiet() as read_log:
        from tensorflow.lite.python.convert import mlir_quantize

        try:
            return bytes(
                mlir_quantize(
                    content,
                    disable_per_channel=not per_channel,
                    fully_quantize=False,
                    denylisted_nodes=list(float_ops) or None,
                )
            )
        except Exception as error:  # the quantizer raises many kinds
            reason = reason_of(error, read_log)
            raise ExportError(
                f"TensorFlow could not quantize the model: {reason[:2000]}. Keep the op named above in float, or "
                "replace its layer"
            ) from None


def change_io_types(content: bytes, *, uint8_input: bool, uint8_output: bool) -> bytes:
    """Give a quantized .tflite a uint8 instead of a float32 input or output."""
    with quiet():
        import tensorflow as tf
        from tensorflow.lite.python.util import modify_model_io_type

        kinds = [tf.uint8 if is_uint8 else tf.float32 for is_uint8 in (uint8_input, uint8_output)]
        return bytes(modify_model_io_type(content, *kinds))


def version() -> str:
    """Name and version of the converter, for the record."""
    import tensorflow as tf

    return f"tensorflow {tf.__version__}"
