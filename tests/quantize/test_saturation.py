from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from translated import packed, run_onnx, run_tflite

from edgekd.formats import tflite_file
from edgekd.quantize.float_model import load_float_model
from edgekd.quantize.ptq import to_float32, to_int8
from edgekd.quantize.saturation import narrow_weights, saturating_channels


def layers(content: bytes) -> list[tuple[str, NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Name, weights [O, ...], their scales, bias and its scales, of every layer."""
    graph = tflite_file.read(content, "m")
    found = []
    for op in graph.ops:
        if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            weights, bias = (graph.tensors[index] for index in op.inputs[1:3])
            assert weights.data is not None and bias.data is not None
            found.append((op.name, weights.data, weights.scales, bias.data, bias.scales))
    return found


@pytest.fixture(scope="module")
def conversions(student: Any, images: NDArray[np.uint8]) -> tuple[bytes, bytes]:
    """The tiny student as int8 and float32 .tflite."""
    source = load_float_model(student)
    return to_int8(source, images).content, to_float32(source).content


@pytest.mark.parametrize(
    ("row", "saturates"),
    [
        # 255 x 128 is 32,640; 255 x 129 is 32,895, which 16 bits do not hold.
        ([127, 1, 0, 0], False),
        ([127, 2, 0, 0], True),
        ([-127, -1, 0, 0], False),
        ([-127, -2, 0, 0], True),
        ([127, -127, 127, -127], False),
        # Neighbours 1 and 2 are of two pairs.
        ([0, 127, 127, 0], False),
        ([0, 0, 5, 127], True),
        ([0, 0, 127], False),
        ([64, 65, 1], True),
    ],
)
def test_pairs_that_exceed_16_bits_are_found(row: list[int], saturates: bool) -> None:
    weights = np.array([[0] * len(row), row], np.int8)
    assert saturating_channels(weights).tolist() == [False, saturates]
    # The exact bound, by the products themselves.
    worst = [row + [0] * (len(row) % 2) for row in weights.astype(int).tolist()]
    pairs = np.array(worst[1]).reshape(-1, 2)
    sums = np.array([[255 * max(p, 0) + 255 * max(q, 0), 255 * min(p, 0) + 255 * min(q, 0)] for p, q in pairs])
    assert bool((sums > 32767).any() or (sums < -32768).any()) == saturates


def endangered(name: str, weights: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Which filters [O, H, W, I] can saturate; those on a photo may be read from either column of a pair on."""
    found = saturating_channels(weights.reshape(len(weights), -1))
    if name == "CONV_2D" and weights.shape[-1] == 3:
        lines = weights.reshape(len(weights), weights.shape[1], -1).astype(int)
        for sign in (1, -1):
            parts = (sign * lines).clip(0)
            found = found | (255 * (parts[:, :, 1:] + parts[:, :, :-1]) > 32767 + (sign < 0)).any(axis=(1, 2))
    return np.asarray(found)


@pytest.mark.parametrize("with_float", [False, True])
def test_only_endangered_channels_change_and_keep_their_values(
    conversions: tuple[bytes, bytes], with_float: bool
) -> None:
    content, float_content = conversions
    changed, found = narrow_weights(content, float_content if with_float else None)
    count = 0
    for (name, old, old_scales, old_bias, old_bias_scales), (_, new, new_scales, new_bias, new_bias_scales) in zip(
        layers(content), layers(changed), strict=True
    ):
        if name == "DEPTHWISE_CONV_2D":
            assert (old == new).all()
            continue
        before, after = (values.reshape(len(values), -1) for values in (old, new))
        narrow = endangered(name, old)
        if len(old_scales) > 1:
            assert (before[~narrow] == after[~narrow]).all()
            assert ((new_scales > old_scales) == narrow).all()
        assert not saturating_channels(after).any()
        assert not endangered(name, new).any()
        growth = (new_scales / old_scales).reshape(-1, 1)
        assert growth.max() <= 2 * 128 / 127
        # What was rounded twice is off by half a step of each scale.
        assert np.abs(after * growth - before).max() <= (growth / 2 + 0.5).max() + 1e-3
        assert np.abs(new_bias * new_bias_scales - old_bias * old_bias_scales).max() <= new_bias_scales.max()
        count += int(narrow.sum()) if len(old_scales) > 1 else len(before) * int(narrow.any())
    assert 0 < count == found.narrowed < found.channels
    assert found.from_float == (count if with_float else 0)
    assert found.record()["weight_range"] == f"s8, {count} of {found.channels} channels narrowed"


def test_float_weights_are_rounded_once(conversions: tuple[bytes, bytes]) -> None:
    content, float_content = conversions
    changed, _ = narrow_weights(content, float_content)
    for (_, real, *_), (name, new, scales, *_) in zip(layers(float_content), layers(changed), strict=True):
        axis = 3 if name == "DEPTHWISE_CONV_2D" else 0
        shape = [-1 if i == axis else 1 for i in range(new.ndim)]
        assert np.abs(real / scales.reshape(shape) - new).max() <= 0.502


def test_a_narrowed_file_is_left_as_it_is(conversions: tuple[bytes, bytes]) -> None:
    once, _ = narrow_weights(conversions[0])
    twice, found = narrow_weights(once)
    assert twice == once
    assert found.record() == {
        "weight_range": "s8, full range",
        "weight_range_reason": found.record()["weight_range_reason"],
    }


def test_weights_of_another_model_are_not_taken(conversions: tuple[bytes, bytes], images: NDArray[np.uint8]) -> None:
    import keras

    content, _ = conversions
    image = keras.Input((48, 48, 3))
    other = keras.Model(image, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(image)))
    assert narrow_weights(content, to_float32(load_float_model(other)).content) == narrow_weights(content)


def test_constants_that_two_ops_share_are_told_apart(images: NDArray[np.uint8]) -> None:
    import keras

    keras.utils.set_random_seed(4)
    image = keras.Input((48, 48, 3))
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128)(image)
    x = keras.layers.Conv2D(8, 3, strides=4, activation="relu")(x)
    shared = keras.layers.Conv2D(8, 1, activation="relu")
    x = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(shared(shared(x))))
    model = keras.Model(image, keras.layers.Rescaling(20.0)(x))
    content = _sharing(to_int8(load_float_model(model), images).content)
    pair = packed(narrow_weights(content)[0])
    assert not any(
        saturating_channels(weights.reshape(len(weights), -1)).any() for _, weights, *_ in layers(pair.tflite)
    )
    found, wanted = run_tflite(pair.tflite, images), run_tflite(packed(content).tflite, images)
    assert np.abs(found - wanted).max() < 0.1
    assert (run_onnx(pair.onnx, images) == found).all()


def _sharing(content: bytes) -> bytes:
    """The file with one weight tensor for the two layers that have the same weights."""
    model = tflite_file.parse(content, "m")
    convolutions = [op for op in model.subgraphs[0].operators if len(op.inputs) == 3][1:3]
    first, second = convolutions
    tensors = model.subgraphs[0].tensors
    assert (
        model.buffers[tensors[first.inputs[1]].buffer].data == model.buffers[tensors[second.inputs[1]].buffer].data
    ).all()
    second.inputs = np.array(second.inputs)
    second.inputs[1] = first.inputs[1]
    return tflite_file.pack(model)
