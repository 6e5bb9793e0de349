"""What an op adds up for one input, from its tensors: for the ops whose limits do not settle it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.inspection.network import Network, Op

Tensor = NDArray[np.float32]


def exact_sums(network: Network, op: Op, tensors: Mapping[str, Tensor]) -> tuple[float, float] | None:
    """The largest sum of absolute terms and the largest complete sum, before an activation; None of other ops."""
    if op.type in ("ADD", "SUB", "Add", "Sub") and len(op.inputs) == 2:
        first, second = (_operand(network, key, tensors) for key in op.inputs)
        if first is None or second is None:
            return None
        result = first - second if op.type in ("SUB", "Sub") else first + second
        return _largest(np.abs(first) + np.abs(second)), _largest(result)
    if op.type in ("MEAN", "GlobalAveragePool", "ReduceMean"):
        image = tensors.get(op.inputs[0])
        if image is None or image.ndim != 4:
            return None
        axes = (2, 3) if network.format == "onnx" else (1, 2)
        # A mean's complete sum is no result of its own: what adds in float32 never stores it.
        return _largest(np.abs(image).sum(axis=axes)), 0.0
    if op.type in ("CONV_2D", "DEPTHWISE_CONV_2D", "Conv", "FULLY_CONNECTED", "Gemm", "MatMul"):
        return _weighted(network, op, tensors)
    return None


def _operand(network: Network, key: str, tensors: Mapping[str, Tensor]) -> Tensor | None:
    if key in tensors:
        return tensors[key]
    constant = network.constant(key)
    real = None if constant is None else constant.real()
    return None if real is None else real.astype(np.float32)


def _weighted(network: Network, op: Op, tensors: Mapping[str, Tensor]) -> tuple[float, float] | None:
    source, weights = tensors.get(op.inputs[0]), _operand(network, op.inputs[1], tensors)
    if source is None or weights is None or op.inputs[1] in tensors:
        return None
    bias = _operand(network, op.inputs[2], tensors) if len(op.inputs) > 2 and op.inputs[2] else None
    add = np.float32(0) if bias is None else bias.reshape(-1)
    total = add_products(op, source, weights)
    absolute = add_products(op, np.abs(source), np.abs(weights))
    if total is None or absolute is None:
        return None
    return _largest(absolute + np.abs(add)), _largest(total + add)


def add_products(op: Op, source: Tensor, weights: Tensor) -> Tensor | None:
    """The op's products added up, channels last."""
    if op.kind in ("dense", "matmul"):
        transposed = op.type == "FULLY_CONNECTED" or bool(op.attributes.get("transB", 0))
        rows = weights if transposed else weights.T
        if rows.ndim != 2 or source.size % rows.shape[1]:
            return None
        return np.asarray(source.reshape(-1, rows.shape[1]) @ rows.T)
    if source.ndim != 4 or weights.ndim != 4:
        return None
    if op.type == "Conv":
        group = op.attributes.get("group", 1)
        image, kernel = source.transpose(0, 2, 3, 1), weights.transpose(2, 3, 1, 0)
        groups = group if isinstance(group, int) else 1
    elif op.type == "DEPTHWISE_CONV_2D":
        multiplier = int(op.attributes.get("depthMultiplier", 1)) or 1
        image, kernel, groups = source, weights[0][:, :, np.newaxis, :], weights.shape[3] // multiplier
    else:
        image, kernel, groups = source, weights.transpose(1, 2, 3, 0), source.shape[3] // weights.shape[3]
    return _convolve(op, image, kernel, groups)


def _convolve(op: Op, image: Tensor, kernel: Tensor, groups: int) -> Tensor:
    """Of an image [N, H, W, I] and a kernel [h, w, I / groups, O]: [N, oh, ow, O]."""
    (rows, columns), steps, spacing = kernel.shape[:2], _steps(op), _spacing(op)
    spans = [(size - 1) * gap + 1 for size, gap in zip((rows, columns), spacing, strict=True)]
    pads = _pads(op, image.shape[1:3], spans, steps)
    padded = np.pad(image, ((0, 0), *pads, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=(1, 2))
    windows = windows[:, :: steps[0], :: steps[1], :, :: spacing[0], :: spacing[1]]
    width, outputs = kernel.shape[2], kernel.shape[3] // groups
    if width == 1 and groups == image.shape[3]:
        total = np.einsum("nxychw,hwcm->nxycm", windows, kernel.reshape(rows, columns, groups, outputs))
        return np.asarray(total.reshape(*total.shape[:3], -1))
    parts = []
    for group in range(groups):
        mine = windows[:, :, :, group * width : (group + 1) * width]
        part = kernel[..., group * outputs : (group + 1) * outputs]
        parts.append(np.tensordot(mine, part, axes=([3, 4, 5], [2, 0, 1])))
    return np.concatenate(parts, axis=-1)


def _steps(op: Op) -> tuple[int, int]:
    return _two(op, "strides", ("strideH", "strideW"))


def _spacing(op: Op) -> tuple[int, int]:
    return _two(op, "dilations", ("dilationHFactor", "dilationWFactor"))


def _two(op: Op, onnx: str, tflite: tuple[str, str]) -> tuple[int, int]:
    values: Any = op.attributes.get(onnx) or [op.attributes.get(name, 1) for name in tflite]
    return max(int(values[0]), 1), max(int(values[1]), 1)


def _pads(op: Op, sizes: tuple[int, ...], spans: list[int], steps: tuple[int, int]) -> list[tuple[int, int]]:
    """Rows and columns of zeros before and after."""
    if op.type == "Conv":
        auto = str(op.attributes.get("auto_pad", "NOTSET"))
        if auto in ("NOTSET", "VALID"):
            given: Any = op.attributes.get("pads") or (0, 0, 0, 0)
            return [(int(given[0]), int(given[2])), (int(given[1]), int(given[3]))]
        first = auto == "SAME_LOWER"
    else:
        first = False
        if op.attributes.get("padding", 0) == 1:
            return [(0, 0), (0, 0)]
    pads = []
    for size, span, step in zip(sizes, spans, steps, strict=True):
        total = max((-(-size // step) - 1) * step + span - size, 0)
        before = -(-total // 2) if first else total // 2
        pads.append((before, total - before))
    return pads


def _largest(values: Tensor) -> float:
    return float(np.abs(values).max(initial=0.0))
