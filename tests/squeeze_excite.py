"""A .tflite whose squeeze-excite block is right in float32 and overflows in half precision; no converter is needed.

Its gate's hidden layer has sums of some 300,000; the layer after it scales them back with weights of both signs, so
that infinite values become no numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE, CHANNELS = 32, 8
HIDDEN_SCALE = 400.0


class Layers:
    """The weights: float32, [outputs, inputs]."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64], classes: int) -> None:
        rng = np.random.default_rng(1)
        self.mix = rng.normal(0, 1, (CHANNELS, 3)).astype(np.float32)
        self.squeeze = (np.abs(rng.normal(0, 1, (CHANNELS, CHANNELS))) * HIDDEN_SCALE).astype(np.float32)
        excite = rng.normal(0, 1, (CHANNELS, CHANNELS))
        self.excite = (1e-5 * (excite - excite.mean(axis=1, keepdims=True))).astype(np.float32)
        # The head is fitted by least squares to what the block gives for the photos.
        features = np.c_[self.pooled(images), np.ones(len(images))]
        targets = 8.0 * np.eye(classes)[labels]
        fitted = np.linalg.lstsq(
            features.T @ features + 10 * np.eye(CHANNELS * 4 + 1), features.T @ targets, rcond=None
        )
        self.head, self.bias = fitted[0][:-1].T.astype(np.float32), fitted[0][-1].astype(np.float32)

    def squeezed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the block's dense layers get, [N, CHANNELS]."""
        return np.asarray(np.maximum(images.astype(np.float32) @ self.mix.T, 0).mean(axis=(1, 2)))

    def pooled(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the head gets: means of four parts of the image, each channel times its gate."""
        maps = np.maximum(images.astype(np.float32) @ self.mix.T, 0)
        gate = self.gate(self.squeezed(images))
        half = SIZE // 2
        parts = maps.reshape(len(images), 2, half, 2, half, CHANNELS).mean(axis=(2, 4))
        return np.asarray((parts * gate[:, None, None]).reshape(len(images), -1))

    def gate(self, squeezed: NDArray[np.float32]) -> NDArray[np.float32]:
        """The gate of each channel in float32."""
        hidden = np.maximum(squeezed @ self.squeeze.T, 0)
        return np.asarray(1 / (1 + np.exp(-(hidden @ self.excite.T))))

    def gate_in_half(self, squeezed: NDArray[np.float32]) -> NDArray[np.float16]:
        """The same in half precision, every product and every sum rounded to it."""
        with np.errstate(over="ignore", invalid="ignore"):
            hidden = np.maximum(dense_in_half(squeezed.astype(np.float16), self.squeeze), np.float16(0))
            logits = dense_in_half(hidden, self.excite)
            return np.asarray((1 / (1 + np.exp(-logits.astype(np.float32)))).astype(np.float16))


def dense_in_half(rows: NDArray[np.float16], weights: NDArray[np.float32]) -> NDArray[np.float16]:
    """A dense layer with one rounding to half precision a product and one a sum."""
    half = weights.astype(np.float16)
    total = np.zeros((len(rows), len(weights)), np.float16)
    for column in range(half.shape[1]):
        total = (total + (rows[:, column, None] * half[:, column]).astype(np.float16)).astype(np.float16)
    return total


def write(path: Path, layers: Layers) -> None:
    """Write the network: float32 pixels 0..255 [1, 32, 32, 3] to probabilities."""
    from ai_edge_litert import schema_py_generated as schema

    from edgekd.formats import tflite_file

    graph = _Graph(schema)
    classes = len(layers.head)
    image = graph.tensor("image", (1, SIZE, SIZE, 3))
    mix = graph.constant(layers.mix.reshape(CHANNELS, 1, 1, 3))
    mixed = graph.op("CONV_2D", [image, mix, graph.zeros(CHANNELS)], "mixed", (1, SIZE, SIZE, CHANNELS),
        "Conv2DOptions", strideH=1, strideW=1, fusedActivationFunction=1)  # fmt: skip
    squeezed = graph.op("MEAN", [mixed, graph.constant(np.array([1, 2], np.int32))], "squeezed", (1, CHANNELS),
        "ReducerOptions", keepDims=False)  # fmt: skip
    hidden = graph.dense("squeeze", squeezed, layers.squeeze, None, activation=1)
    gate = graph.op("LOGISTIC", [graph.dense("excite", hidden, layers.excite, None)], "gate", (1, CHANNELS))
    gates = graph.op("RESHAPE", [gate, graph.constant(np.array([1, 1, 1, CHANNELS], np.int32))], "gates",
        (1, 1, 1, CHANNELS), "ReshapeOptions", newShape=[1, 1, 1, CHANNELS])  # fmt: skip
    pooled = graph.op("AVERAGE_POOL_2D", [mixed], "pooled", (1, 2, 2, CHANNELS), "Pool2DOptions", padding=1,
        strideH=SIZE // 2, strideW=SIZE // 2, filterHeight=SIZE // 2, filterWidth=SIZE // 2)  # fmt: skip
    scaled = graph.op("MUL", [pooled, gates], "scaled", (1, 2, 2, CHANNELS), "MulOptions")
    flat = graph.op("RESHAPE", [scaled, graph.constant(np.array([1, 4 * CHANNELS], np.int32))], "flat",
        (1, 4 * CHANNELS), "ReshapeOptions", newShape=[1, 4 * CHANNELS])  # fmt: skip
    logits = graph.dense("head", flat, layers.head, layers.bias)
    scores = graph.op("SOFTMAX", [logits], "probabilities", (1, classes), "SoftmaxOptions", beta=1.0)
    path.write_bytes(tflite_file.pack(graph.finish([image], [scores])))


class _Graph:
    """Tensors, buffers and ops, as the schema has them."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._tensors: list[Any] = []
        self._ops: list[Any] = []
        self._codes: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]

    def tensor(self, name: str, shape: tuple[int, ...], buffer: int = 0, integers: bool = False) -> int:
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name.encode(), np.array(shape, np.int32), buffer
        tensor.type = self._schema.TensorType.INT32 if integers else self._schema.TensorType.FLOAT32
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def constant(self, data: NDArray[Any]) -> int:
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(data.tobytes(), np.uint8)
        self._buffers.append(buffer)
        name = f"constant_{len(self._buffers)}"
        return self.tensor(name, data.shape, len(self._buffers) - 1, data.dtype == np.int32)

    def zeros(self, count: int) -> int:
        return self.constant(np.zeros(count, np.float32))

    def dense(
        self,
        name: str,
        source: int,
        weights: NDArray[np.float32],
        bias: NDArray[np.float32] | None,
        activation: int = 0,
    ) -> int:
        add = self.zeros(len(weights)) if bias is None else self.constant(bias)
        return self.op("FULLY_CONNECTED", [source, self.constant(weights), add], name, (1, len(weights)),
            "FullyConnectedOptions", fusedActivationFunction=activation)  # fmt: skip

    def op(
        self, kind: str, inputs: list[int], name: str, shape: tuple[int, ...], table: str | None = None, **options: Any
    ) -> int:
        schema, output = self._schema, self.tensor(name, shape)
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, kind)
        code.version = 1
        self._codes.append(code)
        operator.opcodeIndex = len(self._codes) - 1
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        if table is not None:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = getattr(schema, f"{table}T")()
            for key, value in options.items():
                setattr(operator.builtinOptions, key, value)
        self._ops.append(operator)
        return output

    def finish(self, inputs: list[int], outputs: list[int]) -> Any:
        schema = self._schema
        model, graph = schema.ModelT(), schema.SubGraphT()
        graph.tensors, graph.operators, graph.name = self._tensors, self._ops, b"main"
        graph.inputs, graph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], self._buffers, self._codes
        model.description = b"squeeze-excite"
        return model
