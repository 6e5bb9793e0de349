"""Translates the int8 .tflite to .onnx with the same scales, zero points and weights."""

from __future__ import annotations

from edgekd.errors import UnsupportedOpError
from edgekd.export.emit import (
    elementwise,
    hard_swish,
    joining,
    linear,
    moving,
    padding,
    pooling,
    slicing,
    tables,
)
from edgekd.export.emit.builder import BATCH
from edgekd.export.emit.context import Context, Photo
from edgekd.export.onnx_pack import pack
from edgekd.export.options import Batch
from edgekd.export.record import Record
from edgekd.formats import tflite_file
from edgekd.quantize.float_model import INPUT_NAME, OUTPUT_NAME

EMITTERS: dict[str, elementwise.Emitter] = {
    "ABS": elementwise.unary("Abs"),
    "ADD": elementwise.add,
    "AVERAGE_POOL_2D": pooling.average_pool,
    "BATCH_MATMUL": linear.batch_matmul,
    "BROADCAST_TO": moving.broadcast_to,
    "CONCATENATION": joining.concatenation,
    "CONV_2D": linear.conv,
    "DEPTHWISE_CONV_2D": linear.depthwise_conv,
    "DEPTH_TO_SPACE": moving.depth_to_space,
    "DEQUANTIZE": elementwise.dequantize,
    "DIV": elementwise.binary("Div"),
    "ELU": tables.elu,
    "EXP": tables.exp,
    "EXPAND_DIMS": moving.reshape_op,
    "FULLY_CONNECTED": linear.fully_connected,
    "GATHER": slicing.gather,
    "GELU": tables.gelu,
    "GREATER": elementwise.compare("Greater"),
    "GREATER_EQUAL": elementwise.compare("GreaterOrEqual"),
    "HARD_SWISH": hard_swish.hard_swish,
    "LEAKY_RELU": elementwise.leaky_relu,
    "LESS": elementwise.compare("Less"),
    "LESS_EQUAL": elementwise.compare("LessOrEqual"),
    "LOG": tables.log,
    "LOGISTIC": elementwise.unary("Sigmoid"),
    "MAXIMUM": elementwise.binary("Max"),
    "MAX_POOL_2D": pooling.max_pool,
    "MEAN": pooling.mean,
    "MINIMUM": elementwise.binary("Min"),
    "MIRROR_PAD": padding.mirror_pad,
    "MUL": elementwise.binary("Mul"),
    "NEG": elementwise.unary("Neg"),
    "PACK": joining.pack,
    "PAD": padding.pad,
    "PADV2": padding.pad,
    "PRELU": elementwise.prelu,
    "QUANTIZE": elementwise.quantize,
    "REDUCE_MAX": pooling.extreme("ReduceMax"),
    "REDUCE_MIN": pooling.extreme("ReduceMin"),
    "RELU": elementwise.clip_activation("RELU"),
    "RELU6": elementwise.clip_activation("RELU6"),
    "RELU_0_TO_1": elementwise.clip_activation("RELU_0_TO_1"),
    "RELU_N1_TO_1": elementwise.clip_activation("RELU_N1_TO_1"),
    "RESHAPE": moving.reshape_op,
    "RESIZE_BILINEAR": moving.resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": moving.resize_nearest,
    "RSQRT": tables.rsqrt,
    "SELECT": elementwise.select,
    "SELECT_V2": elementwise.select,
    "SLICE": slicing.slice_op,
    "SOFTMAX": elementwise.softmax,
    "SPACE_TO_DEPTH": moving.space_to_depth,
    "SPLIT": slicing.split,
    "SPLIT_V": slicing.split,
    "SQRT": tables.sqrt,
    "SQUARE": tables.square,
    "SQUARED_DIFFERENCE": elementwise.squared_difference,
    "SQUEEZE": moving.reshape_op,
    "STRIDED_SLICE": slicing.strided_slice,
    "SUB": elementwise.sub,
    "SUM": pooling.total,
    "TANH": elementwise.unary("Tanh"),
    "TILE": moving.tile,
    "TRANSPOSE": moving.transpose,
    "TRANSPOSE_CONV": linear.transpose_conv,
    "UNPACK": slicing.unpack,
}


def from_tflite(content: bytes, record: Record, *, name: str, batch: Batch = "dynamic") -> bytes:
    """Translate an integer-only .tflite of batch 1 to a sealed QDQ .onnx of this ``batch``, in the record's layout.

    Raises: UnsupportedOpError naming an op that has no translation.
    """
    graph = tflite_file.read(content, name)
    source, target = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    context = Context(graph, name)
    channels_first = record.layout == "nchw"
    image = INPUT_NAME
    if not channels_first:
        image = context.onnx.node("Transpose", [INPUT_NAME], "image_nchw", {"perm": [0, 3, 1, 2]})
        context.photo = Photo(INPUT_NAME, image)
    context.bind(source.index, image)
    for op in graph.ops:
        emit = EMITTERS.get(op.name)
        if emit is None:
            raise context.unsupported(op, f"it is none of the {len(EMITTERS)} ops that are translated")
        emit(context, op)
    if len(source.shape) != 4 or source.type != "UINT8" or len(target.shape) != 2:
        raise UnsupportedOpError(
            f"{name}: an int8 file from uint8 [1, H, W, 3] to [1, C] is needed, got {source.type} {list(source.shape)} "
            f"to {list(target.shape)}. Export it with edgekd export --int8"
        )
    final = context.value(graph.ops[-1], target.index)
    size = BATCH if batch == "dynamic" else batch
    height, width = source.shape[1:3]
    model = context.onnx.model(
        (INPUT_NAME, "uint8", [size, 3, height, width] if channels_first else [size, height, width, 3]),
        (OUTPUT_NAME, target.type.lower(), [size, target.shape[1]]),
        final,
        name,
    )
    return pack(model, record, name=name)
