"""The ops that classifiers are made of: whatever else is in the graph of a SavedModel is refused by its name.

A graph is a program, and many ops read or write files, open connections or run other graphs. These compute with tensors
and nothing else. TensorFlow calls all of them stateless, except for the few in `_STATEFUL`: those read a variable,
call a function of the same file (which is checked like the rest), draw random numbers, or raise an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgekd.errors import ModelError
from edgekd.text import one_line

_STATEFUL = """
    Assert Case CheckNumerics Empty GuaranteeConst If Multinomial
    RandomStandardNormal RandomUniform RandomUniformInt ReadVariableOp ResourceGather ResourceGatherNd
    StatefulPartitionedCall StatelessRandomGetAlg TruncatedNormal While
"""
_STATELESS = """
    Abs Acos Acosh Add AddN AddV2 AdjustContrastv2 AdjustHue AdjustSaturation All Angle Any ApproximateEqual ArgMax
    ArgMin Asin Asinh Atan Atan2 Atanh AvgPool AvgPool3D BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpace
    BatchToSpaceND BiasAdd BiasAddV1 Bincount Bitcast BitwiseAnd BitwiseOr BitwiseXor BroadcastArgs BroadcastTo
    Bucketize Cast Ceil ClipByValue Complex ComplexAbs Concat ConcatOffset ConcatV2 Conj Const Conv Conv2D
    Conv2DBackpropInput Conv3D Conv3DBackpropInputV2 Cos Cosh CropAndResize Cross Cumprod Cumsum CumulativeLogsumexp
    DenseBincount DepthToSpace DepthwiseConv2dNative DepthwiseConv2dNativeBackpropInput Dequantize Diag DiagPart Digamma
    Dilation2D Div DivNoNan DynamicPartition DynamicStitch Einsum Elu EmptyTensorList EnsureShape Equal Erf Erfc Erfinv
    Exp ExpandDims Expm1 ExtractImagePatches FFT FFT2D FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars
    FakeQuantWithMinMaxVarsPerChannel Fill Floor FloorDiv FloorMod FractionalAvgPool FusedBatchNorm FusedBatchNormV2
    FusedBatchNormV3 Gather GatherNd GatherV2 Greater GreaterEqual HSVToRGB IFFT IFFT2D IRFFT2D Identity IdentityN
    Igamma Imag ImageProjectiveTransformV2 ImageProjectiveTransformV3 InTopK InTopKV2 Inv Invert InvertPermutation
    IsFinite IsInf IsNan L2Loss LRN LeakyRelu LeftShift Less LessEqual Lgamma LinSpace Log Log1p LogMatrixDeterminant
    LogSoftmax LogicalAnd LogicalNot LogicalOr LowerBound MatMul MatrixBandPart MatrixDiag MatrixDiagPart
    MatrixDiagPartV2 MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3 MatrixInverse MatrixSetDiag MatrixSetDiagV2
    MatrixSetDiagV3 Max MaxPool MaxPool3D MaxPoolV2 Maximum Mean Min Minimum MirrorPad Mod Mul MulNoNan Neg NextAfter
    NoOp NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5 NotEqual OneHot OnesLike Pack Pad PadV2
    ParallelDynamicStitch PartitionedCall Placeholder PlaceholderWithDefault Pow PreventGradient Prod
    QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 QuantizeV2 RFFT2D RGBToHSV Range Rank Real
    RealDiv Reciprocal Relu Relu6 Reshape ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor Reverse
    ReverseSequence ReverseV2 RightShift Rint Roll Round Rsqrt ScaleAndTranslate ScatterNd ScatterNdNonAliasingAdd
    SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum Select SelectV2 Selu Shape ShapeN Sigmoid Sign Sin Sinh
    Size Slice Snapshot Softmax Softplus Softsign SpaceToBatch SpaceToBatchND SpaceToDepth Split SplitV Sqrt Square
    SquaredDifference Squeeze StatelessCase StatelessIf StatelessMultinomial StatelessRandomGammaV2
    StatelessRandomGetKeyCounter StatelessRandomNormal StatelessRandomNormalV2 StatelessRandomUniform
    StatelessRandomUniformInt StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessTruncatedNormal
    StatelessTruncatedNormalV2 StatelessWhile StopGradient StridedSlice Sub Sum Tan Tanh TensorListConcatV2
    TensorListElementShape TensorListFromTensor TensorListGetItem TensorListLength TensorListPushBack TensorListReserve
    TensorListResize TensorListSetItem TensorListStack TensorScatterAdd TensorScatterMax TensorScatterMin
    TensorScatterSub TensorScatterUpdate Tile TopK TopKV2 Transpose TruncateDiv TruncateMod Unique UniqueV2
    UniqueWithCounts Unpack UnravelIndex UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum
    UpperBound Where Xdivy Xlog1py Xlogy ZerosLike
