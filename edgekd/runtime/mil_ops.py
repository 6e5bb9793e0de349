"""The ops of Core ML programs in NumPy, channels first as the programs have them.

Source: the documentation of coremltools' MIL ops. Each function takes an op's inputs by their names, floats as float32;
the caller rounds what comes back to the type that the program declares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

Array = NDArray[Any]
Inputs = Mapping[str, Any]


def _ints(value: Any) -> tuple[int, ...]:
    return tuple(int(one) for one in np.asarray(value).reshape(-1))


def _padding(
    i: Inputs, size: tuple[int, ...], kernel: tuple[int, ...], strides: tuple[int, ...]
) -> list[tuple[int, int]]:
    """Zeros before and after each axis of the image; ``kernel`` is with its dilations."""
    kind = str(i.get("pad_type", "valid"))
    if kind == "valid":
        return [(0, 0)] * len(size)
    if kind == "custom":
        pad = _ints(i["pad"])
        return list(zip(pad[::2], pad[1::2], strict=True))
    pads = []
    for length, k, s in zip(size, kernel, strides, strict=True):
        total = max((math.ceil(length / s) - 1) * s + k - length, 0)
        less, more = total // 2, total - total // 2
        pads.append((more, less) if kind == "same_lower" else (less, more))
    return pads


def _windows(x: Array, kernel: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]) -> list[Array]:
    """For each place of the kernel the values under it, [N, C, rows, columns]."""
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    rows, columns = ((n - r) // s + 1 for n, r, s in zip(x.shape[2:], reach, strides, strict=True))
    return [
        x[:, :, p * dilations[0] :: strides[0], q * dilations[1] :: strides[1]][:, :, :rows, :columns]
        for p in range(kernel[0])
        for q in range(kernel[1])
    ]


def conv(i: Inputs) -> Any:
    x, weight = i["x"], i["weight"]
    if x.ndim != 4:
        raise NotImplementedError(f"conv of {x.ndim - 2} dimensions")
    kernel = weight.shape[2:]
    strides, dilations = _ints(i.get("strides", (1, 1))), _ints(i.get("dilations", (1, 1)))
    groups = int(i.get("groups", 1))
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    x = np.pad(x, [(0, 0), (0, 0), *_padding(i, x.shape[2:], reach, strides)])
    taps = weight.reshape(groups, -1, weight.shape[1], math.prod(kernel))
    total: Any = 0.0
    for place, part in enumerate(_windows(x, kernel, strides, dilations)):
        n, _, rows, columns = part.shape
        if weight.shape[1] == 1:  # depthwise: every input channel by itself
            grouped = part.reshape(n, groups, 1, rows, columns) * taps[:, :, 0, place][None, :, :, None, None]
        else:
            grouped = np.matmul(taps[None, ..., place], part.reshape(n, groups, -1, rows * columns))
        total = total + grouped.reshape(n, len(weight), rows, columns)
    return total + i["bias"][:, None, None] if i.get("bias") is not None else total


def _pool(i: Inputs, largest: bool) -> Any:
    x, kernel = i["x"], _ints(i["kernel_sizes"])
    strides = _ints(i.get("strides", kernel))
    if bool(i.get("ceil_mode", False)) or len(kernel) != 2:
        raise NotImplementedError("pooling in ceil_mode, or of another rank")
    pads = [(0, 0), (0, 0), *_padding(i, x.shape[2:], kernel, strides)]
    ones = (1,) * len(kernel)
    parts = np.stack(_windows(np.pad(x, pads, constant_values=-np.inf if largest else 0.0), kernel, strides, ones))
    if largest:
        return parts.max(axis=0)
    if not bool(i.get("exclude_padding_from_average", False)):
        return parts.mean(axis=0)
    counts = np.stack(_windows(np.pad(np.ones_like(x[:1, :1]), pads), kernel, strides, ones)).sum(axis=0)
    return parts.sum(axis=0) / counts


def _linear(i: Inputs) -> Any:
    return i["x"] @ i["weight"].T + (i["bias"] if i.get("bias") is not None else 0.0)


def _matmul(i: Inputs) -> Any:
    x, y = i["x"], i["y"]
    x = x.swapaxes(-1, -2) if bool(i.get("transpose_x", False)) else x
    return x @ (y.swapaxes(-1, -2) if bool(i.get("transpose_y", False)) else y)


def _sigmoid(x: Array) -> Any:
    return 1 / (1 + np.exp(-x))


def _softmax(i: Inputs) -> Any:
    axis = int(i.get("axis", -1))
    powers = np.exp(i["x"] - i["x"].max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _reduce(function: Callable[..., Any]) -> Callable[[Inputs], Any]:
    def reduce(i: Inputs) -> Any:
        axes = _ints(i["axes"]) if i.get("axes") is not None else None
        return function(i["x"], axis=axes, keepdims=bool(i.get("keep_dims", False)))

    return reduce


def _gelu(i: Inputs) -> Any:
    x, mode = i["x"], str(i.get("mode", "EXACT"))
    if mode == "EXACT":
        return 0.5 * x * (1 + erf(x / math.sqrt(2)))
    if mode == "TANH_APPROXIMATION":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * _sigmoid(1.702 * x)


def _batch_norm(i: Inputs) -> Any:
    shape = (-1, *(1,) * (i["x"].ndim - 2))
    scale = i.get("gamma", 1.0) / np.sqrt(i["variance"] + i.get("epsilon", 1e-5))
    return (i["x"] - i["mean"].reshape(shape)) * np.reshape(scale, shape) + np.reshape(i.get("beta", 0.0), shape)


def _layer_norm(i: Inputs) -> Any:
    x, axes = i["x"], _ints(i["axes"])
    centred = x - x.mean(axis=axes, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + i.get("epsilon", 1e-5))
    return normal * i.get("gamma", 1.0) + i.get("beta", 0.0)


def _pad(i: Inputs) -> Any:
    x, pad, mode = i["x"], _ints(i["pad"]), str(i.get("mode", "constant"))
    # The last axes are padded.
    pads = [(0, 0)] * (x.ndim - len(pad) // 2) + list(zip(pad[::2], pad[1::2], strict=True))
    if mode == "constant":
        return np.pad(x, pads, constant_values=float(i.get("constant_val", 0.0)))
    return np.pad(x, pads, mode={"reflect": "reflect", "replicate": "edge"}[mode])  # type: ignore[call-overload]


def _concat(i: Inputs) -> Any:
    if bool(i.get("interleave", False)):
        raise NotImplementedError("concat with interleave")
    return np.concatenate(i["values"], axis=int(i["axis"]))


def _expand(i: Inputs) -> Any:
    return np.expand_dims(i["x"], _ints(i["axes"]))


def _squeeze(i: Inputs) -> Any:
    return np.squeeze(i["x"], None if i.get("axes") is None else _ints(i["axes"]))


def _reshape(i: Inputs) -> Any:
    shape = tuple(i["x"].shape[n] if size == 0 else size for n, size in enumerate(_ints(i["shape"])))
    return np.asarray(i["x"]).reshape(shape)


def _affine_dequantize(i: Inputs) -> Any:
    data, axis = i["quantized_data"].astype(np.float32), int(i.get("axis", 0))
    shape = [-1 if n == axis else 1 for n in range(data.ndim)]
    scale, zero = (np.asarray(i[name], np.float32) for name in ("scale", "zero_point"))
    return (data - (zero.reshape(shape) if zero.ndim else zero)) * (scale.reshape(shape) if scale.ndim else scale)


def _lut_to_dense(i: Inputs) -> Any:
    lut, packed, shape = i["lut"], np.asarray(i["indices"], np.uint8).reshape(-1), _ints(i["shape"])
    bits = len(lut).bit_length() - 1
    stream = np.unpackbits(packed, bitorder="little")[: math.prod(shape) * bits].reshape(-1, bits)
    return lut[stream.astype(np.int64) @ (1 << np.arange(bits))].reshape(shape)


OPS: dict[str, Callable[[Inputs], Any]] = {
    "const": lambda i: i["val"],
    "identity": lambda i: i["x"],
    "cast": lambda i: i["x"],
    "constexpr_affine_dequantize": _affine_dequantize,
    "constexpr_lut_to_dense": _lut_to_dense,
    "conv": conv,
    "linear": _linear,
    "matmul": _matmul,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "avg_pool": lambda i: _pool(i, largest=False),
    "max_pool": lambda i: _pool(i, largest=True),
    "reduce_mean": _reduce(np.mean),
    "reduce_sum": _reduce(np.sum),
    "reduce_max": _reduce(np.max),
    "add": lambda i: i["x"] + i["y"],
    "sub": lambda i: i["x"] - i["y"],
    "mul": lambda i: i["x"] * i["y"],
    "real_div": lambda i: i["x"] / i["y"],
    "maximum": lambda i: np.maximum(i["x"], i["y"]),
    "minimum": lambda i: np.minimum(i["x"], i["y"]),
    "pow": lambda i: np.power(i["x"], i["y"]),
    "abs": lambda i: np.abs(i["x"]),
    "exp": lambda i: np.exp(i["x"]),
    "sqrt": lambda i: np.sqrt(i["x"]),
    "square": lambda i: np.square(i["x"]),
    "rsqrt": lambda i: 1 / np.sqrt(i["x"] + i.get("epsilon", 1e-12)),
    "relu": lambda i: np.maximum(i["x"], 0),
    "relu6": lambda i: np.clip(i["x"], 0, 6),
    "clip": lambda i: np.clip(i["x"], i["alpha"], i["beta"]),
    "leaky_relu": lambda i: np.where(i["x"] > 0, i["x"], i["x"] * i["alpha"]),
    "elu": lambda i: np.where(i["x"] > 0, i["x"], i["alpha"] * np.expm1(np.minimum(i["x"], 0))),
    "sigmoid": lambda i: _sigmoid(i["x"]),
    "sigmoid_hard": lambda i: np.clip(i.get("alpha", 0.2) * i["x"] + i.get("beta", 0.5), 0, 1),
    "silu": lambda i: i["x"] * _sigmoid(i["x"]),
    "tanh": lambda i: np.tanh(i["x"]),
    "gelu": _gelu,
    "softmax": _softmax,
    "transpose": lambda i: np.transpose(i["x"], _ints(i["perm"])),
    "reshape": _reshape,
    "expand_dims": _expand,
    "squeeze": _squeeze,
    "concat": _concat,
    "pad": _pad,
}
"""By the names that programs give them."""
