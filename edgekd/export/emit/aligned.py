"""Channels of zeros that bring depthwise convolutions to ONNX Runtime's fast kernel.

On x86 its kernel for depthwise int8 convolutions takes multiples of 16 channels; others run two to four times as long.
Where a convolution before and one behind are all that reads and writes the channels, all three get channels of zeros,
which add nothing to any sum: the outputs stay the same to the bit.

Source: ONNX Runtime, MLAS, convsym.cpp, MlasConvSymPackWSize.
"""

from __future__ import annotations

from edgekd.formats.tflite_file import TfliteGraph, TfliteOp

_MULTIPLE = 16
# Below, the kernel gains less than the added channels cost.
_LEAST_CHANNELS = 32


def added_channels(graph: TfliteGraph) -> dict[int, int]:
    """How many channels of zeros each tensor gets; tensors that get none are left out."""
    makers = {output: op for op in graph.ops for output in op.outputs}
    added: dict[int, int] = {}
    for op in graph.ops:
        if op.name != "DEPTHWISE_CONV_2D":
            continue
        source, target = op.inputs[0], op.outputs[0]
        channels = graph.tensors[source].shape[-1]
        extra = -channels % _MULTIPLE
        # Of an odd number of channels, the pairs that ``quantize.saturation`` made safe would be others.
        if not extra or extra % 2 or channels < _LEAST_CHANNELS or graph.tensors[target].shape[-1] != channels:
            continue
        readers = [other for other in graph.ops if target in other.inputs]
        maker = makers.get(source)
        if maker is None or len(readers) != 1 or {source, target} & set(graph.outputs):
            continue
        is_only_reader = sum(other.inputs.count(source) for other in graph.ops) == 1
        if is_only_reader and _is_plain(graph, maker) and _is_plain(graph, readers[0]):
            added |= {source: extra, target: extra}
    return added


def _is_plain(graph: TfliteGraph, op: TfliteOp) -> bool:
    """Whether an op is a convolution in integers without groups."""
    if op.name != "CONV_2D":
        return False
    image, weights = (graph.tensors[i] for i in op.inputs[:2])
    return weights.type == "INT8" and weights.data is not None and image.shape[-1] == weights.shape[-1]
