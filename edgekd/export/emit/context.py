"""The emitters' context: the TFLite graph, and the ONNX values of its tensors.

Activations become uint8 (zero point + 128), because ONNX Runtime's fast kernels take uint8 x int8; ``layout`` explains
the order of their axes. The inputs and outputs of float ops stay float.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import UnsupportedOpError
from edgekd.export.emit.aligned import added_channels
from edgekd.export.emit.builder import OnnxBuilder
from edgekd.formats.tflite_file import TfliteGraph, TfliteOp, TfliteTensor, names_of

_SHIFT = 128
_NHWC_TO_NCHW = (0, 3, 1, 2)
_INTEGERS = ("INT8", "UINT8")
# Bounds in real values of what TFLite fuses into an op.
_BOUNDS: dict[str, tuple[float, float] | None] = {
    "NONE": None,
    "RELU": (0.0, np.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}


class Photo(NamedTuple):
    """The graph's input as it comes, and its ONNX value with channels first."""

    nhwc: str
    nchw: str


class Context:
    """The state of one translation; ``photo`` is the input where its channels come last."""

    def __init__(self, graph: TfliteGraph, where: str) -> None:
        self.graph = graph
        self.where = where
        self.onnx = OnnxBuilder()
        self._names: dict[int, str] = {}
        self.photo: Photo | None = None
        # Channels of zeros behind those that a tensor has in the .tflite.
        self.added = added_channels(graph)
        # Spatial zero padding (top, bottom, left, right) not emitted yet, by its output tensor.
        self.pending_pads: dict[int, tuple[int, tuple[int, int, int, int]]] = {}

    # Tensors

    def tensor(self, index: int) -> TfliteTensor:
        """The TFLite tensor of this index."""
        return self.graph.tensors[index]

    def uses(self, index: int) -> int:
        """How often a tensor is read."""
        return sum(op.inputs.count(index) for op in self.graph.ops) + self.graph.outputs.count(index)

    def options(self, op: TfliteOp, name: str, default: Any = 0) -> Any:
        """A field of an op's options, its schema default if the file leaves the options out."""
        return default if op.options is None else getattr(op.options, name)

    def integers(self, op: TfliteOp, position: int) -> list[int]:
        """The constant integers at an input, such as axes. Raises UnsupportedOpError where they are computed."""
        data = self.tensor(op.inputs[position]).data if len(op.inputs) > position else None
        if data is None:
            raise self.unsupported(op, "its shape or axes are computed at run time")
        return [int(value) for value in np.ravel(data)]

    def unsupported(self, op: TfliteOp, why: str) -> UnsupportedOpError:
        """Return the error for an op without an ONNX translation."""
        name = self.tensor(op.outputs[0]).name if op.outputs else "?"
        return UnsupportedOpError(
            f"{self.where}: op {op.index} {op.name} (tensor {name!r}) has no int8 ONNX form: {why}. "
            "Use --format tflite, or replace the layer"
        )

    # Values

    def bind(self, index: int, name: str) -> None:
        """Set the ONNX value of a TFLite tensor."""
        self._names[index] = name

    def is_bound(self, index: int) -> bool:
        """Whether a tensor has an ONNX value."""
        return index in self._names

    def value(self, op: TfliteOp, index: int) -> str:
        """The quantized ONNX value of a tensor; a constant is written out."""
        if index not in self._names:
            return self.constant_value(op, index, len(of_photo(self.tensor(index).shape)))
        return self._names[index]

    def constant_value(self, op: TfliteOp, index: int, axes: int) -> str:
        """A constant tensor as ONNX value with so many axes behind the batch."""
        return self.onnx.constant(self.constant_array(op, index, axes))

    def constant_array(self, op: TfliteOp, index: int, axes: int, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
        """What a constant tensor, first brought to ``shape``, is in ONNX with so many axes behind the batch."""
        tensor = self.tensor(index)
        if tensor.data is None:
            raise self.unsupported(op, f"tensor {tensor.name!r} is neither constant nor computed before it")
        values: NDArray[Any] = tensor.data
        if not self.is_float(index):
            self.scalar_quantization(op, index)  # raises unless it is per tensor
            values = (values.astype(np.int16) + (_SHIFT if tensor.type == "INT8" else 0)).astype(np.uint8)
        photo = list(values.shape if shape is None else shape)
        while len(photo) > axes and photo[0] == 1:
            del photo[0]
        if len(photo) > axes:
            raise self.unsupported(op, f"its constant {tensor.name!r} has more axes than its output")
        data = values.reshape([1] * (1 + axes - len(photo)) + photo)
        return data.transpose(_NHWC_TO_NCHW) if axes == 3 else data

    def real(self, op: TfliteOp, index: int) -> str:
        """A float view of a tensor through DequantizeLinear: one per use, as ONNX Runtime's fusions need."""
        return self.real_of(op, index, self.value(op, index))

    def real_of(self, op: TfliteOp, index: int, value: str) -> str:
        """A float view of an ONNX value that has the quantization of a tensor; the value itself where it is float."""
        if self.is_float(index):
            return value
        scale, zero_point = self.quantization(op, index)
        return self.onnx.node("DequantizeLinear", [value, scale, zero_point], f"{self.name(index)}_real")

    def quantization(self, op: TfliteOp, index: int) -> tuple[str, str]:
        """Names of a tensor's scale and uint8 zero point."""
        return self.scale_and_zero_point(*self.scalar_quantization(op, index))

    def scale_and_zero_point(self, scale: np.float32, zero_point: int) -> tuple[str, str]:
        """Names of constants of a scale and a uint8 zero point."""
        return self.onnx.constant(np.array(scale, np.float32)), self.onnx.constant(np.array(zero_point, np.uint8))

    def scalar_quantization(self, op: TfliteOp, index: int) -> tuple[np.float32, int]:
        """Scale and zero point as uint8 of an activation. Raises UnsupportedOpError."""
        tensor = self.tensor(index)
        if tensor.type not in _INTEGERS or len(tensor.scales) != 1:
            raise self.unsupported(op, f"tensor {tensor.name!r} is {tensor.type} with {len(tensor.scales)} scales")
        return tensor.scales[0], int(tensor.zero_points[0]) + (_SHIFT if tensor.type == "INT8" else 0)

    def is_float(self, index: int) -> bool:
        """Whether a tensor holds float32."""
        return self.tensor(index).type == "FLOAT32"

    def zero(self, op: TfliteOp, index: int) -> str:
        """Name of a constant that a tensor holds for the real value 0."""
        if self.is_float(index):
            return self.onnx.constant(np.array(0, np.float32))
        return self.quantization(op, index)[1]

    def same_quantization(self, op: TfliteOp, first: int, second: int) -> bool:
        """Whether two tensors hold the same real value in the same uint8, or both in float."""
        if self.is_float(first) or self.is_float(second):
            return self.is_float(first) and self.is_float(second)
        return self.scalar_quantization(op, first) == self.scalar_quantization(op, second)

    def quantize(self, op: TfliteOp, real: str, activation: str = "NONE", *, position: int = 0) -> None:
        """Finish an op: its float result becomes the quantized output, bounded by its fused ``activation``."""
        index = op.outputs[position]
        if self.is_float(index):
            self.bind(index, self.clamp(op, real, activation))
            return
        scale, zero_point = self.quantization(op, index)
        name = self.onnx.node("QuantizeLinear", [real, scale, zero_point], self.name(index))
        self.bind(index, self.clamp(op, name, activation))

    def fused_activation(self, op: TfliteOp) -> str:
        """Name of the activation that an op's options add to it."""
        number = self.options(op, "fusedActivationFunction")
        return names_of("ActivationFunctionType").get(number, str(number))

    def clamp(self, op: TfliteOp, name: str, activation: str) -> str:
        """Clip a value as TFLite's activation does, unless its range already does."""
        if activation not in _BOUNDS:
            raise self.unsupported(op, f"the fused activation {activation}")
        bounds = _BOUNDS[activation]
        if bounds is None:
            return name
        if self.is_float(op.outputs[0]):
            limits = [self.onnx.constant(np.array(bound, np.float32)) for bound in bounds]
        else:
            scale, zero_point = self.scalar_quantization(op, op.outputs[0])
            low, high = (_quantize_bound(bound, scale, zero_point) for bound in bounds)
            if (low, high) == (0, 255):
                return name
            limits = [self.onnx.constant(np.array(limit, np.uint8)) for limit in (low, high)]
        return self.onnx.node("Clip", [name, *limits], f"{self.name(op.outputs[0])}_{activation.lower()}")

    def weights(
        self,
        index: int,
        order: tuple[int, ...],
        shape: tuple[int, ...],
        axis: int = 0,
        added: tuple[int, int] = (0, 0),
    ) -> str:
        """A float view of constant int8 weights, transposed by ``order`` to ``shape``, quantized along ``axis``.

        Zeros are ``added`` behind the first two axes.
        """
        tensor = self.tensor(index)
        assert tensor.data is not None
        data = np.ascontiguousarray(tensor.data.transpose(order)).reshape(shape)
        if any(added):
            data = np.pad(data, [(0, added[0]), (0, added[1]), *((0, 0) for _ in shape[2:])])
        if self.is_float(index):
            return self.onnx.constant(data)
        return self.int8_constant(index, data, added=added[axis], axis=axis)

    def int8_constant(
        self, index: int, data: NDArray[np.int8], repeats: int = 1, *, added: int = 0, axis: int = 0
    ) -> str:
        """A float view of int8 ``data`` with a tensor's scales: ``repeats`` times, then ``added`` more."""
        scales = _scales(self.tensor(index), repeats, added)
        inputs = [self.onnx.constant(value) for value in (data, scales)]
        # With session.x64quantprecision, ONNX Runtime rewrites a weight's zero point and fails where two share it.
        inputs.append(self.onnx.constant(np.zeros(np.shape(scales), np.int8), shared=False))
        return self._dequantize_constant(inputs, self.name(index), axis if np.ndim(scales) else None)

    def bias(self, index: int, added: int = 0, repeats: int = 1) -> str:
        """A float view of a constant int32 bias, ``repeats`` times, with zeros ``added`` behind it."""
        tensor = self.tensor(index)
        assert tensor.data is not None
        if self.is_float(index):
            return self.onnx.constant(tensor.data)
        scales, data = _scales(tensor, repeats, added), np.pad(np.tile(tensor.data, repeats), (0, added))
        # int32 has no zero point in ONNX: written out, they took as much as the biases.
        inputs = [self.onnx.constant(value) for value in (data, scales)]
        return self._dequantize_constant(inputs, self.name(index), 0 if scales.ndim else None)

    def name(self, index: int) -> str:
        """A tensor's name for ONNX."""
        return self.tensor(index).name or f"t{index}"

    def _dequantize_constant(self, inputs: list[str], name: str, axis: int | None) -> str:
        attributes: Mapping[str, Any] = {} if axis is None else {"axis": axis}
        return self.onnx.node("DequantizeLinear", inputs, f"{name}_real", attributes)


def of_photo(shape: Sequence[int]) -> tuple[int, ...]:
    """A TFLite tensor's shape without the batch, which is an axis 0 of size 1."""
    return tuple(shape[1:] if shape and shape[0] == 1 else shape)


def _scales(tensor: TfliteTensor, repeats: int, added: int) -> NDArray[np.float32]:
    if len(tensor.scales) == 1:
        return np.asarray(tensor.scales[0], np.float32)
    # Zeros are zeros by any scale.
    return np.pad(np.tile(tensor.scales, repeats), (0, added), mode="edge").astype(np.float32)


def _quantize_bound(bound: float, scale: np.float32, zero_point: int) -> int:
    # TFLite rounds half away from zero here, and saturates.
    if np.isinf(bound):
        return 255
    steps = float(np.float32(bound) / scale)
    return int(np.clip(zero_point + np.sign(steps) * np.floor(abs(steps) + 0.5), 0, 255))
