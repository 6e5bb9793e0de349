from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from translated import packed, run_onnx, run_tflite, tflite_ops

from edgekd.export.emit.hard_swish import fit_scale, float_table, integer_table
from edgekd.formats import tflite_file
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.ptq import to_int8

SIZE = 16


@pytest.fixture(scope="module")
def one_swish() -> bytes:
    """An int8 .tflite with a hard-swish between other layers."""
    import keras

    keras.utils.set_random_seed(6)
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(4, 1)(keras.layers.Rescaling(1 / 32, offset=-127 / 32)(image))
    x = keras.layers.Dense(3)(keras.layers.Flatten()(keras.layers.Activation("hard_swish")(x)))
    images = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3)).astype(np.uint8)
    return to_int8(load_float_model(keras.Model(image, x)), images).content


def alone(content: bytes, source: tuple[np.float32, int], target: tuple[np.float32, int]) -> NDArray[np.int64]:
    """What TFLite's op of these scales and uint8 zero points gives for every uint8 [256]."""
    from ai_edge_litert.interpreter import Interpreter

    model = tflite_file.parse(content, "m")
    graph = tflite_file.read(content, "m")
    (op,) = (op for op in graph.ops if op.name == "HARD_SWISH")
    main: Any = model.subgraphs[0]
    for index, (scale, zero_point) in ((op.inputs[0], source), (op.outputs[0], target)):
        main.tensors[index].quantization.scale = np.array([scale], np.float32)
        main.tensors[index].quantization.zeroPoint = np.array([zero_point - 128])
    main.inputs, main.outputs, main.operators = np.array(op.inputs), np.array(op.outputs), [main.operators[op.index]]
    model.signatureDefs = None
    content = tflite_file.pack(model)
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    given = (np.arange(SIZE * SIZE * 4) % 256 - 128).astype(np.int8).reshape(1, SIZE, SIZE, 4)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], given)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).ravel()[:256].astype(np.int64) + 128


def test_the_integers_are_tflites(one_swish: bytes) -> None:
    generator = np.random.default_rng(8)
    plain = fitted = 0
    for _ in range(60):
        # A range around 0, as calibration finds them, and what hard-swish makes of it: -0.375 to its top.
        low, high = -generator.uniform(0.4, 20), generator.uniform(0.5, 24)
        scale = np.float32((high - low) / 255)
        source = scale, int(np.rint(-low / scale))
        top = high * min(high / 6 + 0.5, 1)
        target = np.float32((top + 0.375) / 255), int(np.rint(0.375 / ((top + 0.375) / 255)))
        wanted = alone(one_swish, source, target)
        assert (integer_table(source, target) == wanted).all()
        plain += np.count_nonzero(float_table(source, target) != wanted)
        near = fit_scale(source, target)
        assert abs(near / scale - 1) <= 4.1e-4
        fitted += np.count_nonzero(float_table((near, source[1]), target) != wanted)
    # Of 60 x 256 values. Without the hair, about one in each table is a step off.
    assert fitted <= plain / 3
    assert fitted <= 20 < 40 <= plain


def test_a_file_with_hard_swish_gives_the_tflite_answers(one_swish: bytes) -> None:
    images = np.random.default_rng(1).integers(0, 256, (32, SIZE, SIZE, 3)).astype(np.uint8)
    pair = packed(one_swish)
    assert tflite_ops(pair.tflite)["HARD_SWISH"] == 1
    exact = run_onnx(pair.onnx, images, {"session.x64quantprecision": "1"})
    assert (exact == run_tflite(pair.tflite, images)).all()