"""
ADMITTED = frozenset(_STATELESS.split() + _STATEFUL.split())
"""Names of the ops that a SavedModel's signature may reach."""
_ASSIGNMENT = "AssignVariableOp"
# Settings of a call that choose how it is run: not needed, and not taken over.
_OF_CALLS = ("config_proto", "config", "executor_type")
_LONGEST_TEXT = 256


def checked_functions(library: Any, name: str, where: str) -> list[Any]:
    """Copies of the functions that ``name`` reaches in a `FunctionDefLibrary`, all of whose ops are admitted.

    Their devices, and attributes that only tools look at, are left out. Raises ModelError naming any other op.
    """
    functions = {function.signature.name: function for function in library.function}
    waiting, reached, refused = [name], {}, set()
    while waiting:
        current = waiting.pop()
        if current in reached:
            continue
        if current not in functions:
            raise ModelError(
                f"{where} calls the function {one_line(current)!r}, which it does not hold. Save the model again"
            )
        reached[current] = copy = _plain(functions[current])
        for node in copy.node_def:
            if node.op in functions:
                waiting.append(node.op)
            elif node.op not in ADMITTED:
                refused.add(node.op)
            called, texts = _attributes(node.attr.values())
            waiting.extend(called)
            refused.update(f"{node.op} with a long text" for text in texts if _is_program(text))
    if refused == {_ASSIGNMENT}:
        raise ModelError(
            f"{where} changes a variable at every call, so it predicts something else each time: Keras exports layers "
            "of random augmentation (RandomFlip and others) switched on. Export the network without them"
        )
    if refused:
        raise ModelError(
            f"{where} holds {one_line(', '.join(sorted(refused)))}, which image classifiers are not made of: a graph "
            "is a program, and only ops that compute with tensors are run. Export the network alone, without reading, "
            "writing, logging or decoding in it"
        )
    return list(reached.values())


def _plain(function: Any) -> Any:
    copy = type(function)()
    copy.CopyFrom(function)
    for key in [key for key in copy.attr if key != "_input_shapes"]:
        del copy.attr[key]
    for node in copy.node_def:
        node.device = ""
        node.ClearField("experimental_debug_info")
        for key in [key for key in node.attr if key.startswith("_") or key in _OF_CALLS]:
            del node.attr[key]
    return copy


def _attributes(values: Any) -> tuple[list[str], list[bytes]]:
    """Names of the functions and texts in a node's attributes, those in the functions' own attributes too."""
    called: list[str] = []
    texts: list[bytes] = []
    for value in _flat(values):
        called.extend(function.name for function in (value.func, *value.list.func) if function.name)
        texts.extend((value.s, *value.list.s))
    return called, texts


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        yield value
        for function in (value.func, *value.list.func):
            yield from _flat(function.attr.values())


def _is_program(text: bytes) -> bool:
    """Whether a text attribute may be more than the name of a mode: a serialized graph, for one."""
    from tensorflow.core.framework import graph_pb2

    if len(text) > _LONGEST_TEXT:
        return True
    graph = graph_pb2.GraphDef()
    try:
        graph.ParseFromString(text)
    except Exception:  # protobuf's own type, which depends on its implementation
        return False
    return any(node.op for node in graph.node)
