"""Converts to float32 .onnx with tf2onnx."""

from __future__ import annotations

from importlib.metadata import version

from edgekd.errors import ExportError
from edgekd.export.emit.builder import BATCH, IR_VERSION, OPSET
from edgekd.export.onnx_pack import pack
from edgekd.export.options import Batch
from edgekd.export.record import Record
from edgekd.quantize.float_model import INPUT_NAME, OUTPUT_NAME, FloatModel
from edgekd.quiet import quiet, reason_of


def from_keras(float_model: FloatModel, record: Record, *, name: str, batch: Batch = "dynamic") -> bytes:
    """Convert to a sealed float32 .onnx: uint8 [N, H, W, 3] in, probabilities [N, C] out; N is ``batch``.

    With the record's layout "nchw" the input is [N, 3, H, W]. Raises ExportError.
    """
    with quiet() as read_log:
        import tensorflow as tf
        import tf2onnx

        size = None if batch == "dynamic" else batch
        signature = [tf.TensorSpec((size, float_model.height, float_model.width, 3), tf.uint8, name=INPUT_NAME)]

        def classify(image: object) -> dict[str, object]:
            return {OUTPUT_NAME: float_model.model(tf.cast(image, tf.float32), training=False)}

        try:
            function = tf.function(classify, input_signature=signature)
            channels_first = [INPUT_NAME] if record.layout == "nchw" else None
            model, _ = tf2onnx.convert.from_function(
                function, input_signature=signature, opset=OPSET, inputs_as_nchw=channels_first
            )
        except Exception as error:  # tf2onnx raises many kinds
            reason = reason_of(error, read_log)
            raise ExportError(
                f"tf2onnx could not convert {name}: {reason[:2000]}. Use --format tflite, or replace the layer "
                "that it names"
            ) from None
    model.ir_version = IR_VERSION
    model.producer_name = "edgekd"
    if batch == "dynamic":
        for value in (*model.graph.input, *model.graph.output):
            # tf2onnx names the free dimension unk__NN.
            value.type.tensor_type.shape.dim[0].dim_param = BATCH
    return pack(model, record, name=name)


def converter() -> str:
    """Name and version of the converter."""
    return f"tf2onnx {version('tf2onnx')}"
