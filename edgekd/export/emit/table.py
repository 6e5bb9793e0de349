"""Which emitter says which op."""

from __future__ import annotations

from edgekd.export.emit import elementwise, hard_swish, linear, moving, pooling

_RELU, _RELU_N1_TO_1, _RELU6 = 1, 2, 3

EMITTERS: dict[str, elementwise.Emitter] = {
    "ADD": elementwise.binary("Add"),
    "AVERAGE_POOL_2D": pooling.average_pool,
    "CONCATENATION": moving.concatenation,
    "CONV_2D": linear.conv,
    "DEPTHWISE_CONV_2D": linear.depthwise_conv,
    "DEQUANTIZE": elementwise.dequantize,
    "DIV": elementwise.binary("Div"),
    "EXPAND_DIMS": moving.reshape,
    "FULLY_CONNECTED": linear.fully_connected,
    "HARD_SWISH": hard_swish.hard_swish,
    "LEAKY_RELU": elementwise.leaky_relu,
    "LOGISTIC": elementwise.unary("Sigmoid"),
    "MAX_POOL_2D": pooling.max_pool,
    "MEAN": pooling.mean,
    "MUL": elementwise.binary("Mul"),
    "PAD": moving.pad,
    "QUANTIZE": elementwise.quantize,
    "RELU": elementwise.bounded(_RELU),
    "RELU6": elementwise.bounded(_RELU6),
    "RELU_N1_TO_1": elementwise.bounded(_RELU_N1_TO_1),
    "RESHAPE": moving.reshape,
    "SOFTMAX": elementwise.softmax,
    "SQUEEZE": moving.reshape,
    "SUB": elementwise.binary("Sub"),
    "TANH": elementwise.unary("Tanh"),
    "TRANSPOSE": moving.transpose,
}
