from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.errors import ExportError, UsageError
from edgekd.formats import tflite_file
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.op_names import OpNames, find_layer
from edgekd.quantize.ptq import quantize_int8, to_dynamic_range, to_float16, to_float32, to_int16x8
from edgekd.quantize.run_tflite import run_tflite
from tests.tiny_student import smooth_images


def floats(content: bytes) -> list[str]:
    return [text.split(" ")[0] for text in tflite_file.float_ops(tflite_file.read(content, "tiny"))]


def test_int8_is_what_the_converter_makes_in_one_go_but_for_what_an_op_overwrites(source: Any, calibrated: Any) -> None:
    from edgekd.quantize import converter
    from edgekd.quantize.calibration import _cover_full_range
    from edgekd.quantize.float_model import fixed_batch

    def configure(made: Any, tf: Any) -> None:
        shown = _cover_full_range(calibrated.images)
        made.optimizations = [tf.lite.Optimize.DEFAULT]
        made.representative_dataset = lambda: (
            [((image[np.newaxis].astype(np.float64) - 127) / 128).astype(np.float32)] for image in shown
        )
        made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        made.inference_input_type, made.inference_output_type = tf.uint8, tf.float32

    whole = tflite_file.read(converter.convert(fixed_batch(source.core, "float32"), configure), "one go")
    halves = tflite_file.read(quantize_int8(calibrated).content, "two steps")
    assert [op.name for op in whole.ops] == [op.name for op in halves.ops]
    # The sum is written into the memory of its second summand, where the converter's calibrator sees it too.
    (overwritten,) = [op.inputs[1] for op in whole.ops if op.name == "ADD"]
    for one, other in zip(whole.tensors, halves.tensors, strict=True):
        assert (one.type, one.shape) == (other.type, other.shape)
        if one.index == overwritten:
            assert other.scales[0] < 0.9 * one.scales[0]
            continue
        # Two builds of the float kernels may differ in a sum's last bit.
        assert np.allclose(one.scales, other.scales, rtol=1e-6) and np.array_equal(one.zero_points, other.zero_points)
        assert one.data is None or np.array_equal(one.data, other.data)


@pytest.mark.parametrize("output", ["float32", "uint8"])
@pytest.mark.parametrize(
    ("named", "left"),
    [
        ((), []),
        # The first op: the pixels become floats before it.
        (("conv2d",), ["DEQUANTIZE", "CONV_2D", "QUANTIZE"]),
        (("CONV_2D:conv2d_5",), ["DEQUANTIZE", "CONV_2D", "QUANTIZE"]),
        (("ADD",), ["DEQUANTIZE", "DEQUANTIZE", "ADD", "QUANTIZE"]),
    ],
)
def test_named_ops_stay_float_and_no_other(
    calibrated: Any, unseen: Any, float_answers: NDArray[np.float32], named: Any, left: list[str], output: Any
) -> None:
    made = quantize_int8(calibrated, output, float_ops=named)
    assert floats(made.content) == left
    assert made.precision == ("int8-mixed" if named else "int8")
    assert made.record.get("float_ops", []) == list(named)
    graph = tflite_file.read(made.content, "tiny")
    image, result = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    assert (image.type, float(image.scales[0]), int(image.zero_points[0])) == ("UINT8", 1 / 128, 127)
    assert result.type == output.upper()
    found = run_tflite(made.content, unseen)
    assert (found.argmax(axis=1) == float_answers.argmax(axis=1)).mean() >= 0.95


def test_a_float_softmax_gives_no_uint8(calibrated: Any) -> None:
    with pytest.raises(ExportError, match="softmax in int8"):
        quantize_int8(calibrated, "uint8", float_ops=("SOFTMAX",))


def test_an_unknown_op_is_named_with_the_nearest(calibrated: Any) -> None:
    with pytest.raises(UsageError, match=r"the model has no op 'conv2d_55'; did you mean .*conv2d_5"):
        OpNames.read(calibrated.content).match(("conv2d_55",))


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("functional_1/stem_relu_1/Relu6;functional_1/stem_conv_1/convolution", "stem_conv"),
        ("functional_1_1/net_1/dense_1/MatMul;functional_1_1/net_1/dense_1/BiasAdd", "dense"),
        ("net_1/add_1/Add", "add"),
        ("pixels", "pixels"),
        ("", ""),
    ],
)
def test_a_tensor_tells_its_layer(tensor: str, layer: str) -> None:
    assert find_layer(tensor) == layer


@pytest.mark.parametrize(
    ("make", "tolerance", "weights"),
    [
        (to_float32, 1e-5, "FLOAT32"),
        (to_float16, 0.01, "FLOAT16"),
        # Tensors of less than 1,024 values the converter leaves as they are.
        (to_dynamic_range, 0.1, "INT8"),
    ],
)
def test_the_other_precisions_answer_like_the_student(
    source: Any, unseen: Any, float_answers: NDArray[np.float32], make: Any, tolerance: float, weights: str
) -> None:
    content = make(source).content
    assert np.abs(run_tflite(content, unseen) - float_answers).max() < tolerance
    graph = tflite_file.read(content, "tiny")
    constants = [t for t in graph.tensors if t.data is not None and t.data.size >= 1024]
    assert {t.type for t in constants} == {weights}


def test_int16_activations(source: Any, images: Any, unseen: Any, float_answers: NDArray[np.float32]) -> None:
    made = to_int16x8(source, images)
    # Pixels are made int16, and everything after that computes in integers.
    assert floats(made.content) == ["CAST", "QUANTIZE"]
    graph = tflite_file.read(made.content, "tiny")
    assert {graph.tensors[op.outputs[0]].type for op in graph.ops[1:-1]} == {"INT16"}
    assert (run_tflite(made.content, unseen).argmax(axis=1) == float_answers.argmax(axis=1)).all()


def test_an_op_without_an_integer_form_is_named() -> None:
    import keras
    from keras import layers

    from edgekd.quantize.ptq import to_int8

    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255)(image))
    x = layers.Lambda(keras.ops.erf, output_shape=(14, 14, 4))(x)
    model = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    with pytest.raises(ExportError):
        to_int8(load_float_model(model), smooth_images(8, 16))
