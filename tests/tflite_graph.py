"""Small int8 .tflite files of chosen ops, written without a converter: pixels uint8 [1, H, W, 3] to float32 [1, K]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.formats import tflite_file

# Of the int8 output of a graph that ends in float.
FLOAT_STEP = 0.1
# Where LiteRT has no kernel of the first version.
_VERSIONS = {"BROADCAST_TO": 2}


class TfliteBuilder:
    """Ops in order of computation; ``pixels`` is the int8 tensor [1, H, W, 3] that the image becomes."""

    def __init__(self, height: int, width: int, scale: float = 0.02, zero_point: int = 3) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema = schema
        self._tensors: list[Any] = []
        self._ops: list[Any] = []
        self._codes: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]
        self.names: set[str] = set()
        self._image = self._tensor("image", (1, height, width, 3), schema.TensorType.UINT8, scale, zero_point + 128)
        self.pixels = self.op("QUANTIZE", [self._image], (1, height, width, 3), scale, zero_point)

    def op(
        self,
        name: str,
        inputs: Sequence[int],
        shape: Sequence[int] | Sequence[Sequence[int]],
        scale: float | None = 0.02,
        zero_point: int = 3,
        **options: Any,
    ) -> Any:
        """Add an op; returns its int8 output (float32 if ``scale`` is None), or a list of them for several shapes.

        ``options`` are fields of the schema's table, such as ``axis``.
        """
        schema = self._schema
        shapes: list[Any] = list(shape) if shape and isinstance(shape[0], (tuple, list)) else [shape]  # type: ignore[list-item]
        kind = schema.TensorType.FLOAT32 if scale is None else schema.TensorType.INT8
        stem = f"{name}_{len(self._ops)}"
        outputs = [self._tensor(f"{stem}_{i}", one, kind, scale, zero_point) for i, one in enumerate(shapes)]
        self.names.add(name)
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        number = getattr(schema.BuiltinOperator, name)
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), _VERSIONS.get(name, 1)
        self._codes.append(code)
        operator.opcodeIndex = len(self._codes) - 1
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        if options:
            table = options.pop("table")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = getattr(schema, f"{table}T")()
            for key, value in options.items():
                assert hasattr(operator.builtinOptions, key), key
                setattr(operator.builtinOptions, key, value)
        self._ops.append(operator)
        return outputs if len(outputs) > 1 else outputs[0]

    def integers(self, *values: Any) -> int:
        """A constant int32 tensor, such as axes or a shape."""
        data = np.array(values[0] if len(values) == 1 and np.ndim(values[0]) else values, np.int32)
        return self._constant(data, self._schema.TensorType.INT32)

    def number(self, value: int) -> int:
        """A constant int32 scalar."""
        return self._constant(np.array(value, np.int32), self._schema.TensorType.INT32)

    def constant(self, data: NDArray[np.int8], scale: float = 0.02, zero_point: int = 3) -> int:
        """A constant int8 tensor."""
        return self._constant(data, self._schema.TensorType.INT8, scale, zero_point)

    def weights(self, data: NDArray[np.int8], scales: NDArray[np.float32], axis: int = 0) -> int:
        """Constant int8 weights of a scale per channel."""
        index = self._constant(data, self._schema.TensorType.INT8, 1.0, 0)
        quantization = self._tensors[index].quantization
        quantization.scale, quantization.zeroPoint = scales, np.zeros(len(scales), np.int64)
        quantization.quantizedDimension = axis
        return index

    def bias(self, data: NDArray[np.int32], scales: NDArray[np.float32]) -> int:
        """A constant int32 bias of a scale per channel."""
        index = self._constant(data, self._schema.TensorType.INT32, 1.0, 0)
        quantization = self._tensors[index].quantization
        quantization.scale, quantization.zeroPoint = scales, np.zeros(len(scales), np.int64)
        return index

    def finish(self, output: int, values: int, scale: float | None = 0.02, zero_point: int = 3) -> bytes:
        """The file: ``output`` of so many values, and of this quantization, is flattened and dequantized."""
        if scale is None:
            scale, zero_point = FLOAT_STEP, 3
            output = self.op("QUANTIZE", [output], tuple(self._tensors[output].shape), scale, zero_point)
        flat = self.op("RESHAPE", [output, self.integers(1, values)], (1, values), scale, zero_point)
        result = self.op("DEQUANTIZE", [flat], (1, values), None)
        schema = self._schema
        graph, model = schema.SubGraphT(), schema.ModelT()
        graph.tensors, graph.operators = self._tensors, self._ops
        graph.inputs, graph.outputs = np.array([self._image], np.int32), np.array([result], np.int32)
        model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], self._buffers, self._codes
        return tflite_file.pack(model)

    def _constant(self, data: NDArray[Any], kind: int, scale: float | None = None, zero_point: int = 0) -> int:
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        self._buffers.append(buffer)
        index = self._tensor(f"constant_{len(self._tensors)}", data.shape, kind, scale, zero_point)
        self._tensors[index].buffer = len(self._buffers) - 1
        return index

    def _tensor(self, name: str, shape: Sequence[int], kind: int, scale: float | None, zero_point: int) -> int:
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name.encode(), np.array(shape, np.int32), kind, 0
        if scale is not None:
            tensor.quantization = self._schema.QuantizationParametersT()
            tensor.quantization.scale = np.array([scale], np.float32)
            tensor.quantization.zeroPoint = np.array([zero_point], np.int64)
        self._tensors.append(tensor)
        return len(self._tensors) - 1
