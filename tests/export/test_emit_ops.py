"""Every kind of op, alone in an int8 .tflite: the .onnx made of it gives LiteRT's integers, for one photo and many."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tflite_graph import FLOAT_STEP, TfliteBuilder
from translated import run_tflite

from edgekd.errors import UnsupportedOpError
from edgekd.export import onnx_int8
from edgekd.export.onnx_int8 import EMITTERS
from edgekd.export.record import Record
from edgekd.preprocess import Preprocessing

HEIGHT, WIDTH, SCALE, ZERO = 4, 6, 0.02, 3
VALUES = HEIGHT * WIDTH * 3
PIXELS = (1, HEIGHT, WIDTH, 3)
# Builds an op on the pixels, and gives its output, the number of its values and its quantization.
Case = Callable[[TfliteBuilder], tuple[int, int, float | None, int]]
GENERATOR = np.random.default_rng(0)


def int8(*shape: int) -> NDArray[np.int8]:
    return GENERATOR.integers(-90, 90, shape).astype(np.int8)


def one(
    name: str, source: Sequence[int], target: Sequence[int], *constants: Any,
    scale: float | None = SCALE, zero: int = ZERO, first: bool = False, **options: Any,
) -> Case:  # fmt: skip
    """An op on the pixels brought to the shape ``source``; ``constants`` are its other inputs (int32 or int8)."""

    def build(graph: TfliteBuilder) -> tuple[int, int, float | None, int]:
        others = [_constant(graph, value) for value in constants]
        inputs = [*others, shaped(graph, source)] if first else [shaped(graph, source), *others]
        output = graph.op(name, inputs, target, scale, zero, **options)
        return output, math.prod(target), scale, zero

    return build


def _constant(graph: TfliteBuilder, value: Any) -> int:
    if isinstance(value, np.ndarray) and value.dtype == np.int8:
        return graph.constant(value)
    return graph.number(value) if isinstance(value, int) else graph.integers(value)


def shaped(graph: TfliteBuilder, shape: Sequence[int]) -> int:
    if tuple(shape) == PIXELS:
        return graph.pixels
    return int(graph.op("RESHAPE", [graph.pixels, graph.integers(shape)], shape))


def two(
    name: str, left: Sequence[int], right: Sequence[int], target: Sequence[int], scale: float = 0.05, zero: int = 7,
    **options: Any,
) -> Case:  # fmt: skip
    """An op on two views of the pixels; the second is their maximum over what it lacks, if it has fewer values."""

    def build(graph: TfliteBuilder) -> tuple[int, int, float | None, int]:
        first = shaped(graph, left)
        missing = VALUES // math.prod(right)
        second = shaped(graph, right if missing == 1 else (missing, math.prod(right)))
        if missing > 1:
            table = {"table": "ReducerOptions", "keepDims": False}
            second = graph.op("REDUCE_MAX", [second, graph.integers(0)], (math.prod(right),), **table)
            second = graph.op("RESHAPE", [second, graph.integers(right)], right)
        output = graph.op(name, [first, second], target, scale, zero, **options)
        return output, math.prod(target), scale, zero

    return build


def parts(name: str, shapes: Sequence[Sequence[int]], *inputs: Any, **options: Any) -> Case:
    """An op of several outputs, which are flattened and joined in reverse."""

    def build(graph: TfliteBuilder) -> tuple[int, int, float | None, int]:
        given = [graph.pixels if value is None else _constant(graph, value) for value in inputs]
        outputs = graph.op(name, given, shapes, **options)
        sizes = [math.prod(shape) for shape in shapes]
        flat = [
            graph.op("RESHAPE", [output, graph.integers(1, size)], (1, size))
            for output, size in zip(outputs, sizes, strict=True)
        ]
        joined = graph.op("CONCATENATION", flat[::-1], (1, sum(sizes)), table="ConcatenationOptions", axis=1)
        return joined, sum(sizes), SCALE, ZERO

    return build


def joined(name: str, shape: Sequence[int], target: Sequence[int], axis: int, *, constant: bool = False) -> Case:
    """The pixels joined with themselves, or with a constant."""

    def build(graph: TfliteBuilder) -> tuple[int, int, float | None, int]:
        source = shaped(graph, shape)
        other = graph.constant(int8(*shape)) if constant else source
        table = "PackOptions" if name == "PACK" else "ConcatenationOptions"
        count = {"valuesCount": 2} if name == "PACK" else {}
        output = graph.op(name, [other, source], target, table=table, axis=axis, **count)
        return output, math.prod(target), SCALE, ZERO

    return build


def dense(shape: Sequence[int], inputs: int, target: Sequence[int], *, bias: bool = True) -> Case:
    def build(graph: TfliteBuilder) -> tuple[int, int, float | None, int]:
        outputs = target[-1]
        scales = GENERATOR.uniform(0.005, 0.02, outputs).astype(np.float32)
        given = [shaped(graph, shape), graph.weights(int8(outputs, inputs), scales)]
        if bias:
            given.append(graph.bias(GENERATOR.integers(-500, 500, outputs).astype(np.int32), scales * SCALE))
        output = graph.op(
            "FULLY_CONNECTED", given, target, 0.06, -4, table="FullyConnectedOptions", keepNumDims=len(target) > 2
        )
        return output, math.prod(target), 0.06, -4

    return build


def transposed_convolution(graph: TfliteBuilder) -> tuple[int, int, float | None, int]:
    target, scales = (1, 8, 12, 5), GENERATOR.uniform(0.005, 0.02, 5).astype(np.float32)
    weights = graph.weights(int8(5, 3, 3, 3), scales)
    options = {"table": "TransposeConvOptions", "strideH": 2, "strideW": 2, "padding": 0}
    output = graph.op("TRANSPOSE_CONV", [graph.integers(target), weights, graph.pixels], target, 0.05, 9, **options)
    return output, math.prod(target), 0.05, 9


def in_float(name: str, *, positive: bool = False, **options: Any) -> Case:
    """A float op between integer ones, on values of both signs or on ``positive`` ones."""

    def build(graph: TfliteBuilder) -> tuple[int, int, float | None, int]:
        value = graph.op("DEQUANTIZE", [graph.pixels], PIXELS, None)
        if positive:
            value = graph.op("EXP", [value], PIXELS, None)
        return graph.op(name, [value], PIXELS, None, **options), VALUES, None, 0

    return build


def on_positive(name: str) -> Case:
    """An integer op on values that are not below 0."""

    def build(graph: TfliteBuilder) -> tuple[int, int, float | None, int]:
        positive = graph.op("QUANTIZE", [graph.pixels], PIXELS, 0.01, -128)
        return graph.op(name, [positive], PIXELS, 0.03, -128), VALUES, 0.03, -128

    return build


REDUCE = {"table": "ReducerOptions"}
MOVES: dict[str, Case] = {
    "reshape to a vector": one("RESHAPE", PIXELS, (VALUES,), [VALUES]),
    "reshape to no batch": one("RESHAPE", PIXELS, (4, 18), [4, 18]),
    "reshape from no batch": one("RESHAPE", (4, 18), (1, 6, 4, 3), [1, 6, 4, 3]),
    "reshape to a batch inside": one("RESHAPE", PIXELS, (2, 1, 36), [2, 1, 36]),
    "squeeze": one("SQUEEZE", (1, 1, VALUES, 1), (VALUES,), table="SqueezeOptions"),
    "expand": one("EXPAND_DIMS", (1, 24, 3), (1, 24, 1, 3), 2),
    "transpose rank 4": one("TRANSPOSE", PIXELS, (1, 3, 6, 4), [0, 3, 2, 1]),
    "transpose rank 3": one("TRANSPOSE", (1, 24, 3), (1, 3, 24), [0, 2, 1]),
    "transpose rank 5": one("TRANSPOSE", (1, 2, 2, 6, 3), (1, 6, 2, 3, 2), [0, 3, 1, 4, 2]),
    "transpose the batch": one("TRANSPOSE", (1, 24, 3), (24, 1, 3), [1, 0, 2]),
    "transpose without batch": one("TRANSPOSE", (4, 6, 3), (3, 4, 6), [2, 0, 1]),
    "pad": one("PAD", PIXELS, (1, 6, 9, 4), [[0, 0], [1, 1], [2, 1], [0, 1]]),
    "pad tokens": one("PAD", (1, 24, 3), (1, 26, 3), [[0, 0], [1, 1], [0, 0]]),
    "padv2": one("PADV2", PIXELS, (1, 5, 6, 3), [[0, 0], [1, 0], [0, 0], [0, 0]], np.array(77, np.int8)),
    "mirror pad": one("MIRROR_PAD", PIXELS, (1, 7, 9, 3), [[0, 0], [1, 2], [2, 1], [0, 0]],
                      table="MirrorPadOptions", mode=0),
    "mirror pad symmetric": one("MIRROR_PAD", (1, 24, 3), (1, 30, 3), [[0, 0], [3, 3], [0, 0]],
                                table="MirrorPadOptions", mode=1),
    "strided slice": one("STRIDED_SLICE", PIXELS, (1, 2, 3, 3), [0, 1, 0, 0], [1, 4, 6, 3], [1, 2, 2, 1],
                         table="StridedSliceOptions"),
    "strided slice backwards": one("STRIDED_SLICE", PIXELS, PIXELS, [0, 0, 5, 0], [1, 4, 0, 3], [1, 1, -1, 1],
                                   table="StridedSliceOptions", endMask=4),
    "strided slice to fewer axes": one("STRIDED_SLICE", PIXELS, (1, 6, 3), [0, 2, 0, 0], [1, 3, 6, 3], [1, 1, 1, 1],
                                       table="StridedSliceOptions", shrinkAxisMask=2),
    "one token": one("STRIDED_SLICE", (1, 24, 3), (1, 3), [0, -1, 0], [0, 0, 3], [1, 1, 1],
                     table="StridedSliceOptions", shrinkAxisMask=2, beginMask=1, endMask=1),
    "slice": one("SLICE", PIXELS, (1, 2, 6, 2), [0, 1, 0, 1], [1, 2, -1, 2], table="SliceOptions"),
    "slice without batch": one("SLICE", (24, 3), (5, 3), [2, 0], [5, 3], table="SliceOptions"),
    "gather": one("GATHER", PIXELS, (1, 4, 6, 4), [2, 0, 0, 1], table="GatherOptions", axis=3),
    "gather one": one("GATHER", (1, 24, 3), (1, 3), 7, table="GatherOptions", axis=1),
    "split": parts("SPLIT", [(1, 4, 2, 3)] * 3, 2, None, table="SplitOptions", numSplits=3),
    "split by sizes": parts("SPLIT_V", [(1, 4, 6, 1), (1, 4, 6, 2)], None, [1, 2], 3, table="SplitVOptions",
                            numSplits=2),
    "unpack": parts("UNPACK", [(1, 4, 3)] * 6, None, table="UnpackOptions", axis=2, num=6),
    "tile": one("TILE", PIXELS, (1, 8, 6, 9), [1, 2, 1, 3]),
    "tile rank 6": one("TILE", (1, 4, 1, 6, 1, 3), (1, 4, 2, 6, 2, 3), [1, 1, 2, 1, 2, 1]),
    "tile the first axis": one("TILE", (1, VALUES), (3, VALUES), [3, 1]),
    "broadcast": one("BROADCAST_TO", (1, 1, 24, 3), (1, 2, 24, 3), [1, 2, 24, 3]),
    "space to depth": one("SPACE_TO_DEPTH", PIXELS, (1, 2, 3, 12), table="SpaceToDepthOptions", blockSize=2),
    "depth to space": one("DEPTH_TO_SPACE", (1, 2, 3, 12), PIXELS, table="DepthToSpaceOptions", blockSize=2),
    "nearest": one("RESIZE_NEAREST_NEIGHBOR", PIXELS, (1, 8, 12, 3), [8, 12], table="ResizeNearestNeighborOptions",
                   halfPixelCenters=True),
    "concatenate": joined("CONCATENATION", PIXELS, (1, 4, 6, 6), 3),
    "concatenate along no batch": joined("CONCATENATION", (24, 3), (48, 3), 0),
    "concatenate with a constant": joined("CONCATENATION", (1, 24, 3), (1, 48, 3), 1, constant=True),
    "concatenate along the batch": joined("CONCATENATION", (1, 24, 3), (2, 24, 3), 0),
    "pack": joined("PACK", (1, 24, 3), (1, 2, 24, 3), 1),
    "pack with a constant": joined("PACK", (1, 24, 3), (1, 24, 3, 2), -1, constant=True),
    "largest": one("REDUCE_MAX", PIXELS, (1, 3), [1, 2], **REDUCE),
    "largest of tokens": one("REDUCE_MAX", (1, 24, 3), (1, 3), 1, **REDUCE),
    "largest of channels": one("REDUCE_MAX", PIXELS, (1, 4, 6, 1), [3], **REDUCE, keepDims=True),
    "largest of channels dropped": one("REDUCE_MAX", PIXELS, (1, 4, 6), [-1], **REDUCE),
    "largest of rows dropped": one("REDUCE_MAX", PIXELS, (1, 6, 3), [1], **REDUCE),
    "least without batch": one("REDUCE_MIN", (24, 3), (3,), 0, **REDUCE),
    "max pool": one("MAX_POOL_2D", PIXELS, (1, 2, 3, 3), table="Pool2DOptions", filterHeight=2, filterWidth=2,
                    strideH=2, strideW=2),
}  # fmt: skip
ADD, MUL = {"table": "AddOptions"}, {"table": "MulOptions"}
SUMS: dict[str, Case] = {
    "add a vector": two("ADD", PIXELS, (3,), PIXELS, **ADD),
    "add a vector with batch": two("ADD", PIXELS, (1, 3), PIXELS, **ADD),
    "add to a vector": two("ADD", (1, 1, 1, VALUES), (VALUES,), (1, 1, 1, VALUES), **ADD),
    "add columns": two("ADD", PIXELS, (6, 3), PIXELS, **ADD),
    "add a constant vector": one("ADD", PIXELS, PIXELS, int8(3), scale=0.05, **ADD),
    "add a constant of no batch": one("ADD", (1, 24, 3), (1, 24, 3), int8(24, 3), scale=0.05, **ADD),
    "add without batch": two("ADD", (24, 3), (1, 3), (24, 3), **ADD),
    "subtract ranks": two("SUB", PIXELS, (3,), PIXELS, table="SubOptions"),
    "subtract a constant": one("SUB", PIXELS, PIXELS, int8(3), scale=0.05, table="SubOptions"),
    "subtract a half step": one("SUB", PIXELS, PIXELS, np.array(28, np.int8), scale=0.04, table="SubOptions"),
    "multiply by a gate": two("MUL", PIXELS, (1, 3), PIXELS, **MUL),
    "multiply heads": two("MUL", (1, 2, 12, 3), (1, 1, 12, 3), (1, 2, 12, 3), **MUL),
    "multiply with relu6": one("MUL", PIXELS, PIXELS, int8(1, 1, 1, 3), scale=0.03, zero=-128, **MUL,
                               fusedActivationFunction=3),
    "maximum": two("MAXIMUM", PIXELS, (3,), PIXELS, SCALE, ZERO),
    "minimum": one("MINIMUM", PIXELS, PIXELS, int8(1, 1, 1, 3)),
    "squared difference": two("SQUARED_DIFFERENCE", (1, 24, 3), (1, 1, 3), (1, 24, 3)),
    "prelu": one("PRELU", PIXELS, PIXELS, int8(1, 1, 3), scale=0.03),
    "leaky relu": one("LEAKY_RELU", PIXELS, PIXELS, scale=0.03, table="LeakyReluOptions", alpha=0.1),
    "abs": one("ABS", PIXELS, PIXELS, table="AbsOptions"),
    "mean": one("MEAN", PIXELS, (1, 3), [1, 2], scale=0.013, **REDUCE),
    "mean of channels": one("MEAN", (1, 24, 3), (1, 24, 1), [2], **REDUCE, keepDims=True),
    "mean of tokens dropped": one("MEAN", (1, 24, 3), (1, 3), [1], scale=0.01, **REDUCE),
    "sum": one("SUM", (1, 24, 3), (1, 24), [2], scale=0.06, **REDUCE),
    "softmax of heads": one("SOFTMAX", (1, 2, 6, 6), (1, 2, 6, 6), scale=1 / 256, zero=-128, table="SoftmaxOptions",
                            beta=1.0),
    "softmax of tokens": one("SOFTMAX", (1, 9, 8), (1, 9, 8), scale=1 / 256, zero=-128, table="SoftmaxOptions",
                             beta=1.0),
    "softmax with beta": one("SOFTMAX", (1, VALUES), (1, VALUES), scale=1 / 256, zero=-128, table="SoftmaxOptions",
                             beta=0.5),
    "dense on tokens": dense((1, 24, 3), 3, (1, 24, 5)),
    "dense on positions": dense(PIXELS, 3, (1, 4, 6, 5)),
    "dense without batch": dense((24, 3), 3, (24, 5)),
    "dense on all": dense(PIXELS, VALUES, (1, 5)),
    "dense on a vector without bias": dense((VALUES,), VALUES, (1, 5), bias=False),
    "matrix product": two("BATCH_MATMUL", (1, 2, 6, 6), (1, 2, 6, 6), (1, 2, 6, 6), 0.3, table="BatchMatMulOptions"),
    "matrix product adjoint": two("BATCH_MATMUL", (1, 24, 3), (1, 24, 3), (1, 24, 24), 0.2,
                                  table="BatchMatMulOptions", adjY=True),
    "transposed convolution": transposed_convolution,
    "bilinear": one("RESIZE_BILINEAR", PIXELS, (1, 8, 12, 3), [8, 12], table="ResizeBilinearOptions",
                    halfPixelCenters=True),
    "average pool": one("AVERAGE_POOL_2D", PIXELS, (1, 2, 2, 3), table="Pool2DOptions", filterHeight=3, filterWidth=3,
                        strideH=2, strideW=3),
    "elu": one("ELU", PIXELS, PIXELS),
    "relu from 0 to 1": one("RELU_0_TO_1", PIXELS, PIXELS),
    "exp": one("EXP", PIXELS, PIXELS, scale=0.05, zero=-128),
    "log": one("LOG", PIXELS, PIXELS),
    "square root": on_positive("SQRT"),
    "reciprocal root": on_positive("RSQRT"),
    "gelu": one("GELU", (1, 24, 3), (1, 24, 3), table="GeluOptions"),
    "float square": in_float("SQUARE", table="SquareOptions"),
    "float square root": in_float("SQRT", positive=True),
    "float reciprocal root": in_float("RSQRT", positive=True),
    "float log": in_float("LOG", positive=True),
    "float exp": in_float("EXP"),
    "float elu": in_float("ELU"),
    "float gelu": in_float("GELU", table="GeluOptions"),
    "float gelu by tanh": in_float("GELU", table="GeluOptions", approximate=True),
    "float neg": in_float("NEG"),
}  # fmt: skip


def steps(case: Case, photos: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """What LiteRT gives, what ONNX Runtime gives photo by photo, and what it gives for all at once, in int8 steps."""
    import onnxruntime

    graph = TfliteBuilder(HEIGHT, WIDTH, SCALE, ZERO)
    output, values, scale, zero = case(graph)
    content = graph.finish(output, values, scale, zero)
    record = Record(tuple(map(str, range(values))), Preprocessing(height=HEIGHT, width=WIDTH), "int8", {}, {})
    onnx = onnx_int8.from_tflite(content, record, name="m", batch="dynamic")
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    alone = np.concatenate([session.run(None, {"image": photo[np.newaxis]})[0] for photo in photos])
    step = scale or FLOAT_STEP
    return run_tflite(content, photos) / step, alone / step, session.run(None, {"image": photos})[0] / step


@pytest.fixture(scope="module")
def photos() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (5, HEIGHT, WIDTH, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", MOVES)
def test_what_moves_values_gives_them_all_unchanged(name: str, photos: NDArray[np.uint8]) -> None:
    wanted, found, together = steps(MOVES[name], photos)
    assert len(np.unique(wanted)) > 8
    assert np.array_equal(np.round(found), np.round(wanted))
    assert np.array_equal(together, found)


@pytest.mark.parametrize("name", SUMS)
def test_what_computes_is_at_most_one_step_off(name: str, photos: NDArray[np.uint8]) -> None:
    wanted, found, together = steps(SUMS[name], photos)
    assert len(np.unique(np.round(wanted))) > 4
    assert np.abs(found - wanted).max() < 1.5
    assert np.mean(np.abs(found - wanted) > 0.5) < 0.1
    assert np.array_equal(together, found)


def test_every_op_with_a_form_is_tried() -> None:
    # The others are in the networks of the other files.
    tried = {"CONV_2D", "DEPTHWISE_CONV_2D", "HARD_SWISH", "LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1", "DIV"}
    graph = TfliteBuilder(HEIGHT, WIDTH, SCALE, ZERO)
    for case in (*MOVES.values(), *SUMS.values()):
        case(graph)
    assert set(EMITTERS) - tried - graph.names == set()


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (one("PAD", PIXELS, (2, 4, 6, 3), [[0, 1], [0, 0], [0, 0], [0, 0]]), "it pads the batch"),
        (one("MAX_POOL_2D", (2, 4, 3, 3), (2, 2, 1, 3), table="Pool2DOptions", filterHeight=2, filterWidth=2,
             strideH=2, strideW=2), "several images for each photo"),
    ],
)  # fmt: skip
def test_what_has_no_form_is_refused(case: Case, why: str) -> None:
    graph = TfliteBuilder(HEIGHT, WIDTH, SCALE, ZERO)
    output, values, scale, zero = case(graph)
    content = graph.finish(output, values, scale, zero)
    record = Record(tuple(map(str, range(values))), Preprocessing(height=HEIGHT, width=WIDTH), "int8", {}, {})
    with pytest.raises(UnsupportedOpError, match=why):
        onnx_int8.from_tflite(content, record, name="m")
